"""What is asked of the system before images are used: the whole pages of each, and of large ones alone."""

import mmap
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from largebatch.data import ahead
from largebatch.files import map_tensors, write_arrays


@pytest.fixture
def asked(monkeypatch):
    """(start, length) of each range that is asked for."""
    found = []

    class Madvise:
        def __call__(self, start, length, advice):
            assert advice == mmap.MADV_WILLNEED
            found.append((start, length))

    monkeypatch.setattr(ahead.ctypes, "CDLL", lambda name: SimpleNamespace(madvise=Madvise()))
    return found


def test_the_pages_of_each_image_are_asked_for(asked):
    images = torch.zeros(5, 3, 200, 200, dtype=torch.uint8)  # 120,000 bytes each, no multiple of a page
    ahead.read(images, torch.tensor([[4, 0], [2, 2]]))
    assert len(asked) == 4
    for (start, length), row in zip(asked, (4, 0, 2, 2), strict=True):
        first = images[row].data_ptr()
        assert start % mmap.PAGESIZE == 0 and first - mmap.PAGESIZE < start <= first
        assert start + length == first + images[row].nbytes


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(5, 1, 8, 8),
        torch.zeros(5, 200, 200, 3).permute(0, 3, 1, 2),
        torch.zeros(5, 300, 300).to("meta"),
    ],
    ids=["small", "not in order", "elsewhere"],
)
def test_others_are_left_alone(images, asked):
    ahead.read(images, torch.tensor([1, 3]))
    assert not asked


def test_images_of_a_file_are_what_they_were(tmp_path):
    """With the system's own madvise."""
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 200, 200), dtype=np.uint8)
    write_arrays(tmp_path / "made.safetensors", {"images": images})
    mapped = map_tensors(tmp_path / "made.safetensors")["images"]
    ahead.read(mapped, torch.arange(6))
    assert np.array_equal(mapped.numpy(), images)
