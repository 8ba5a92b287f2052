import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from largebatch.lab import folders
from largebatch.lab.folders import decoded, listing

TRAIN = {"ant": ["1.png", "10.png", "2.png"], "bee": ["x.PNG", "below/y.png"]}
TEST = {"ant": ["1.png"], "bee": ["1.png", "2.png"]}


def paint(path: Path, seed: int, size=(6, 5), mode="RGB") -> None:
    """A picture of noise, (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels, mode).save(path)


def fill(folder: Path, classes: dict[str, list[str]], **settings) -> Path:
    for seed, path in enumerate(folder / name / file for name, files in classes.items() for file in files):
        paint(path, seed, **settings)
    return folder


@pytest.fixture
def parted(tmp_path) -> Path:
    """train/ and test/ with two classes each."""
    fill(tmp_path / "pictures" / "train", TRAIN)
    fill(tmp_path / "pictures" / "test", TEST)
    return tmp_path / "pictures"


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).transpose(2, 0, 1)


def read(folder: Path, size=None, resize=None) -> np.ndarray:
    return np.stack([*decoded("mine", listing(folder, Path("mine")), size, resize)])


def test_images_are_those_of_torchvisions_folders(parted):
    found = listing(parted, parted)
    theirs = [ImageFolder(parted / part) for part in ("train", "test")]
    assert found.files == [Path(file) for part in theirs for file, _ in part.samples]
    assert found.labels.tolist() == [label for part in theirs for _, label in part.samples]
    assert found.classes == theirs[0].classes == ["ant", "bee"]
    assert found.held_out == 3 and found.labels.dtype == np.int64


def test_val_may_stand_for_test(parted):
    (parted / "test").rename(parted / "val")
    assert listing(parted, parted).held_out == 3


def test_classes_alone_hold_nothing_out(parted):
    found = listing(parted / "train", parted)
    assert found.held_out == 0 and found.labels.tolist() == [0, 0, 0, 1, 1]


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, {"bus": ["1.png"], "train": ["1.png"]})
    assert listing(tmp_path, tmp_path).classes == ["bus", "train"]


def test_links_are_followed(parted, tmp_path):
    for name in TRAIN:
        (tmp_path / "links" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "links" / name).symlink_to(parted / "train" / name)
    assert len(listing(tmp_path / "links", tmp_path).files) == 5


def test_other_files_are_counted_and_hidden_ones_are_none(parted):
    for name in ("train/ant/notes.txt", "test/bee/clip.gif", "train/bee/.DS_Store", ".cache/x.png"):
        (parted / name).parent.mkdir(exist_ok=True)
        (parted / name).write_bytes(b"")
    found = listing(parted, parted)
    assert len(found.files) == 8 and found.ignored == 2


def test_pixels_are_those_of_the_files_in_order(parted, monkeypatch):
    found = listing(parted, parted)
    for workers in (1, 3):
        monkeypatch.setattr(folders, "WORKERS", workers)
        images = read(parted)
        assert images.shape == (8, 3, 5, 6) and images.dtype == np.uint8
        for image, file in zip(images, found.files, strict=True):
            np.testing.assert_array_equal(image, pixels(file))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "1", "P"])
def test_every_mode_of_8_bits_becomes_rgb(mode, tmp_path):
    fill(tmp_path, TRAIN)
    grey = Image.fromarray(np.arange(30, dtype=np.uint8).reshape(5, 6) * 8)
    grey.convert(mode).save(tmp_path / "ant" / "1.png")
    expected = np.asarray(grey.convert(mode).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(read(tmp_path)[0], expected)


def test_a_size_makes_central_squares_of_any_images(tmp_path):
    """A wide and a tall gradient keep their middle and their height or width."""
    ramp = np.repeat(np.arange(80, dtype=np.uint8)[None] * 3, 40, 0)  # 80 x 40, brighter to the right
    for name, image in (("wide", ramp), ("tall", ramp.T)):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "1.png")
    tall, wide = read(tmp_path, size=20)
    assert tall.shape == wide.shape == (3, 20, 20)
    np.testing.assert_array_equal(tall, wide.transpose(0, 2, 1))
    # halved: pixel j is the mean of about 2j and 2j + 1 of the middle 40 columns
    expected = 3 * (20 + 2 * np.arange(20) + 0.5)
    np.testing.assert_allclose(wide[0, 10], expected, atol=1)
    closer = read(tmp_path, size=10, resize=20)[1]
    np.testing.assert_array_equal(closer, wide[:, 5:15, 5:15])


def test_resizing_is_torchvisions(tmp_path):
    from torchvision import transforms

    fill(tmp_path, TRAIN, size=(37, 23))
    theirs = transforms.Compose([transforms.Resize(16), transforms.CenterCrop(12)])
    files = listing(tmp_path, tmp_path).files
    for image, file in zip(read(tmp_path, size=12, resize=16), files, strict=True):
        np.testing.assert_array_equal(image, np.asarray(theirs(Image.open(file))).transpose(2, 0, 1))


# What may be wrong with a folder.


def remove(folder: Path, *names: str) -> None:
    for name in names:
        shutil.rmtree(folder / name)


MISTAKES = {
    "nothing at all": (
        lambda f: remove(f, "train", "test"),
        r"^mine: wanted a folder for each of two .*; got nothing in it",
    ),
    "no folders": (
        lambda f: (remove(f, "train", "test"), paint(f / "1.png", 0)),
        "^mine: wanted a folder for each of two classes or more; got no folder",
    ),
    "an empty part": (
        lambda f: remove(f, "test/ant", "test/bee"),
        r"^mine/test: wanted a folder for each .*; got nothing in it",
    ),
    "one class": (lambda f: remove(f, "train/ant"), "^mine/train: wanted .* two classes .*; got only 'bee'"),
    "an empty class": (
        lambda f: (remove(f, "test/bee"), (f / "test/bee").mkdir()),
        r"^mine/test/bee: wanted images \(.jpg, .*\); got 0 other files",
    ),
    "a class of texts": (
        lambda f: [path.rename(path.with_suffix(".txt")) for path in (f / "train/ant").iterdir()],
        r"^mine/train/ant: wanted images \(.*\); got 3 other files",
    ),
    "a class that is not tested": (
        lambda f: fill(f / "train", {"cat": ["1.png"]}),
        r"^mine/test: wanted the classes of mine/train; got none of \['cat'\]",
    ),
    "a class that is only tested": (
        lambda f: fill(f / "test", {"cat": ["1.png"]}),
        r"^mine/train: wanted the classes of mine/test; got none of \['cat'\]",
    ),
    "no test part": (
        lambda f: remove(f, "test"),
        r"^mine: wanted train/ with either test/ or val/, or folders of classes; got \['train'\]",
    ),
    "two test parts": (lambda f: fill(f / "val", TEST), r"^mine: wanted train/ .*'test', 'train', 'val'\]"),
    "a folder beside the parts": (lambda f: (f / "extra").mkdir(), r"^mine: wanted train/ .*'extra', 'test'"),
}


@pytest.mark.parametrize(("spoil", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_layout_names_the_folder(spoil, message, parted):
    spoil(parted)
    with pytest.raises(ValueError, match=message):
        listing(parted, Path("mine"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def deep(path: Path) -> None:
    Image.fromarray(np.full((5, 6), 300, dtype=np.uint16)).save(path)


BROKEN = {
    "truncated": (cut, r"^mine/test/ant/1\.png: wanted a whole image of 8 bits a channel; got: "),
    "a text": (
        lambda path: path.write_text("hello", encoding="utf-8"),
        r"^mine/test/ant/1\.png: wanted a whole image",
    ),
    "empty": (lambda path: path.write_bytes(b""), r"^mine/test/ant/1\.png: wanted a whole image"),
    "a broken link": (
        lambda path: (path.unlink(), path.symlink_to("nowhere")),
        r"^mine/test/ant/1\.png: wanted a whole image .*No such file",
    ),
    "16 bits": (deep, r"^mine/test/ant/1\.png: .* 8 bits a channel; got: more .*I;16"),
    "another size": (
        lambda path: paint(path, 0, (7, 5)),
        r"^mine/test/ant/1\.png: wanted 6 x 5 pixels, as mine/train/ant/1\.png has, or .*; got 7 x 5",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BROKEN.values(), ids=BROKEN)
def test_an_image_that_cannot_be_read_is_named(spoil, message, parted):
    spoil(parted / "test" / "ant" / "1.png")
    with pytest.raises(ValueError, match=message):
        read(parted)


def test_a_truncated_jpeg_is_not_taken_for_a_whole_one(tmp_path):
    fill(tmp_path, TRAIN)
    path = tmp_path / "ant" / "3.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)).save(path)
    read(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"^mine/ant/3\.jpg: wanted a whole image"):
        read(tmp_path)
