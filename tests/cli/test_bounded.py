"""Archives that would fill the disk or the memory are refused before anything is unpacked."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest

from largebatch.cli import bounded, main, memory

MIB = 1 << 20


def zipped(path, member: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("ant", "bee"):
            packed.writestr(f"{name}/1.png", member)


def tarred(path, member: bytes):
    with tarfile.open(path, f"w:{path.suffix[1:]}") as packed:
        for name in ("ant", "bee"):
            entry = tarfile.TarInfo(f"{name}/1.png")
            entry.size = len(member)
            packed.addfile(entry, io.BytesIO(member))


@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred), ("a.tar.xz", tarred)])
def test_a_bomb_is_refused_before_it_is_unpacked(name, pack, tmp_path, monkeypatch, capfd):
    pack(tmp_path / name, bytes(6 * MIB))
    assert (tmp_path / name).stat().st_size < MIB
    monkeypatch.setattr(bounded, "MOST_BYTES", 10 * MIB)
    out, words = tmp_path / "out/mine.safetensors", json.dumps({"path": name, "size": 2})
    asked = ["data", "--name", "mine", "--sources", str(tmp_path), "--folder", words, "--out", str(out)]
    assert main(asked) == 1
    line = capfd.readouterr().err.splitlines()[0]
    assert line.endswith(
        f"/{name}: wanted at most {10 * MIB} bytes on the disk when it is unpacked; got more"
    )
    assert not out.parent.exists()
    monkeypatch.setattr(bounded, "MOST_BYTES", 20 * MIB)
    assert main(asked) == 1  # these are no pictures
    assert "when it is unpacked" not in capfd.readouterr().err


def test_arrays_are_bounded_by_the_memory(tmp_path, monkeypatch, capfd):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((4 * MIB, 1)), y=np.arange(4 * MIB) % 2)
    monkeypatch.setattr(memory, "limit", lambda device: 10 * MIB)
    source = json.dumps({"name": "file", "path": "a.npz", "x": "x", "y": "y"})
    out = tmp_path / "out/mine.safetensors"
    asked = ["data", "--name", "mine", "--sources", str(tmp_path), "--folder", source, "--out", str(out)]
    assert main(asked) == 1
    assert f"a.npz: wanted at most {10 * MIB} bytes of memory" in capfd.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 and no more", b"text"], ids=str)
def test_what_is_no_archive_is_left_to_who_unpacks_it(content, tmp_path):
    path = tmp_path / "a.zip"
    if content is not None:
        path.write_bytes(content)
    assert [*bounded.sizes(path)] == []
