import json
import os
import random

import pytest

from largebatch import seals
from largebatch.files import write_json, write_text
from largebatch.seals import SEALS, Damaged, checksum, collected, noted, seal_of, verified


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "results" / "mine" / "e" / "x.csv"
    write_text(path, "a,b\n1,2\n")
    return path


def flipped(path, bit):
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def test_every_flipped_bit_of_a_file_and_of_its_seal_is_noticed(written):
    assert verified(written) == checksum(written)
    for path in (written, seal_of(written)):
        whole = path.read_bytes()
        for bit in range(8 * len(whole)):
            flipped(path, bit)
            with pytest.raises(Damaged):
                verified(written)
            path.write_bytes(whole)
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(Damaged):
                verified(written)
        path.write_bytes(whole)
    assert verified(written) == checksum(written)


def test_a_seal_is_what_sha256sum_writes(written):
    assert seal_of(written) == written.parent / ".seals" / "x.csv.sha256"
    assert seal_of(written).read_text(encoding="utf-8") == f"{checksum(written)}  x.csv\n"


def test_the_line_names_the_file_and_the_command_that_makes_it_anew(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written.relative_to(tmp_path)
    path.write_text("a,b\n1,3\n", encoding="utf-8")
    with pytest.raises(
        Damaged, match=r"^results/mine/e/x\.csv: wanted the file as it was written, sha256 \w{12}; got"
    ):
        verified(path)
    with pytest.raises(Damaged, match=r"\. Make it anew, or take it from where it was made$"):
        verified(path)
    write_json(tmp_path / "results/mine/asks/called.json", ["--configfile", "my own.yaml"])
    command = r"Make it anew: snakemake --cores all --configfile 'my own\.yaml'"
    with pytest.raises(Damaged, match=rf"{command} --force results/mine/e/x\.csv$"):
        verified(path)
    ask = tmp_path / "results/mine/asks/draw/f.json"
    write_json(ask, {"a": 1})
    ask.write_text("{}", encoding="utf-8")
    with pytest.raises(Damaged, match=rf"{command}$"):  # whatever is asked is written when a run starts
        verified(ask.relative_to(tmp_path))
    (tmp_path / "results/mine/asks/called.json").write_text("damaged", encoding="utf-8")
    with pytest.raises(
        Damaged, match=r"snakemake --cores all --config scale=mine --force results/mine/e/x\.csv$"
    ):
        verified(path)


def test_a_file_from_before_there_were_seals_is_taken_as_it_is(written):
    seal_of(written).unlink()
    assert verified(written) == checksum(written)


def test_a_file_that_is_gone_is_no_damage(written):
    written.unlink()
    with pytest.raises(FileNotFoundError):
        verified(written)


def test_a_large_file_is_read_again_only_after_it_was_written_to(written, monkeypatch):
    monkeypatch.setattr(seals, "READ_EACH_TIME", 4)
    read = []
    monkeypatch.setattr(seals, "checksum", lambda path: read.append(path) or checksum(path))
    assert verified(written) == verified(written) == checksum(written)
    assert read == [written]
    os.utime(written, ns=(1, 1))
    verified(written)
    assert read == [written] * 2
    flipped(written, 3)
    with pytest.raises(Damaged):
        verified(written)


def test_what_is_read_is_noted_with_its_digest(written):
    with noted() as read:
        verified(written)
    verified(seal_of(written).parent.parent / "x.csv")
    assert read == {written: checksum(written)}


def test_a_snapshot_has_its_digests_in_one_file(written):
    folder = written.parents[1]
    digests = collected(folder)
    assert digests == {"e/x.csv": checksum(written)} and not list(folder.rglob(SEALS))
    (folder / "provenance.json").write_text(json.dumps({"files": digests}), encoding="utf-8")
    assert verified(written) == digests["e/x.csv"]
    flipped(written, random.Random(0).randrange(64))
    with pytest.raises(Damaged, match=r"x\.csv: wanted the file as it was written"):
        verified(written)
