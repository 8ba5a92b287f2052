import numpy as np
import pytest
import torch

from largebatch.files import checksum, read_arrays
from largebatch.lab import data
from largebatch.lab.data import Splits, load, prepare
from largebatch.spec import IMAGES


def test_digits_are_scikit_learns_and_their_file_is_reproducible(tmp_path):
    from sklearn.datasets import load_digits

    prepare("digits", tmp_path / "a.safetensors")
    prepare("digits", tmp_path / "b.safetensors")
    assert checksum(tmp_path / "a.safetensors") == checksum(tmp_path / "b.safetensors")
    arrays = read_arrays(tmp_path / "a.safetensors")
    assert arrays["images"].shape == (IMAGES["digits"], 1, 8, 8)
    np.testing.assert_array_equal(arrays["images"][:, 0] * 16, load_digits().images)
    np.testing.assert_array_equal(arrays["labels"], load_digits().target)
    dataset = load(tmp_path / "a.safetensors", torch.float64, torch.device("cpu"))
    assert (dataset.shape, dataset.classes, dataset.images.dtype) == ((1, 8, 8), 10, torch.float64)


def test_parts_of_a_split_are_disjoint_and_differ_between_seeds(dataset):
    splits = Splits(dataset, [0, 1], 48, 16, 16)
    for lane in range(2):
        rows = torch.cat([splits.rows[part][lane] for part in ("train", "validation", "test")])
        assert sorted(rows.tolist()) == list(range(80))
    assert splits.rows["test"][0].tolist() != splits.rows["test"][1].tolist()


def test_a_split_does_not_depend_on_company(dataset):
    assert torch.equal(
        Splits(dataset, [0, 5], 48, 16, 16).rows["train"][1],
        Splits(dataset, [5], 48, 16, 16).rows["train"][0],
    )


@pytest.mark.parametrize("kept_bytes", [0, 1 << 30])
def test_shuffled_examples_are_those_of_the_training_part(kept_bytes, dataset, monkeypatch):
    monkeypatch.setattr(data, "KEPT_BYTES", kept_bytes)
    splits = Splits(dataset, [0, 1, 2], 48, 16, 16)
    order = torch.stack([torch.randperm(48, generator=torch.Generator().manual_seed(s)) for s in range(3)])[
        :, :20
    ]
    for lanes in ([0, 1, 2], [2, 0]):  # seeds may leave
        splits.keep(torch.tensor(lanes))
        order = order[lanes]
        images, labels = splits.shuffled(order)
        expected = splits.examples(splits.rows["train"].gather(1, order))
        assert torch.equal(images, expected[0]) and torch.equal(labels, expected[1])


def test_images_are_standardised_by_the_training_part_only(dataset):
    splits = Splits(dataset, [0, 1], 48, 16, 16)
    images, labels = splits.examples(splits.rows["train"])
    torch.testing.assert_close(
        images.mean((1, 2, 3, 4)), torch.zeros(2, dtype=torch.float64), atol=1e-12, rtol=0
    )
    torch.testing.assert_close(images.var((1, 2, 3, 4), correction=0), torch.ones(2, dtype=torch.float64))
    assert torch.equal(labels, dataset.labels[splits.rows["train"]])
    raw = dataset.images[splits.rows["train"][0]]
    test, _ = splits.examples(splits.rows["test"])
    expected = (dataset.images[splits.rows["test"][0]] - raw.mean()) / raw.std(correction=0)
    torch.testing.assert_close(test[0], expected)
