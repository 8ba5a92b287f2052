import shutil
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from largebatch.data import folders
from largebatch.data.folders import decoded, hidden_in, hidden_in_words, listing

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
    return np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)


def read(folder: Path, size=None, resize=None, seen=None) -> np.ndarray:
    seen = Counter() if seen is None else seen
    return np.stack([*decoded("mine", listing(folder, Path("mine")), size, resize, seen)])


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


HIDDEN = [".ipynb_checkpoints", ".git", "__MACOSX", "@eaDir", ".anything"]


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("place", ["", "train", "train/ant", "test/bee/below"])
def test_what_lies_in_a_hidden_folder_is_no_image_at_any_depth(name, place, parted):
    before = listing(parted, parted)
    for i, copy in enumerate(("ant-checkpoint.png", "deeper/x.png", "notes.txt")):
        paint(parted / place / name / copy, i) if copy != "notes.txt" else None
    (parted / place / name / "notes.txt").write_text("?", encoding="utf-8")
    found = listing(parted, parted)
    assert found.files == before.files and found.held_out == before.held_out and found.ignored == 0
    assert hidden_in(parted) == {name: 3}


def test_hidden_files_are_told_by_where_they_lie(parted):
    for path in ("train/ant/.git/a.png", "train/bee/.git/b.png", "test/.x/c.png", "train/ant/._1.png"):
        paint(parted / path, 0) if path.endswith("c.png") else None
        (parted / path).parent.mkdir(exist_ok=True)
        (parted / path).write_bytes(b"")
    assert hidden_in_words(hidden_in(parted)) == "2 files in .git, 1 file in .x, 1 hidden file"
    assert hidden_in_words(hidden_in(parted / "test" / "bee")) == ""


def test_pixels_are_those_of_the_files_in_order(parted, monkeypatch):
    found = listing(parted, parted)
    for workers in (1, 3):
        monkeypatch.setattr(folders, "WORKERS", workers)
        images = read(parted)
        assert images.shape == (8, 3, 5, 6) and images.dtype == np.uint8
        for image, file in zip(images, found.files, strict=True):
            np.testing.assert_array_equal(image, pixels(file))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "1", "P", "CMYK"])
def test_every_mode_of_8_bits_becomes_rgb_as_with_pillow(mode, tmp_path):
    fill(tmp_path, TRAIN)
    path = tmp_path / "ant" / ("0.jpg" if mode == "CMYK" else "0.png")
    grey = Image.fromarray(np.arange(30, dtype=np.uint8).reshape(5, 6) * 8)
    grey.convert(mode).save(path)
    np.testing.assert_array_equal(read(tmp_path)[0], pixels(path))


def written(path: Path, image: Image.Image, **settings) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **settings)


def coloured(alpha: int) -> Image.Image:
    """Four colours, the first two of them with this alpha."""
    pixels = np.full((2, 2, 4), 255, dtype=np.uint8)
    pixels[..., :3] = np.arange(12).reshape(2, 2, 3) * 20
    pixels[0, :, 3] = alpha
    return Image.fromarray(pixels, "RGBA")


TRANSPARENT = {
    "RGBA": lambda path, alpha: written(path, coloured(alpha)),
    "LA": lambda path, alpha: written(path, coloured(alpha).convert("LA")),
    "a palette": lambda path, alpha: written(
        path, coloured(255).convert("RGB").quantize(4), transparency=bytes([alpha, 255, 255, 255])
    ),
    "WebP": lambda path, alpha: written(
        path.with_suffix(".webp"), coloured(alpha), lossless=True, exact=True
    ),
    "TIFF": lambda path, alpha: written(path.with_suffix(".tif"), coloured(alpha)),
}


@pytest.mark.parametrize("write", TRANSPARENT.values(), ids=TRANSPARENT)
@pytest.mark.parametrize(("alpha", "count"), [(0, 1), (100, 1), (255, 0)])
def test_transparent_images_are_counted_and_keep_their_own_colours(write, alpha, count, tmp_path):
    write(tmp_path / "ant" / "1.png", alpha)
    written(tmp_path / "bee" / "1.png", coloured(255).convert("RGB"))
    seen = Counter()
    ant, bee = read(tmp_path, seen=seen)
    if write is TRANSPARENT["LA"]:
        bee = np.repeat(np.asarray(coloured(255).convert("L"))[None], 3, 0)
    np.testing.assert_array_equal(ant, bee)
    assert seen["transparent"] == count


@pytest.mark.parametrize(
    ("ending", "turned"), [("jpg", False), ("png", False), ("webp", False), ("tif", True)]
)
def test_only_a_tiffs_note_on_turning_it_is_heeded(ending, turned, tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned by 90 degrees
    for name in TRAIN:
        written(tmp_path / name / f"1.{ending}", Image.new("RGB", (3, 2)), exif=exif)
    assert read(tmp_path).shape == ((2, 3, 3, 2) if turned else (2, 3, 2, 3))


def test_the_first_picture_of_a_cameras_jpeg_is_the_photograph(tmp_path):
    for name in TRAIN:
        preview = Image.new("RGB", (3, 2), "blue")
        first = Image.new("RGB", (3, 2), "red")
        written(tmp_path / name / "1.jpg", first, format="MPO", save_all=True, append_images=[preview])
    assert read(tmp_path)[:, 0].min() > 200 and read(tmp_path)[:, 2].max() < 50


def test_an_image_of_one_pixel_is_one(tmp_path):
    fill(tmp_path, TRAIN, size=(1, 1))
    assert read(tmp_path).shape == (5, 3, 1, 1)


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


# Errors that a folder may have.


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


def said_to_have(path: Path, bits: int, mode: str, format: str) -> None:
    """A header that says so, in the place of 8 bits: Pillow writes no colours of 16 bits."""
    Image.new(mode, (6, 5)).save(path, format=format)
    content = bytearray(path.read_bytes())
    if format == "PNG":
        content[24] = bits
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif format == "TIFF":
        before, after = (struct.pack("<3H", *[depth] * 3) for depth in (8, bits))
        content = content.replace(before, after)
    else:
        content[content.index(b"\xff\xc0") + 4] = bits
    path.write_bytes(content)


def deep_tiff(path: Path, mode: str) -> None:
    Image.new(mode, (6, 5), 0.5 if mode == "F" else 9).save(path, format="TIFF", compression="tiff_lzw")


def values(path: Path, kind: str, most: int) -> None:
    """A PPM or PGM with values up to this one."""
    channels = 3 if kind in ("P3", "P6") else 1
    numbers = np.random.default_rng(0).integers(0, min(most, 255), 5 * 6 * channels)
    width = ">u2" if most > 255 else "u1"
    body = " ".join(map(str, numbers)).encode() if kind in ("P2", "P3") else numbers.astype(width).tobytes()
    path.write_bytes(f"{kind}\n6 5\n{most}\n".encode() + body)


def test_a_smaller_largest_value_becomes_255(tmp_path):
    fill(tmp_path, TRAIN)
    values(tmp_path / "ant" / "1.png", "P6", 15)
    expected = np.random.default_rng(0).integers(0, 15, 90) * 17
    np.testing.assert_array_equal(read(tmp_path)[0].transpose(1, 2, 0).ravel(), expected)


def jpeg(path: Path) -> None:
    """A JPEG of noise without its last bytes."""
    path.unlink()
    paint(path.with_suffix(".jpg"), 0)
    path.with_suffix(".jpg").write_bytes(path.with_suffix(".jpg").read_bytes()[:-20])


HERE = r"^mine/test/ant/1\.png: wanted .*; got: "
BROKEN = {
    "truncated": (cut, HERE),
    "a text": (lambda path: path.write_text("hello", encoding="utf-8"), HERE),
    "empty": (lambda path: path.write_bytes(b""), HERE),
    "a broken link": (lambda path: (path.unlink(), path.symlink_to("nowhere")), f"{HERE}.*No such file"),
    "a JPEG without its end": (jpeg, HERE.replace("png", "jpg")),
    "L PNG of 16 bits": (lambda path: said_to_have(path, 16, "L", "PNG"), f"{HERE}16 bits"),
    "LA PNG of 16 bits": (lambda path: said_to_have(path, 16, "LA", "PNG"), f"{HERE}16 bits"),
    "RGB PNG of 16 bits": (lambda path: said_to_have(path, 16, "RGB", "PNG"), f"{HERE}16 bits"),
    "RGBA PNG of 16 bits": (lambda path: said_to_have(path, 16, "RGBA", "PNG"), f"{HERE}16 bits"),
    "RGB TIFF of 16 bits": (lambda path: said_to_have(path, 16, "RGB", "TIFF"), f"{HERE}16 bits"),
    "JPEG of 12 bits": (lambda path: said_to_have(path, 12, "RGB", "JPEG"), HERE),
    "grey TIFF of 16 bits": (lambda path: deep_tiff(path, "I;16"), f"{HERE}16 bits"),
    "grey TIFF of 32 bits": (lambda path: deep_tiff(path, "F"), f"{HERE}32 bits"),
    "PPM of 16 bits": (lambda path: values(path, "P6", 65535), f"{HERE}16 bits"),
    "PPM of 9 bits": (lambda path: values(path, "P6", 256), f"{HERE}9 bits"),
    "plain PPM of 10 bits": (lambda path: values(path, "P3", 1023), f"{HERE}10 bits"),
    "PGM of 16 bits": (lambda path: values(path, "P5", 65535), f"{HERE}16 bits"),
    "PGM of 10 bits": (lambda path: values(path, "P5", 1023), HERE),
    "plain PGM of 10 bits": (lambda path: values(path, "P2", 1023), HERE),
    "GIF": (lambda path: Image.new("RGB", (6, 5)).save(path, format="GIF"), HERE),
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


@pytest.mark.parametrize("ending", [".png", ".webp", ".tiff"])
def test_a_file_of_several_pictures_is_named(ending, parted):
    path = parted / "test" / "ant" / "1.png"
    path.unlink()
    first, *others = (Image.new("RGB", (6, 5), colour) for colour in ("red", "blue", "green"))
    first.save(path.with_suffix(ending), save_all=True, append_images=others)
    with pytest.raises(
        ValueError, match=HERE.replace(".png", ending) + f"3 pictures in one {ending[1:].upper()}"
    ):
        read(parted)
