import numpy as np
import torch

from largebatch.files import checksum, read_arrays
from largebatch.lab.data import load
from largebatch.lab.datasets import prepare
from largebatch.spec import IMAGES


def test_digits_are_scikit_learns_and_their_file_is_reproducible(tmp_path):
    from sklearn.datasets import load_digits

    prepare("digits", tmp_path, tmp_path / "a.safetensors")
    prepare("digits", tmp_path, tmp_path / "b.safetensors")
    assert checksum(tmp_path / "a.safetensors") == checksum(tmp_path / "b.safetensors")
    arrays = read_arrays(tmp_path / "a.safetensors")
    assert arrays["images"].shape == (IMAGES["digits"].open, 1, 8, 8)
    np.testing.assert_array_equal(arrays["images"][:, 0] * 16, load_digits().images)
    np.testing.assert_array_equal(arrays["labels"], load_digits().target)
    dataset = load(tmp_path / "a.safetensors", torch.float64, torch.device("cpu"))
    assert (dataset.shape, dataset.classes, dataset.dtype) == ((1, 8, 8), 10, torch.float64)
