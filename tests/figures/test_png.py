import numpy as np
from PIL import Image

from largebatch.figures import png, style


def test_png_without_shades_has_half_the_colours(tmp_path):
    with style.paper_style():
        figure = style.canvas(2, 1)
        axes = figure.subplots()
        for i in range(200):
            axes.axhspan(i, i + 1, color=(i / 200, 1 - i / 200, 0.5))
        style.save(figure, tmp_path / "bars", {"png": {"Title": "bars"}})
    with Image.open(tmp_path / "bars.png") as few:
        assert png.COLOURS // 2 < len(few.convert("RGB").getcolors()) <= png.COLOURS < png.SHADES


def test_png_has_few_colours_and_those_of_its_lines_as_they_are(tmp_path):
    with style.paper_style():
        figure = style.canvas(2, 1)
        axes = figure.subplots()
        for height, colour in enumerate(("#0072B2", "#D55E00", "#009E73")):
            axes.axhspan(height, height + 0.5, color=colour)
        axes.imshow(np.linspace(0, 1, 900).reshape(30, 30), extent=(0, 1, 4, 5), aspect="auto")
        style.save(figure, tmp_path / "many", {"png": {"Title": "bars"}})
        figure.savefig(tmp_path / "full.png", dpi=png.PNG_DPI)
    few, full = Image.open(tmp_path / "many.png"), Image.open(tmp_path / "full.png").convert("RGB")
    assert few.mode == "P" and len(few.convert("RGB").getcolors()) <= png.SHADES
    assert len(full.getcolors(1 << 24)) > png.SHADES
    shown, wanted = (np.asarray(image.convert("RGB")).astype(int) for image in (few, full))
    for colour in ((0, 0x72, 0xB2), (0xD5, 0x5E, 0), (0, 0x9E, 0x73), (255, 255, 255)):
        assert (shown[(wanted == colour).all(axis=2)] == colour).all()
    assert np.abs(shown - wanted).mean() < 0.5
