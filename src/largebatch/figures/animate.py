"""Animates a figure of paths through the weights: they grow from their start to their ends."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from PIL import Image
from pydantic import TypeAdapter

from largebatch import files
from largebatch.config.question import Figure
from largebatch.figures import draw_descent, style
from largebatch.figures.draw import table_of
from largebatch.figures.looks import COLOURS
from largebatch.figures.lost import empty, is_nothing, sentence

SCENES = {
    "descent": draw_descent.scene
}  # kind -> (drawn, figure) -> its canvas, and a function that draws the paths up to a share
FRAMES, FRAME_MS, LAST_MS = 60, 80, 2500
DPI, PALETTE = 160, 64


def animate(ask: dict, observations: Path, out: Path) -> None:
    """Write a figure as a GIF that starts again after its last frame.

    ask: as of draw(). The same observations give the same bytes.
    """
    figure = TypeAdapter(Figure).validate_python(ask["figure"])
    if figure.kind not in SCENES:
        raise ValueError(f"figure {figure.name}: wanted a kind among {sorted(SCENES)}; got {figure.kind!r}")
    drawn, lost = table_of(figure, observations)
    with style.paper_style():
        nothing = is_nothing(drawn)
        scene = (
            (empty(sentence(lost, {})), lambda share: None) if nothing else SCENES[figure.kind](drawn, figure)
        )
        frames = frames_of(*scene)
    palette = palette_of(frames[-1])
    # without dithering, what does not move is the same in every frame, and the file is small
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    durations = [FRAME_MS] * (FRAMES - 1) + [LAST_MS]
    settings = {"save_all": True, "append_images": others, "duration": durations, "loop": 0}
    with files.atomic(out) as temporary:
        first.save(temporary, format="GIF", **settings)


def frames_of(canvas: Canvas, show: Callable[[float], None]) -> list[Image.Image]:
    """Pictures at evenly spaced shares of the paths, from 0 to 1."""
    canvas.set_dpi(DPI)
    painter = FigureCanvasAgg(canvas)
    show(1.0)
    for _ in range(2):  # with equal units on both axes, the layout is final only after the second draw
        painter.draw()
    canvas.set_layout_engine("none")  # otherwise the panels move from frame to frame
    frames = []
    for share in np.linspace(0, 1, FRAMES):
        show(float(share))
        painter.draw()
        frames.append(Image.fromarray(np.asarray(painter.buffer_rgba())[..., :3].copy()))
    return frames


def palette_of(frame: Image.Image) -> Image.Image:
    """Colours for all frames: those of the last one, and swatches, so that thin lines keep their colours."""
    swatched = frame.copy()
    side = frame.height // len(COLOURS)
    for place, colour in enumerate(COLOURS):
        swatched.paste(colour, (0, place * side, side, (place + 1) * side))
    return swatched.quantize(PALETTE, dither=Image.Dither.NONE)
