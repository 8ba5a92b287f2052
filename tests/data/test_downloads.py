"""Tiny data sets in the formats of MNIST and CIFAR, and a network that has them, breaks off or is absent."""

import gzip
import hashlib
import os
import pickle
import re
import socket
import tarfile
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

import numpy as np
import pytest
from torchvision import datasets
from torchvision.datasets import utils

from largebatch.data import downloads
from largebatch.data.datasets import downloaded

# Of torchvision, which unpacks what it has checked.
pytestmark = pytest.mark.filterwarnings("ignore:Python 3.14 will, by default, filter:DeprecationWarning")


class Tiny(NamedTuple):
    """A data set in the place of torchvision's class; files, archives: path below the sources -> content."""

    kind: str
    files: dict[str, bytes]
    archives: dict[str, bytes]
    images: np.ndarray
    labels: list[int]
    held_out: int
    classes: list[str]

    def read(self, sources: Path) -> None:
        """Read it, and compare with what it should be."""
        found = downloaded("tiny", self.kind, sources)
        np.testing.assert_array_equal(found.images, self.images)
        assert found.labels.tolist() == self.labels and found.labels.dtype == np.int64
        assert found.held_out == self.held_out and found.classes == self.classes


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def idx(array: np.ndarray) -> bytes:
    """LeCun's format: two zero bytes, the type of bytes, the number of axes, their lengths, the bytes."""
    lengths = np.array(array.shape, dtype=">i4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def tiny_mnist(monkeypatch) -> Tiny:
    """Four images and three held out, each file with an archive of its own."""
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    labels = np.array([0, 1, 2, 0, 1, 2, 0], dtype=np.uint8)
    files = {}
    for part, rows in {"train": slice(0, 4), "t10k": slice(4, 7)}.items():
        files |= {f"{part}-images-idx3-ubyte": idx(images[rows])}
        files |= {f"{part}-labels-idx1-ubyte": idx(labels[rows])}
    archives = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}
    monkeypatch.setattr(downloads, "MNIST_FILES", {name: md5(content) for name, content in files.items()})
    resources = [(name, md5(content)) for name, content in archives.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    below = [{f"MNIST/raw/{name}": content for name, content in some.items()} for some in (files, archives)]
    return Tiny("MNIST", *below, images[:, None], labels.tolist(), 3, datasets.MNIST.classes)


def tiny_cifar(monkeypatch, name: str, key: str) -> Tiny:
    """Two photographs per file, which are pickles in one archive."""
    kind = getattr(datasets, name)
    images = np.random.default_rng(1).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    labels, classes = [*range(6)] * 2, [f"class {i}" for i in range(6)]
    lists = [*kind.train_list, *kind.test_list]
    files = {}
    for i, (file, _) in enumerate(lists):
        rows = slice(2 * i, 2 * i + 2)
        files[file] = pickle.dumps({"data": images[rows].reshape(2, -1), key: labels[rows]})
    files[kind.meta["filename"]] = pickle.dumps({kind.meta["key"]: classes})
    for part in ("train_list", "test_list"):
        monkeypatch.setattr(kind, part, [[file, md5(files[file])] for file, _ in getattr(kind, part)])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(files[kind.meta["filename"]])})
    files = {f"{kind.base_folder}/{file}": content for file, content in files.items()}
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for file, content in files.items():
            entry = tarfile.TarInfo(file)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    monkeypatch.setattr(kind, "tgz_md5", md5(buffer.getvalue()))
    n = 2 * len(lists)
    return Tiny(name, files, {kind.filename: buffer.getvalue()}, images[:n], labels[:n], 2, classes)


@pytest.fixture(params=["MNIST", "CIFAR10", "CIFAR100"])
def tiny(request, monkeypatch) -> Tiny:
    if request.param == "MNIST":
        return tiny_mnist(monkeypatch)
    return tiny_cifar(
        monkeypatch, request.param, {"CIFAR10": "labels", "CIFAR100": "fine_labels"}[request.param]
    )


@pytest.fixture(autouse=True)
def asked(monkeypatch) -> list[str]:
    """The requests to a network that does not exist."""
    names = []

    def urlretrieve(url, filename, **_):
        names.append(Path(filename).name)
        raise URLError("no network")

    monkeypatch.setattr(utils, "_get_redirect_url", lambda url, **_: url)
    monkeypatch.setattr(utils, "_urlretrieve", urlretrieve)
    return names


def serve(monkeypatch, content: dict[str, bytes]) -> None:
    """A network that has these files."""
    by_name = {Path(path).name: some for path, some in content.items()}

    def urlretrieve(url, filename, **_):
        Path(filename).write_bytes(by_name[Path(filename).name])

    monkeypatch.setattr(utils, "_urlretrieve", urlretrieve)


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def there(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_files_that_are_there_are_read_and_nothing_is_written(tiny, asked, tmp_path, monkeypatch):
    put(tmp_path, tiny.files)
    monkeypatch.setattr(downloads, "scratch", None)  # would be a folder for something new
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    tiny.read(tmp_path)
    assert asked == [] and there(tmp_path) == tiny.files.keys()


@pytest.mark.parametrize("file", downloads.INSTEAD)
def test_a_file_that_torchvision_would_read_in_place_of_the_published_ones_is_refused(
    file, tmp_path, monkeypatch
):
    """With both, torchvision does so, whatever is in the others."""
    tiny = tiny_mnist(monkeypatch)
    put(tmp_path, tiny.files | {file: b""})
    with pytest.raises(ValueError, match=f"{file}: wanted only the published files, in .*MNIST/raw; got"):
        tiny.read(tmp_path)


@pytest.mark.parametrize("writable", [True, False])
def test_archives_that_are_there_are_unpacked(writable, tiny, asked, tmp_path, monkeypatch):
    """Beside them, or elsewhere where that may not be written to."""
    monkeypatch.setattr(os, "access", lambda *_: writable)
    put(tmp_path, tiny.archives)
    tiny.read(tmp_path)
    assert asked == [] and there(tmp_path) == {*tiny.archives, *(tiny.files if writable else ())}


def test_files_that_someone_else_packed_are_unpacked_where_they_are_whole(asked, tmp_path, monkeypatch):
    tiny = tiny_mnist(monkeypatch)
    packed = {f"{name}.gz": gzip.compress(content, 1, mtime=1) for name, content in tiny.files.items()}
    assert all(packed[name] != tiny.archives[name] for name in packed)
    put(tmp_path, packed)
    tiny.read(tmp_path)
    assert asked == [] and there(tmp_path) == {*packed, *tiny.files}


def test_what_was_downloaded_is_kept(tiny, tmp_path, monkeypatch):
    serve(monkeypatch, tiny.archives)
    tiny.read(tmp_path / "data")
    serve(monkeypatch, {})
    tiny.read(tmp_path / "data")
    assert there(tmp_path / "data") == tiny.files.keys()


def test_without_a_network_one_line_says_which_files_go_where(tiny, tmp_path):
    with pytest.raises(ValueError) as caught:
        tiny.read(tmp_path / "data")
    listed, where = ", ".join(Path(file).name for file in tiny.files), Path(next(iter(tiny.files))).parent
    instead = "their .gz" if tiny.kind == "MNIST" else f"{next(iter(tiny.archives))} in {tmp_path}/data"
    assert str(caught.value).startswith(
        f"tiny: wanted {listed} in {tmp_path}/data/{where} (or {instead}); could not download them: "
    )
    assert "no network" in str(caught.value) and "\n" not in str(caught.value)
    assert list((tmp_path / "data").iterdir()) == []


def test_only_what_is_missing_is_asked_for(tiny, tmp_path):
    first, *others = tiny.files
    put(tmp_path, {file: tiny.files[file] for file in others})
    with pytest.raises(ValueError, match=f"wanted {Path(first).name} in "):
        tiny.read(tmp_path)
    assert there(tmp_path) == set(others)


def test_a_download_that_breaks_off_is_begun_anew(tiny, tmp_path, monkeypatch):
    last = [*tiny.archives][-1]
    serve(monkeypatch, tiny.archives | {last: tiny.archives[last][:-9]})
    with pytest.raises(ValueError, match=r"could not download them: .*corrupted"):
        tiny.read(tmp_path)
    assert list(tmp_path.iterdir()) == []
    serve(monkeypatch, tiny.archives)
    tiny.read(tmp_path)


def test_an_interrupted_download_leaves_nothing(tiny, tmp_path, monkeypatch):
    def interrupted(url, filename, **_):
        Path(filename).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(utils, "_urlretrieve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny.read(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_archive_that_someone_put_there_is_named_and_left(tiny, asked, tmp_path, monkeypatch):
    first = next(iter(tiny.archives))
    put(tmp_path, tiny.archives | {first: b"half"})
    with pytest.raises(ValueError, match=f"no network.*; {first} in .*: not whole"):
        tiny.read(tmp_path)
    assert set(asked) == {Path(first).name}
    serve(monkeypatch, tiny.archives)
    tiny.read(tmp_path)
    assert (tmp_path / first).read_bytes() == b"half"


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b[:-1] + b"\xff", lambda b: b""])
def test_a_file_that_is_not_the_published_one_is_refused(spoil, tiny, asked, tmp_path):
    """Before it is opened: pickles can do anything."""
    put(tmp_path, tiny.files)
    for file, whole in tiny.files.items():
        put(tmp_path, {file: spoil(whole)})
        wanted = rf"{re.escape(file)}: wanted the published file, md5 {md5(whole)}; got \d+ bytes, md5 "
        with pytest.raises(ValueError, match=wanted):
            tiny.read(tmp_path)
        put(tmp_path, {file: whole})
    assert asked == []


def test_a_silent_server_is_given_up_and_other_connections_wait_as_before(tiny, tmp_path, monkeypatch):
    before, waits = socket.getdefaulttimeout(), set()

    def silent(url, filename, **_):
        waits.add(socket.getdefaulttimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr(utils, "_urlretrieve", silent)
    with pytest.raises(ValueError, match="could not download them: timed out"):
        tiny.read(tmp_path)
    assert waits == {downloads.SILENT_SECONDS} and socket.getdefaulttimeout() == before
