import ast
import random

import pytest
import torch

from largebatch.training import checkpoints
from largebatch.training.checkpoints import before, read, read_sealed, write, write_sealed
from tests.conftest import REPOSITORY

IDENTITY = {"seeds": [0, 1], "data": [80, 1, 4, 4, 0.1 + 0.2, -3]}


def state_of(epoch: int) -> dict:
    stream = torch.Generator().manual_seed(epoch)
    shared = torch.rand(3, 2, generator=stream)
    return {
        "identity": IDENTITY,
        "epoch": epoch,
        "model": {"0.weight": shared, "0.bias": shared[0], "count": torch.tensor(3)},
        "images": torch.rand(2, 3, 4, 4, generator=stream).to(memory_format=torch.channels_last),
        "optimiser": {
            "momentum": [None, torch.zeros(0), torch.rand(2, dtype=torch.bfloat16, generator=stream)]
        },
        "streams": [stream.get_state()],
        "rows": [[0, "loss", 0.5, float("inf")], [1, "loss", None, 5e-324]],
        "text": "ünï",
    }


def assert_same(one, other):
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and one.stride() == other.stride() and torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


def test_a_state_comes_back_bit_for_bit_and_in_its_layout(tmp_path):
    write(tmp_path / "c", state_of(3))
    assert_same(read(tmp_path / "c", IDENTITY), state_of(3))


@pytest.mark.parametrize("content", [b"", b"numbers"])
def test_sealed_bytes_come_back_unless_any_bit_changed(content, tmp_path):
    path = tmp_path / "file"
    write_sealed(path, content)
    assert read_sealed(path) == content
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="wanted a whole file"):
            read_sealed(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="wanted a whole file"):
            read_sealed(path)


def test_the_one_before_is_kept_until_the_run_is_done(tmp_path):
    for epoch in (1, 2, 3):
        write(tmp_path / "c", state_of(epoch))
    assert read(tmp_path / "c", IDENTITY)["epoch"] == 3
    (tmp_path / "c").unlink()  # killed between two renames
    assert read(tmp_path / "c", IDENTITY)["epoch"] == 2
    checkpoints.remove(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_every_damage_is_named_and_the_run_goes_on_from_the_one_before(tmp_path, capfd):
    path, chosen = tmp_path / "c", random.Random(0)
    write(path, state_of(1))
    write(path, state_of(2))
    whole = path.read_bytes()
    flips = [bytearray(whole) for _ in range(200)]
    for flip in flips:
        place = chosen.randrange(8 * len(whole))
        flip[place // 8] ^= 1 << place % 8
    for damaged in (*flips, *(whole[: chosen.randrange(len(whole))] for _ in range(50)), b""):
        path.write_bytes(damaged)
        assert read(path, IDENTITY)["epoch"] == 1
        (said,) = capfd.readouterr().out.splitlines()
        assert said.startswith(f"{path}: wanted a whole checkpoint") and said.endswith("tries the one before")
        assert not path.exists() and (tmp_path / "c.damaged").read_bytes() == damaged


def test_without_a_whole_one_the_run_starts_anew(tmp_path, capfd):
    path = tmp_path / "c"
    assert read(path, IDENTITY) is None and capfd.readouterr().out == ""
    for epoch in (1, 2):
        write(path, state_of(epoch))
    for spoilt in (path, before(path)):
        spoilt.write_bytes(b"spoilt")
    assert read(path, IDENTITY) is None
    first, second = capfd.readouterr().out.splitlines()
    assert first.startswith(f"{path}: ") and first.endswith("tries the one before")
    assert second.startswith(f"{path}.before: ") and second.endswith("starts anew")


def test_what_is_not_plain_is_not_saved(tmp_path):
    with pytest.raises(TypeError, match="wanted numbers, texts and tensors; got set"):
        write(tmp_path / "c", {"identity": {1, 2}})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.gpu
def test_tensors_come_back_on_their_device(tmp_path):
    state = {"identity": IDENTITY, "model": {"w": torch.ones(2, device="cuda:0")}}
    write(tmp_path / "c", state)
    assert_same(read(tmp_path / "c", IDENTITY), state)


def test_no_file_is_unpickled():
    """What pickle reads may be code."""
    allowed = {"equivalence.py": 1}  # what a process gives its own workers in memory
    for path in sorted((REPOSITORY / "src/largebatch").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.names[0].name for node in ast.walk(tree) if isinstance(node, ast.Import)]
        names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        loads = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "torch.load"]
        assert not {"pickle", "joblib", "dill", "shelve", "marshal"} & set(names), path
        assert len(loads) == allowed.get(path.name, 0), path
