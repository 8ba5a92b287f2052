import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from largebatch.data.archives import lone_folder, unpacked

FILES = {"train/a/1.txt": b"one" * 400, "train/b/2.txt": b"two", "test/a/3.txt": b"three" * 200}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """An archive of these files, in the format of its ending."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        return path
    with tarfile.open(path, {".tar": "w", ".gz": "w:gz", ".xz": "w:xz"}[path.suffix]) as packed:
        for name, content in files.items():
            described = member(name)
            described.size = len(content)
            packed.addfile(described, BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, target, mode
    return made


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


ENDINGS = pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.xz", "zip"])


@ENDINGS
@pytest.mark.parametrize("prefix", ["", "pictures/"])
def test_an_archive_is_there_for_as_long_as_it_is_read(ending, prefix, tmp_path):
    """Also if everything is in one folder, beside files that macOS adds."""
    files = {prefix + name: text for name, text in FILES.items()} | {"__MACOSX/._x": b"", ".DS_Store": b""}
    path = pack(tmp_path / f"x.{ending}", files)
    with unpacked(path, tmp_path / "scratch") as folder:
        assert content(lone_folder(folder)).items() >= FILES.items()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_folder_is_read_where_it_is(tmp_path):
    with unpacked(tmp_path, tmp_path / "scratch") as folder:
        assert folder == tmp_path
    assert list(tmp_path.iterdir()) == []


@ENDINGS
@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "/tmp/largebatch-out.txt"])
def test_a_member_that_would_land_outside_is_refused(ending, name, tmp_path):
    path = pack(tmp_path / f"x.{ending}", FILES | {name: b"bad"})
    wanted = rf"x\.{ending}: wanted only files and folders that stay inside it; got '{name}'"
    with pytest.raises(ValueError, match=wanted), unpacked(path, tmp_path / "scratch"):
        pass
    assert list((tmp_path / "scratch").iterdir()) == [] and not list(tmp_path.rglob("out.txt"))
    assert not Path("/tmp/largebatch-out.txt").exists()


@pytest.mark.parametrize(
    ("kind", "target"), [(tarfile.SYMTYPE, "../.."), (tarfile.LNKTYPE, "/etc/passwd"), (tarfile.FIFOTYPE, "")]
)
def test_a_link_that_leads_outside_is_refused(kind, target, tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as packed:
        packed.addfile(member("link", kind, target))
    with pytest.raises(ValueError, match=r"x\.tar: .*stay inside it; got 'link'"), unpacked(path, tmp_path):
        pass


def test_links_that_stay_inside_are_kept(tmp_path):
    """Also what is unpacked through them."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as packed:
        for each in (
            member("a", tarfile.DIRTYPE),
            member("b", tarfile.SYMTYPE, "a"),
            member("b/1.txt"),
            member("2.txt", tarfile.LNKTYPE, "a/1.txt"),
        ):
            packed.addfile(each)
    with unpacked(path, tmp_path) as folder:
        assert (folder / "b").is_symlink() and (folder / "a" / "1.txt").samefile(folder / "2.txt")


def test_a_file_is_not_unpacked_through_what_is_a_link_outside(tmp_path):
    """A link to a link: each stays inside by its words alone."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as packed:
        for each in (
            member("a/b", tarfile.DIRTYPE),
            member("a/up", tarfile.SYMTYPE, ".."),
            member("out", tarfile.SYMTYPE, "a/up/.."),
            member("out/bad.txt"),
        ):
            packed.addfile(each)
    with (
        pytest.raises(ValueError, match=r"x\.tar: .*stay inside it; got 'out'"),
        unpacked(path, tmp_path / "s"),
    ):
        pass
    assert not list(tmp_path.rglob("bad.txt"))


def test_files_that_nobody_may_read_are_unpacked_to_be_read(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as packed:
        packed.addfile(member("a", tarfile.DIRTYPE, mode=0))
        packed.addfile(member("a/1.txt", mode=0))
    with unpacked(path, tmp_path) as folder:
        assert (folder / "a").stat().st_mode & 0o700 == 0o700
        assert (folder / "a" / "1.txt").stat().st_mode & 0o600 == 0o600


@ENDINGS
def test_a_truncated_archive_is_refused_wherever_it_ends(ending, tmp_path):
    whole = pack(tmp_path / f"x.{ending}", FILES).read_bytes()
    end = whole.rstrip(b"\0") if ending == "tar" else whole  # a plain one is padded
    cuts = {0, 1, 511, 512, 1024, 2048, len(end) // 3, len(end) // 2, len(end) - 1}
    for size in sorted(cut for cut in cuts if cut < len(end)):
        path = tmp_path / f"cut.{ending}"
        path.write_bytes(whole[:size])
        with (
            pytest.raises(ValueError, match=rf"cut\.{ending}: wanted a folder, or a whole archive.*; got"),
            unpacked(path, tmp_path / "scratch"),
        ):
            pytest.fail(f"{size} of {len(whole)} bytes were taken for the whole archive")


@pytest.mark.parametrize("spoil", [lambda b: b[:2048], lambda b: b[:2048] + b"x" + b[2049:]])
def test_a_plain_archive_without_its_end_is_refused(spoil, tmp_path):
    """Cut between two members, or with a damaged header: Python takes both as the end."""
    path = pack(tmp_path / "x.tar", FILES)
    path.write_bytes(spoil(path.read_bytes()))
    with (
        pytest.raises(ValueError, match="got: no end after 2048 bytes"),
        unpacked(path, tmp_path / "scratch"),
    ):
        pass


@pytest.mark.parametrize("ending", ["tar.gz", "tar.xz", "zip"])
def test_a_damaged_archive_is_refused(ending, tmp_path):
    path = pack(tmp_path / f"x.{ending}", {"train/a/1.txt": bytes(range(256)) * 40})
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 3] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=rf"x\.{ending}: wanted"), unpacked(path, tmp_path / "scratch"):
        pass


@pytest.mark.parametrize("text", [b"", b"\xff\xd8\xff a photograph", b"\0" * 99])
def test_what_is_no_archive_is_refused(text, tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(text)
    wanted = r"x\.jpg: wanted a folder, or a whole archive \(.tar, .*\); got a file that is neither"
    with pytest.raises(ValueError, match=wanted), unpacked(path, tmp_path / "scratch"):
        pass


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent: wanted a folder, .*; got nothing there"):
        unpacked(tmp_path / "absent", tmp_path).__enter__()
