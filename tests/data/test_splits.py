import re

import numpy as np
import pytest
import torch

from largebatch.data.splits import Dataset, Splits, absent, absent_in_words, load
from largebatch.files import write_arrays


def test_bytes_become_numbers_where_they_are_used(dataset):
    """The same standardised images, whether pixels are kept as bytes or as numbers."""
    pixels = (dataset.images * 100).to(torch.uint8)
    found = [
        Splits(Dataset(images, dataset.labels, torch.float64), [0, 1], 48, 16, 16)
        for images in (pixels, pixels.double() / 255)
    ]
    for part in ("train", "test"):
        ours, theirs = (splits.examples(splits.rows[part])[0] for splits in found)
        torch.testing.assert_close(ours, theirs)


def test_a_test_part_that_comes_with_the_data_is_the_test_part_of_every_seed(dataset):
    splits = Splits(Dataset(dataset.images, dataset.labels, torch.float64, held_out=20), [0, 1], 50, 10, 20)
    for index in range(2):
        assert sorted(splits.rows["test"][index].tolist()) == list(range(60, 80))
        rows = torch.cat([splits.rows[part][index] for part in ("train", "validation")])
        assert sorted(rows.tolist()) == list(range(60))


@pytest.mark.parametrize(
    ("held_out", "sizes", "message"),
    [
        (0, (48, 16, 17), r"train \+ validation \+ test of at most the 80 images of the data; got 81"),
        (20, (48, 13, 20), r"train \+ validation of at most the 60 images of the data; got 61"),
        (20, (48, 12, 21), "test of at most the 20 images held out by the data; got 21"),
    ],
)
def test_parts_that_do_not_fit_are_refused(held_out, sizes, message, dataset):
    with pytest.raises(ValueError, match=message):
        Splits(Dataset(dataset.images, dataset.labels, torch.float64, held_out), [0], *sizes)


def test_parts_of_a_split_are_disjoint_and_differ_between_seeds(dataset):
    splits = Splits(dataset, [0, 1], 48, 16, 16)
    for index in range(2):
        rows = torch.cat([splits.rows[part][index] for part in ("train", "validation", "test")])
        assert sorted(rows.tolist()) == list(range(80))
    assert splits.rows["test"][0].tolist() != splits.rows["test"][1].tolist()


def test_standardisation_does_not_depend_on_how_much_is_summed_at_a_time(dataset, monkeypatch):
    at_once = Splits(dataset, [0, 1], 48, 16, 16)
    monkeypatch.setattr("largebatch.data.splits.SUMMED_BYTES", 3 * 8 * 16)
    by_three = Splits(dataset, [0, 1], 48, 16, 16)
    assert torch.equal(at_once.scale, by_three.scale) and torch.equal(at_once.shift, by_three.shift)


def test_a_split_does_not_depend_on_company(dataset):
    assert torch.equal(
        Splits(dataset, [0, 5], 48, 16, 16).rows["train"][1],
        Splits(dataset, [5], 48, 16, 16).rows["train"][0],
    )


@pytest.mark.parametrize("kept_bytes", [0, 1 << 30])
def test_shuffled_examples_are_those_of_the_training_part(kept_bytes, dataset, monkeypatch):
    monkeypatch.setattr("largebatch.data.splits.KEPT_BYTES", kept_bytes)
    splits = Splits(dataset, [0, 1, 2], 48, 16, 16)
    order = torch.stack([torch.randperm(48, generator=torch.Generator().manual_seed(s)) for s in range(3)])[
        :, :20
    ]
    for kept in ([0, 1, 2], [2, 0]):  # seeds may leave
        splits.keep(torch.tensor(kept))
        order = order[kept]
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


def test_a_channel_that_never_varies_in_training_is_nought_everywhere(dataset):
    """For the seed with a constant channel in its training part, even if its test part varies in it."""
    splits = Splits(dataset, [0, 1], 48, 16, 16)
    images = dataset.images.repeat(1, 3, 1, 1)
    images[:, 1] = 0.1  # in double precision its mean square is not the square of its mean
    images[splits.rows["train"][1], 2] = 5.0
    found = Splits(Dataset(images, dataset.labels, torch.float64), [0, 1], 48, 16, 16)
    for part in ("train", "validation", "test"):
        ours, plain = found.examples(found.rows[part])[0], splits.examples(splits.rows[part])[0]
        torch.testing.assert_close(ours[:, :, :1], plain)
        assert ours[:, :, 1].count_nonzero() == 0 and ours[1, :, 2].count_nonzero() == 0
        assert ours[0, :, 2].count_nonzero() > 0


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_one_colour_to_train_on_is_refused(dtype):
    images = torch.full((20, 3, 2, 2), 200).to(dtype)
    images[0] = 7
    parts = Dataset(images, torch.arange(20) % 2, torch.float32, name="mine")
    seeds = [s for s in range(6) if 0 not in Splits(vary(parts), [s], 10, 5, 5).rows["train"]]
    assert 0 < len(seeds) < 6
    with pytest.raises(
        ValueError, match=rf"^mine: .* vary among each seed's 10 .* seeds {re.escape(str(seeds))}"
    ):
        Splits(parts, [*range(6)], 10, 5, 5)


def vary(dataset: Dataset) -> Dataset:
    """The same with pixels of noise."""
    noise = torch.rand(dataset.images.shape, generator=torch.Generator().manual_seed(0))
    return Dataset(noise, dataset.labels, dataset.dtype)


def test_parts_without_a_class_are_told():
    """Held-out images are all of class 2, and 3 training images are rarely of 3 classes."""
    labels = torch.tensor([0, 1, 2] * 4 + [2] * 5)
    some = Dataset(torch.rand(17, 1, 2, 2), labels, torch.float32, held_out=5)
    seeds = list(range(10, 16))
    found = absent(some, seeds, 3, 0, 4)
    assert found["test"] == {0: seeds, 1: seeds} and "validation" not in found
    rows = Splits(some, seeds, 3, 0, 4).rows["train"]
    for label in range(3):
        lacking = [s for s, r in zip(seeds, rows, strict=True) if label not in labels[r]]
        assert found["train"].get(label, []) == lacking
    assert (
        absent_in_words({"test": found["test"]}, seeds)
        == "6 of 6 seeds have no image labelled 0 or 1 to test on"
    )
    assert "train" not in absent(some, seeds, 12, 0, 5) and absent_in_words({}, seeds) == ""


def test_many_absent_labels_are_counted():
    some = {"train": {label: [label % 3] for label in range(11)}}
    assert (
        absent_in_words(some, [0, 1, 2, 3])
        == "3 of 4 seeds have no image labelled by one of 11 labels to train on"
    )


def test_a_file_without_labels_is_refused(tmp_path):
    write_arrays(tmp_path / "x.safetensors", {"images": np.zeros((2, 1, 2, 2))})
    with pytest.raises(ValueError, match=r"x\.safetensors: wanted images and labels; got no \['labels'\]"):
        load(tmp_path / "x.safetensors", torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("fitted", [20, 48, 100])
def test_the_standardisation_of_a_large_data_set_is_fitted_on_part_of_each_training_part(
    fitted, dataset, monkeypatch
):
    monkeypatch.setattr("largebatch.data.splits.FITTED_IMAGES", fitted)
    splits = Splits(dataset, [0, 3], 48, 16, 16)
    for index in range(2):
        raw = dataset.images[splits.rows["train"][index, :fitted]]
        expected = (dataset.images[splits.rows["test"][index]] - raw.mean()) / raw.std(correction=0)
        torch.testing.assert_close(splits.examples(splits.rows["test"])[0][index], expected)
