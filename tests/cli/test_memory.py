"""An arm that would not fit the memory is split by its seeds, before or when it turns out."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from largebatch.cli import main, memory
from largebatch.cli.by_seeds import Share
from largebatch.files import read_arrays, read_observations
from tests.conftest import SMALL

CPU = torch.device("cpu")
GIB = 1 << 30


@pytest.fixture(autouse=True)
def processor():
    """Gives back what training.device sets for its process."""
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(1)


def test_the_limit_is_the_least_of_machine_cgroup_and_process(monkeypatch):
    import psutil

    machine = psutil.virtual_memory().total
    monkeypatch.setattr(memory, "of_cgroups", lambda *places: [])
    assert memory.limit(CPU) <= machine
    monkeypatch.setattr(memory, "of_cgroups", lambda *places: [3 * GIB, GIB])
    assert memory.limit(CPU) == GIB


@pytest.mark.parametrize(
    ("line", "limits"),
    [("0::/job/step", [2 * GIB, GIB]), ("5:cpu,memory:/old", [4 * GIB]), ("5:cpu:/old", []), ("0::/", [])],
)
def test_limits_of_cgroups_are_those_of_every_level(line, limits, tmp_path):
    for place, text in {"job/step/memory.max": 2 * GIB, "job/memory.max": GIB, "memory.max": "max"}.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(f"{text}\n", encoding="utf-8")
    (tmp_path / "memory/old").mkdir(parents=True)
    (tmp_path / "memory/old/memory.limit_in_bytes").write_text(f"{4 * GIB}\n", encoding="utf-8")
    (tmp_path / "cgroup").write_text(f"{line}\n", encoding="utf-8")
    assert [*memory.of_cgroups(tmp_path / "cgroup", tmp_path)] == limits


def test_jobs_and_processes_share_the_memory(dataset, monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda device: 10 * GIB)
    monkeypatch.setattr(memory, "of_process", lambda: [])
    alone = memory.room(dataset, 1)
    assert alone == 8 * GIB - memory.IMPORTS
    assert memory.room(dataset, 4) == 2 * GIB - memory.IMPORTS
    assert Share(processes=3, jobs=2).of_each([[0], [1]]).jobs == 4  # two parts keep two processes busy
    monkeypatch.setattr(memory, "of_process", lambda: [(3 * GIB, GIB)])
    assert memory.room(dataset, 1) == int(1.6 * GIB)


@pytest.mark.parametrize(("room", "most"), [(70, 7), (69, 4), (40, 4), (39, 3), (20, 2), (10, 1)])
def test_as_many_seeds_as_fit_in_even_parts(room, most, capfd):
    assert memory.at_once(lambda seeds: 10 * seeds, 7, room) == most
    assert not capfd.readouterr().out


def test_one_seed_that_is_expected_not_to_fit_is_tried_and_said(capfd):
    assert memory.at_once(lambda seeds: seeds * GIB, 7, GIB // 2) == 1
    said = "got 512 MiB for this job, and one seed takes some 1024 MiB beyond imports and data"
    assert said in capfd.readouterr().out


def commands(folder, data):
    settings = json.dumps(SMALL | {"snapshots_at_epochs": [0, 1]})
    train = ["train", "--settings", settings, "--seeds", "5", "--data", str(data), "--out", f"{folder}/run"]
    measure = ["measure", "--run", f"{folder}/run", "--data", str(data)]
    for name in ("curvature", "curvature_by_epoch"):
        options = json.dumps({"examples": 16, "probes": 2})
        yield [*measure, "--measure", name, "--options", options, "--out", f"{folder}/{name}.parquet"]
    yield train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "digits.safetensors"
    assert main(["data", "--name", "digits", "--sources", str(out.parent), "--out", str(out)]) == 0
    return out


def numbers(folder):
    return [
        {(r["seed"], r["metric"], r["at"]): r["value"] for r in read_observations(file).to_pylist()}
        for file in (folder / "run/history.parquet", *sorted(folder.glob("*.parquet")))
    ]


@pytest.mark.parametrize("how", ["small", "full"])
def test_seeds_in_parts_have_the_numbers_of_all_at_once(how, data, tmp_path, monkeypatch, capfd):
    """To rounding. small: the memory is known to be; full: it turns out to be for more than two seeds."""

    def all_commands(folder):
        *measures, train = commands(folder, data)
        assert [main(command) for command in (train, *measures)] == [0, 0, 0]

    all_commands(tmp_path / "whole")
    capfd.readouterr()
    if how == "small":
        monkeypatch.setattr(memory, "at_once", lambda taken, seeds, room: min(seeds, 2))
    else:

        def fails(work, seeds):
            if len(seeds) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore")
            return work(seeds)

        tried = memory.attempted
        monkeypatch.setattr(memory, "attempted", lambda work, *how: tried(lambda s: fails(work, s), *how))
    all_commands(tmp_path / "parts")
    out = capfd.readouterr().out
    assert out.count("wanted memory for 5 seeds at once; got: CUDA out of memory.") == 3 * (how == "full")
    for one, other in zip(numbers(tmp_path / "whole"), numbers(tmp_path / "parts"), strict=True):
        assert one.keys() == other.keys()
        np.testing.assert_allclose([*one.values()], [other[key] for key in one], rtol=1e-9, atol=1e-12)
    one, other = (read_arrays(tmp_path / f / "run/weights.safetensors") for f in ("whole", "parts"))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-12)


def test_one_seed_that_does_not_fit_is_one_line_and_other_errors_stay():
    def full(seeds):
        raise MemoryError("Unable to allocate 9 GiB")

    def broken(seeds):
        raise RuntimeError("shapes differ")

    with pytest.raises(ValueError, match=r"wanted memory for one seed at a time; got: Unable to allocate 9"):
        memory.in_parts(full, [3, 4], 2)
    with pytest.raises(RuntimeError, match="shapes differ"):
        memory.in_parts(broken, [3, 4], 2)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of the address space")
def test_what_pytorch_says_of_a_full_memory_is_known():
    program = (
        "import resource, torch; from largebatch.cli.memory import is_full, of_process\n"
        "size = 4 << 30; resource.setrlimit(resource.RLIMIT_AS, (size, size))\n"
        "[(most, used)] = of_process(); assert most == size > used > 0\n"
        "try: torch.empty(1 << 33)\n"
        "except RuntimeError as error: assert is_full(error), error\n"
        "else: raise SystemExit('it fits')\n"
    )
    call = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, encoding="utf-8")
    assert call.returncode == 0, call.stderr
