"""Large images of a mapped file, each read whole before it is used.

Left alone, the system reads page by page as they are touched, with whatever lies around them. Where the data
do not fit into memory, those other pages push out the ones that are still needed, and are read again.
"""

import ctypes
import mmap

import torch

# From this size on an image is read by itself; smaller ones share pages.
LEAST_BYTES = 64 << 10


def helps(images: torch.Tensor) -> bool:
    """Whether images (n, ...) are large, and on the CPU, where they may be those of a file."""
    can_be_asked_for = images.is_cpu and images.is_contiguous() and hasattr(mmap, "MADV_WILLNEED")
    return can_be_asked_for and images[0].nbytes >= LEAST_BYTES


def read(images: torch.Tensor, rows: torch.Tensor) -> None:
    """Ask for these rows of images, without waiting for them, if that helps; rows: of any shape."""
    if not helps(images):
        return
    each, first, madvise = images[0].nbytes, images.data_ptr(), ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for row in rows.flatten().tolist():
        start = first + row * each
        page = start - start % mmap.PAGESIZE
        madvise(page, start + each - page, mmap.MADV_WILLNEED)
