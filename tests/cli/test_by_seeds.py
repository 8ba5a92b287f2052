"""Seeds side by side in processes of their own give what they give one after another."""

import json
from pathlib import Path

import pytest

from largebatch.cli import main
from largebatch.cli.by_seeds import shared, side_by_side
from largebatch.config.flatness import Curvature
from largebatch.config.measures import Path as PathSettings
from largebatch.files import read_observations
from tests.conftest import SMALL

SEEDS = 3
NET = {"model": {"name": "cnn", "channels": [4]}, "epochs": 1, "snapshots_at_epochs": [0, 1]}


def commands(folder: Path, data: Path, processes: int) -> list[list[str]]:
    """Two runs, what is measured of one, and what lies between both."""
    end, written = ("--threads", "1", "--processes", str(processes)), []
    for lr in (0.1, 0.05):
        settings = json.dumps(SMALL | NET | {"lr": lr})
        train = ["train", "--settings", settings, "--seeds", str(SEEDS), "--data", str(data)]
        written.append([*train, "--out", str(folder / f"run-{lr}"), *end])
    for measure in ("curvature", "curvature_by_epoch"):
        options = Curvature(examples=16, probes=2).model_dump_json()
        asked = ["measure", "--measure", measure, "--options", options, "--run", str(folder / "run-0.1")]
        written.append([*asked, "--data", str(data), "--out", str(folder / f"{measure}.parquet"), *end])
    ends = ["--start", str(folder / "run-0.1"), "--end", str(folder / "run-0.05")]
    options = PathSettings(examples=16, points=25).model_dump_json()
    path = ["path", "--options", options, *ends, "--data", str(data)]
    return [*written, [*path, "--out", str(folder / "path.parquet"), *end]]


def by_row(file: Path) -> dict[tuple, float]:
    rows = read_observations(file).to_pylist()
    return {(row["seed"], row["metric"], row["at"]): row["value"] for row in rows}


def test_processes_change_no_number(tmp_path):
    data = tmp_path / "digits.safetensors"
    assert main(["data", "--name", "digits", "--sources", str(tmp_path), "--out", str(data)]) == 0
    for processes in (1, 2):
        for command in commands(tmp_path / str(processes), data, processes):
            assert main(command) == 0
    for name in ("weights.safetensors", "snapshots.safetensors"):
        one, two = ((tmp_path / n / "run-0.1" / name).read_bytes() for n in "12")
        assert one == two
    for name in ("run-0.1/history", "curvature", "curvature_by_epoch", "path"):
        one, two = (by_row(tmp_path / n / f"{name}.parquet") for n in "12")
        # What is measured of several seeds at once is rounded otherwise.
        assert one == (two if "history" in name else pytest.approx(two, rel=1e-9, abs=1e-12))
        assert {seed for seed, _, _ in one} == set(range(SEEDS))
    assert not list(tmp_path.rglob("checkpoint*"))


def test_seeds_are_shared_among_processes():
    assert shared([0, 1, 2, 3, 4], 2) == [[0, 1, 2], [3, 4]] and shared([7], 4) == [[7]]


def test_one_process_is_this_one():
    assert side_by_side(lambda part: part * 2, [1, 2], 1) == [2, 4]  # which could not be sent to another


def test_a_failure_in_a_process_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        side_by_side(Path.read_bytes, [tmp_path / "a", tmp_path / "b"], 2)
