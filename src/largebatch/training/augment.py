"""Augmentation: what is drawn for every training image of an epoch, and the image that comes of it.

Of each kind one function draws, for all images of an epoch at once, on the CPU and from each seed's own
stream; the other makes the images, as many at a time as suits. Pure functions; see engine.py.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F

Streams = list[torch.Generator]

# Of width to height of a crop, least and most (Szegedy et al. 2015, section 6).
ASPECT = (3 / 4, 4 / 3)


def draw_shifts(
    sides: tuple[int, int], count: int, streams: Streams, pixels: int, flip: bool = False
) -> torch.Tensor:
    """Uniform whole shifts in [-pixels, pixels] along height and width, and whether to mirror.

    (s, count, 3): down, right, mirrored.
    """
    shifts = [torch.randint(-pixels, pixels + 1, (count, 2), generator=g) for g in streams]
    return torch.cat([torch.stack(shifts), draw_flips(count, streams, flip)], dim=2)


def draw_crops(
    sides: tuple[int, int], count: int, streams: Streams, low: float = 0.08, flip: bool = True
) -> torch.Tensor:
    """Boxes of a uniform share of the image in [low, 1], anywhere in it, and whether to mirror.

    (s, count, 5): top, left, height, width, mirrored. The aspect ratio is log-uniform in ASPECT; a side that
    would be longer than the image's is cut to it, where torchvision's RandomResizedCrop draws again.
    """
    height, width = sides
    uniform = torch.stack([torch.rand(count, 4, generator=g, dtype=torch.float64) for g in streams])
    share, position, *corner = uniform.unbind(2)  # (s, count) each
    area = (low + (1 - low) * share) * height * width
    least, most = (math.log(ratio) for ratio in ASPECT)
    aspect = torch.exp(least + (most - least) * position)
    tall = (area / aspect).sqrt().round().clamp(1, height)
    wide = (area * aspect).sqrt().round().clamp(1, width)
    top, left = (
        (u * (side - length + 1)).floor() for u, side, length in zip(corner, sides, (tall, wide), strict=True)
    )
    boxes = torch.stack([top, left, tall, wide], dim=2).long()
    return torch.cat([boxes, draw_flips(count, streams, flip)], dim=2)


def draw_flips(count: int, streams: Streams, flip: bool) -> torch.Tensor:
    """1 with probability 1/2, or 0 throughout and nothing drawn; (s, count, 1)."""
    if not flip:
        return torch.zeros(len(streams), count, 1, dtype=torch.int64)
    return torch.stack([torch.randint(2, (count, 1), generator=g) for g in streams])


def shifted(images: torch.Tensor, drawn: torch.Tensor, border: torch.Tensor) -> torch.Tensor:
    """Each image moved down and right, then mirrored if drawn; uncovered pixels are filled with `border`.

    images: (s, b, c, h, w); drawn: (s, b, 3); border: (s, 1, c, 1, 1).
    """
    down, right, mirror = drawn.split(1, dim=2)  # (s, b, 1) each
    height, width = images.shape[3:]
    rows = torch.arange(height, device=drawn.device) - down  # (s, b, h): where each line comes from
    columns = mirrored(torch.arange(width, device=drawn.device) - right, mirror)  # (s, b, w)
    moved = images.gather(3, rows.clamp(0, height - 1)[:, :, None, :, None].expand_as(images))
    moved = moved.gather(4, columns.clamp(0, width - 1)[:, :, None, None, :].expand_as(images))
    row_inside, column_inside = ((at >= 0) & (at < at.shape[2]) for at in (rows, columns))
    inside = row_inside[..., :, None] & column_inside[..., None, :]  # (s, b, h, w)
    return torch.where(inside[:, :, None], moved, border)


def cropped(images: torch.Tensor, drawn: torch.Tensor, border: torch.Tensor) -> torch.Tensor:
    """Each image's box, resized bilinearly to the size of the image, then mirrored if drawn.

    images: (s, b, c, h, w); drawn: (s, b, 5). Pixels outside the box play no part, nor does `border`.
    """
    top, left, tall, wide, mirror = drawn.flatten(0, 1).split(1, dim=1)  # (s*b, 1) each
    rows = in_box(top, tall, images.shape[3], images.dtype)  # (s*b, h)
    columns = mirrored(in_box(left, wide, images.shape[4], images.dtype), mirror)  # (s*b, w)
    grid = torch.stack(  # (s*b, h, w, 2): x before y
        [
            columns[:, None, :].expand(-1, images.shape[3], -1),
            rows[:, :, None].expand(-1, -1, images.shape[4]),
        ],
        dim=3,
    )
    return F.grid_sample(images.flatten(0, 1), grid, align_corners=False).view_as(images)


def in_box(start: torch.Tensor, length: torch.Tensor, side: int, dtype: torch.dtype) -> torch.Tensor:
    """Where each of `side` pixels of a resized box comes from, as grid_sample counts; (b, 1) -> (b, side).

    Never beyond the centres of the box's outermost pixels. Of the image, -1 and 1 are the edges.
    """
    centres = torch.arange(side, device=start.device, dtype=dtype) + 0.5
    inside = (centres * length / side - 0.5).clamp(min=0).minimum(length - 1)
    return (2 * (start + inside) + 1) / side - 1


def mirrored(sources: torch.Tensor, mirror: torch.Tensor) -> torch.Tensor:
    """Sources of a line's pixels, from right to left where `mirror` is 1; (..., w), (..., 1) -> (..., w)."""
    return torch.where(mirror == 1, sources.flip(-1), sources)


class Augmentation(NamedTuple):
    """draw: (sides, count, streams, **settings) -> drawn; apply: (images, drawn, border) -> images."""

    draw: Callable[..., torch.Tensor]
    apply: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


AUGMENTATIONS = {
    "shifts": Augmentation(draw_shifts, shifted),
    "resized_crops": Augmentation(draw_crops, cropped),
}
