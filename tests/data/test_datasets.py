import os
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from largebatch.config.images import IMAGES, Folder
from largebatch.data import datasets
from largebatch.data.datasets import Published, prepare
from largebatch.data.splits import load
from largebatch.files import read_arrays, read_json, record_of, write_arrays
from largebatch.seals import checksum

SOURCES = os.environ.get("LARGEBATCH_SOURCES")


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
    assert (dataset.shape, dataset.outputs, dataset.dtype) == ((1, 8, 8), 10, torch.float64)


def test_a_record_says_what_the_file_holds(tmp_path):
    path = tmp_path / "digits.safetensors"
    prepare("digits", tmp_path, path)
    assert read_json(tmp_path / "digits.json") == {
        "name": "digits",
        "sha256": checksum(path),
        "images": 1797,
        "held_out": 0,
        "shape": [1797, 1, 8, 8],
        "classes": [str(i) for i in range(10)],
        "source": {"scikit-learn": "load_digits", "version": version("scikit-learn")},
        "copies": {"images": 0, "held_out": 0, "other_label": 0},
        "constant_channels": [],
    }


def test_copies_and_channels_that_never_vary_are_told_and_kept(tmp_path, monkeypatch, capfd):
    """Five images, of which the first is there again twice: in the test part, and with another label."""
    pixels = np.full((7, 2, 2, 2), 9, dtype=np.uint8)
    pixels[:, 0] = np.arange(5).repeat(4).reshape(5, 2, 2)[[0, 1, 2, 0, 3, 4, 0]]
    found = Published(pixels, np.array([0, 1, 0, 1, 0, 1, 0]), ["ant", "bee"], {}, held_out=2)
    monkeypatch.setitem(datasets.DATA, "tiny", lambda sources: found)
    prepare("tiny", tmp_path, tmp_path / "tiny.safetensors")
    told = read_json(tmp_path / "tiny.json")
    assert told["copies"] == {"images": 2, "held_out": 1, "other_label": 3} and told["constant_channels"] == [
        1
    ]
    np.testing.assert_array_equal(read_arrays(tmp_path / "tiny.safetensors")["images"], pixels)
    assert capfd.readouterr().out == (
        "tiny: 2 images are exact copies of an earlier one, 1 of the test part also lie outside it, "
        "3 have a copy with another label: all kept\n"
        "tiny: channels [1], counted from 0, never vary: standardised they are 0\n"
    )


def published(train, test, classes=3) -> Published:
    """A data set of bytes with these labels."""
    labels = np.array([*train, *test], dtype=np.int64)
    images = np.arange(4 * len(labels), dtype=np.uint8).reshape(-1, 1, 2, 2)
    return Published(images, labels, [f"class {i}" for i in range(classes)], {}, len(test))


def test_a_test_part_of_its_own_stays_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setitem(datasets.DATA, "tiny", lambda sources: published([0, 1, 2, 0], [2, 1, 0]))
    prepare("tiny", tmp_path, tmp_path / "tiny.safetensors")
    dataset = load(tmp_path / "tiny.safetensors", torch.float32, torch.device("cpu"))
    assert dataset.images.dtype == torch.uint8 and dataset.held_out == 3
    assert dataset.images.flatten().tolist() == [*range(28)] and dataset.labels[4:].tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([0, 1, 1], [], r"images of all 3 classes, labelled 0 to 2; got none of \[2\], and .* \[\]"),
        ([0, 1, 2], [0, 1], r"held-out images of all 3 .*; got none of \[2\]"),
        ([0, 1, 2, 3], [], r"images of all 3 .*; got none of \[\], and unknown labels \[3\]"),
        ([0, 1, 2, -1], [], r".*unknown labels \[-1\]"),
    ],
)
def test_labels_that_are_not_all_classes_are_refused(train, test, message, tmp_path, monkeypatch):
    monkeypatch.setitem(datasets.DATA, "tiny", lambda sources: published(train, test))
    with pytest.raises(ValueError, match=f"tiny: wanted {message}"):
        prepare("tiny", tmp_path, tmp_path / "tiny.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100"])
def test_another_number_of_images_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.setitem(datasets.DATA, name, lambda sources: published([0, 1, 2], [0, 1, 2]))
    wanted = f"{name}: wanted {IMAGES[name].open} images and 10000 held out; got 3 and 3"
    with pytest.raises(ValueError, match=wanted):
        prepare(name, tmp_path, tmp_path / "x.safetensors")


def test_an_old_record_does_not_outlive_its_file(tmp_path, monkeypatch):
    """Jobs rely on the checksum in it."""
    path = tmp_path / "digits.safetensors"
    prepare("digits", tmp_path, path)
    monkeypatch.setattr(datasets, "write", lambda found, path: write_arrays(path, {}) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare("digits", tmp_path, path)
    assert not record_of(path).exists()


def test_an_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data set must be one of \['cifar10', .*\]; got 'mnits'"):
        prepare("mnits", tmp_path, tmp_path / "x.safetensors")


@pytest.fixture
def grey(tmp_path) -> Path:
    """Sources with pictures/train and pictures/test, two classes with two images each of one shade."""
    shades = iter(range(8))
    for part in ("train", "test"):
        for name in ("ant", "bee"):
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for i in range(2):
                Image.new("L", (4, 3), next(shades)).save(folder / f"{i}.png")
    return tmp_path


def test_a_folder_and_its_archive_are_one_data_set(grey):
    folders = {"folder": "pictures", "absolute": str(grey / "pictures"), "packed": "pictures.zip"}
    shutil.make_archive(str(grey / "pictures"), "zip", grey, "pictures")
    files = {name: grey / "out" / f"{name}.safetensors" for name in folders}
    for name, path in folders.items():
        prepare("mine", grey, files[name], Folder(path=path))
    assert {checksum(file) for file in files.values()} == {checksum(files["folder"])}
    dataset = load(files["packed"], torch.float32, torch.device("cpu"))
    assert dataset.shape == (3, 3, 4) and dataset.held_out == 4
    assert dataset.images[:, 2, 1, 1].tolist() == [*range(8)]
    assert dataset.labels.tolist() == [0, 0, 1, 1] * 2
    assert (
        sorted(path.suffix for path in (grey / "out").glob("[!.]*")) == [".json"] * 3 + [".safetensors"] * 3
    )
    told = read_json(record_of(files["packed"]))
    assert (told["images"], told["held_out"], told["classes"]) == (8, 4, ["ant", "bee"])
    assert told["source"] == {
        "folder": {"path": "pictures.zip", "size": None, "resize": None},
        "files_left_out": 0,
        "hidden_files_left_out": 0,
        "pillow": version("pillow"),
        "sha256": checksum(grey / "pictures.zip"),
    }
    assert "sha256" not in read_json(record_of(files["folder"]))["source"]


def test_a_folder_with_a_broken_image_leaves_no_file(grey):
    (grey / "pictures" / "test" / "bee" / "1.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"pictures/test/bee/1\.png: wanted a whole image"):
        prepare("mine", grey, grey / "out" / "mine.safetensors", Folder(path="pictures"))
    assert list(grey.glob("out/*")) == []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inside", ["", "pictures", "pictures/train/ant"])
def test_hidden_files_are_left_out_and_told(grey, packed, inside, tmp_path_factory, capfd):
    """As Jupyter and macOS add them: among the pictures, and in an archive also beside them."""
    out = tmp_path_factory.mktemp("out")
    prepare("mine", grey, out / "before.safetensors", Folder(path="pictures"))
    for name in (".ipynb_checkpoints", "__MACOSX"):
        (grey / inside / name).mkdir()
        shutil.copy(grey / "pictures/train/ant/0.png", grey / inside / name / "0-checkpoint.png")
    path = shutil.make_archive(str(out / "packed"), "zip", grey) if packed else "pictures"
    capfd.readouterr()
    prepare("mine", grey, out / "x.safetensors", Folder(path=path))
    assert checksum(out / "x.safetensors") == checksum(out / "before.safetensors")
    seen = bool(inside or packed)
    assert read_json(out / "x.json")["source"]["hidden_files_left_out"] == 2 * seen
    said = "mine: left out: 1 file in .ipynb_checkpoints, 1 file in __MACOSX\n"
    assert capfd.readouterr().out == said * seen


def test_files_that_are_left_out_and_transparent_images_are_told(grey, capfd):
    Image.new("RGBA", (4, 3), (9, 9, 9, 100)).save(grey / "pictures" / "train" / "bee" / "2.png")
    (grey / "pictures" / "train" / "ant" / "notes.txt").write_text("?", encoding="utf-8")
    prepare("mine", grey, grey / "mine.safetensors", Folder(path="pictures", size=2))
    assert capfd.readouterr().out == (
        "mine: 1 files have no ending of an image: left out\n"
        "mine: 1 images are transparent somewhere: their colours there are those of the file\n"
    )
    told = read_json(grey / "mine.json")
    assert told["source"]["files_left_out"] == 1 and told["transparent"] == 1
    assert told["shape"] == [9, 3, 2, 2]


@pytest.mark.skipif(not SOURCES, reason="LARGEBATCH_SOURCES names no folder with MNIST/raw")
def test_mnist_itself(tmp_path):
    """Against its known counts and pixels: 5,923 zeros, ..., mean 0.1307, standard deviation 0.3081."""
    path = tmp_path / "mnist.safetensors"
    prepare("mnist", Path(SOURCES), path)
    dataset = load(path, torch.float32, torch.device("cpu"))
    assert dataset.shape == (1, 28, 28) and dataset.held_out == 10_000 and len(dataset.labels) == 70_000
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert dataset.labels[:60_000].bincount().tolist() == counts
    pixels = dataset.images[:60_000].double() / 255
    assert pixels.mean().item() == pytest.approx(0.1307, abs=1e-4)
    assert pixels.std(correction=0).item() == pytest.approx(0.3081, abs=1e-4)
    assert read_json(record_of(path))["source"]["torchvision"] == "MNIST"
