"""A tiny data set in the formats of MNIST and CIFAR, and a web server that has it or breaks off."""

import gzip
import hashlib
import os
import pickle
import re
import socket
import tarfile
from io import BytesIO
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
from torchvision import datasets
from torchvision.datasets import utils

from largebatch.data import downloads
from largebatch.data.downloads import original, patience, read


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def idx(array: np.ndarray) -> bytes:
    """LeCun's format: two zero bytes, the type of bytes, the number of axes, their lengths, the bytes."""
    lengths = np.array(array.shape, dtype=">i4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


PIXELS = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0], dtype=np.uint8)
MNIST = {
    "train-images-idx3-ubyte": idx(PIXELS[:4]),
    "train-labels-idx1-ubyte": idx(LABELS[:4]),
    "t10k-images-idx3-ubyte": idx(PIXELS[4:]),
    "t10k-labels-idx1-ubyte": idx(LABELS[4:]),
}
ARCHIVES = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in MNIST.items()}


@pytest.fixture
def mnist(monkeypatch):
    """The tiny data set in MNIST's place."""
    monkeypatch.setattr(downloads, "MNIST_FILES", {name: md5(content) for name, content in MNIST.items()})
    monkeypatch.setattr(
        datasets.MNIST, "resources", [(name, md5(content)) for name, content in ARCHIVES.items()]
    )
    return original("MNIST")


@pytest.fixture
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

    def urlretrieve(url, filename, **_):
        Path(filename).write_bytes(content[Path(filename).name])

    monkeypatch.setattr(utils, "_urlretrieve", urlretrieve)


def put(folder: Path, files: dict[str, bytes]) -> Path:
    (folder / "MNIST" / "raw").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / "MNIST" / "raw" / name).write_bytes(content)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def assert_is_mnist(parts):
    np.testing.assert_array_equal(parts.images[:, 0], PIXELS)
    np.testing.assert_array_equal(parts.labels, LABELS)
    assert parts.held_out == 3 and parts.labels.dtype == np.int64 and parts.classes[1] == "1 - one"


def test_files_that_are_there_are_read_and_nothing_is_written(mnist, asked, tmp_path, monkeypatch):
    put(tmp_path, MNIST)
    monkeypatch.setattr(downloads, "scratch", None)  # would be a folder for new files
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    assert_is_mnist(read("mnist", mnist, tmp_path))
    assert asked == [] and names(tmp_path) == sorted(MNIST)


def test_archives_that_are_there_are_unpacked(mnist, asked, tmp_path):
    put(tmp_path, ARCHIVES)
    assert_is_mnist(read("mnist", mnist, tmp_path))
    assert asked == [] and names(tmp_path) == sorted([*MNIST, *ARCHIVES])


def test_archives_in_a_folder_that_may_not_be_written_to_are_unpacked_elsewhere(
    mnist, asked, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert_is_mnist(read("mnist", mnist, put(tmp_path, ARCHIVES)))
    assert asked == [] and names(tmp_path) == sorted(ARCHIVES)


def test_without_a_network_one_line_says_which_files_go_where(mnist, asked, tmp_path):
    with pytest.raises(ValueError) as caught:
        read("mnist", mnist, tmp_path / "data")
    assert str(caught.value).startswith(
        f"mnist: wanted {', '.join(MNIST)} in {tmp_path}/data/MNIST/raw (or their .gz); "
        "could not download them: Error downloading train-images-idx3-ubyte.gz: "
    )
    assert "no network" in str(caught.value) and "\n" not in str(caught.value)
    assert names(tmp_path) == [] and list((tmp_path / "data").iterdir()) == []


def test_only_what_is_missing_is_asked_for(mnist, asked, tmp_path):
    put(tmp_path, {name: content for name, content in MNIST.items() if "labels" in name})
    there = names(tmp_path)
    with pytest.raises(ValueError, match="wanted train-images-idx3-ubyte, t10k-images-idx3-ubyte in "):
        read("mnist", mnist, tmp_path)
    assert names(tmp_path) == there


def test_a_download_that_breaks_off_is_begun_anew(mnist, asked, tmp_path, monkeypatch):
    last = "t10k-labels-idx1-ubyte.gz"
    serve(monkeypatch, ARCHIVES | {last: ARCHIVES[last][:-9]})
    with pytest.raises(
        ValueError, match=r"could not download them: Error downloading t10k-labels.*corrupted"
    ):
        read("mnist", mnist, tmp_path)
    assert names(tmp_path) == []
    serve(monkeypatch, ARCHIVES)
    assert_is_mnist(read("mnist", mnist, tmp_path))
    assert names(tmp_path) == sorted(MNIST)


def test_an_interrupted_download_leaves_nothing(mnist, asked, tmp_path, monkeypatch):
    def interrupted(url, filename, **_):
        Path(filename).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(utils, "_urlretrieve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read("mnist", mnist, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_archive_that_someone_put_there_is_named_and_left(mnist, asked, tmp_path, monkeypatch):
    first = next(iter(ARCHIVES))
    put(tmp_path, ARCHIVES | {first: b"half"})
    with pytest.raises(ValueError, match=f"no network.*; MNIST/raw/{first} in .*: not whole"):
        read("mnist", mnist, tmp_path)
    assert set(asked) == {first}
    serve(monkeypatch, ARCHIVES)
    assert_is_mnist(read("mnist", mnist, tmp_path))
    assert (tmp_path / "MNIST" / "raw" / first).read_bytes() == b"half"


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b[:-1] + b"\xff", lambda b: b""])
@pytest.mark.parametrize("name", [*MNIST])
def test_a_file_that_is_not_the_published_one_is_refused(spoil, name, mnist, asked, tmp_path):
    put(tmp_path, MNIST | {name: spoil(MNIST[name])})
    wanted = rf"MNIST/raw/{name}: wanted the published file, md5 {md5(MNIST[name])}; got \d+ bytes, md5 "
    with pytest.raises(ValueError, match=wanted):
        read("mnist", mnist, tmp_path)
    assert asked == []


# CIFAR: pickles in one archive.

PHOTOS = np.random.default_rng(1).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
FINE = [*range(6), *range(6)]


def cifar_files(kind) -> dict[str, bytes]:
    """Two photographs per file, in the folder of CIFAR-10 or CIFAR-100."""
    key = {"CIFAR10": "labels", "CIFAR100": "fine_labels"}[kind.__name__]
    lists = [*kind.train_list, *kind.test_list]
    files = {}
    for i, (name, _) in enumerate(lists):
        rows = slice(2 * i, 2 * i + 2)
        files[name] = pickle.dumps({"data": PHOTOS[rows].reshape(2, -1), key: FINE[rows]})
    files[kind.meta["filename"]] = pickle.dumps({kind.meta["key"]: [f"class {i}" for i in range(6)]})
    return {f"{kind.base_folder}/{name}": content for name, content in files.items()}


@pytest.fixture(params=["CIFAR10", "CIFAR100"])
def cifar(request, monkeypatch):
    """(expected data, files, archive) of the tiny data set in CIFAR's place."""
    kind = getattr(datasets, request.param)
    files = cifar_files(kind)
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    sums = {Path(name).name: md5(content) for name, content in files.items()}
    for part in ("train_list", "test_list"):
        monkeypatch.setattr(kind, part, [[name, sums[name]] for name, _ in getattr(kind, part)])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": sums[kind.meta["filename"]]})
    monkeypatch.setattr(kind, "tgz_md5", md5(buffer.getvalue()))
    return original(request.param), files, {kind.filename: buffer.getvalue()}


def test_cifar_is_downloaded_once(cifar, asked, tmp_path, monkeypatch):
    wanted, files, archive = cifar
    serve(monkeypatch, archive)
    first = read("cifar", wanted, tmp_path)
    n = len(files) * 2 - 2
    np.testing.assert_array_equal(first.images, PHOTOS[:n])
    assert first.labels.tolist() == FINE[:n] and first.held_out == 2
    assert first.classes == [f"class {i}" for i in range(6)]
    assert names(tmp_path) == sorted(Path(file).name for file in files)
    serve(monkeypatch, {})
    np.testing.assert_array_equal(read("cifar", wanted, tmp_path).images, first.images)


def test_a_changed_pickle_is_not_even_opened(cifar, asked, tmp_path, monkeypatch):
    wanted, files, archive = cifar
    serve(monkeypatch, archive)
    read("cifar", wanted, tmp_path)
    for file in files:
        whole = (tmp_path / file).read_bytes()
        (tmp_path / file).write_bytes(whole[:-1])
        with pytest.raises(ValueError, match=rf"{re.escape(file)}: wanted the published file, md5 "):
            read("cifar", wanted, tmp_path)
        (tmp_path / file).write_bytes(whole)


def test_where_cifar_goes_without_a_network(cifar, asked, tmp_path):
    wanted, files, archive = cifar
    with pytest.raises(ValueError) as caught:
        read("cifar", wanted, tmp_path)
    (packed,) = archive
    listed = ", ".join(Path(file).name for file in files)
    where = tmp_path / Path(next(iter(files))).parent
    assert str(caught.value).startswith(
        f"cifar: wanted {listed} in {where} (or {packed} in {tmp_path}); could not download them: "
    )


def test_patience_is_given_back():
    before = socket.getdefaulttimeout()
    with pytest.raises(KeyError), patience(3.0):
        assert socket.getdefaulttimeout() == 3.0
        raise KeyError
    assert socket.getdefaulttimeout() == before
