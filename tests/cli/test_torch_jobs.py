"""Jobs that need torch: what a rule sees of them."""

import json
import math
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from largebatch import progress
from largebatch.cli import leases, main
from largebatch.cli.increments import OF_A_RUN
from largebatch.config import costs
from largebatch.config.exhibits import EXHIBITS
from largebatch.config.flatness import Curvature
from largebatch.config.measures import Path as PathSettings
from largebatch.config.spec import Arm
from largebatch.data.splits import PARTS, Splits, load
from largebatch.files import (
    read_arrays,
    read_exhibit,
    read_json,
    read_observations,
    read_provenance,
    read_snapshots,
    record_of,
    write_json,
)
from largebatch.metrics import (
    BETWEEN,
    END,
    GOAL_METRICS,
    METRICS_OF,
    PART_METRICS,
    PLANE,
    PLANE_LOSSES,
    TRAINING,
)
from largebatch.seals import SEALS, checksum
from largebatch.training import device
from tests.conftest import SMALL, small_arm

CURVATURE = Curvature(examples=16, probes=2).model_dump()


def train(folder, file, seeds=2, **settings) -> list[str]:
    arm = small_arm(**settings)
    out = folder / "runs" / arm.id
    return [
        *("train", "--settings", json.dumps(arm.chosen()), "--seeds", str(seeds)),
        *("--data", str(file), "--out", str(out), "--threads", "1"),
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A results folder with the data and one trained arm, by the commands a rule calls."""
    folder = tmp_path_factory.mktemp("results")
    data = folder / "data" / "digits.safetensors"
    assert main(["data", "--name", "digits", "--sources", str(data.parent), "--out", str(data)]) == 0
    assert main(train(folder, data)) == 0
    return folder


@pytest.fixture
def run(trained) -> Path:
    return trained / "runs" / small_arm().id


def test_data_are_one_file(trained):
    arrays = read_arrays(trained / "data" / "digits.safetensors")
    assert arrays["images"].shape == (1797, 1, 8, 8) and arrays["labels"].shape == (1797,)


def test_a_folder_of_images_is_a_data_set_and_a_tilde_the_home_folder(tmp_path, monkeypatch, capfd):
    """A rule quotes the words of a configuration, so that no shell replaces it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for shade, name in enumerate(("ant", "bee")):
        (tmp_path / "data" / "my pictures" / name).mkdir(parents=True)
        Image.new("RGB", (4, 3), (shade, 0, 0)).save(tmp_path / "data" / "my pictures" / name / "1.png")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "data" / "my pictures")
    out = tmp_path / "out" / "mine.safetensors"

    def prepared(sources, path):
        words = ["data", "--name", "mine", "--sources", sources, "--out", "~/out/mine.safetensors"]
        return main([*words, "--folder", json.dumps({"path": path, "size": 2})])

    for sources, path in (("~/data", "my pictures"), ("elsewhere", "~/packed.zip")):
        assert prepared(sources, path) == 0
        assert read_arrays(out)["images"].shape == (2, 3, 2, 2)
        record = read_json(out.with_suffix(".json"))
        assert record["sha256"] == checksum(out) and record["source"]["folder"]["path"] == path
        shutil.rmtree(tmp_path / "out")
    assert not (tmp_path / "~").exists()
    assert prepared("~/data", "absent") == 1
    line = capfd.readouterr().err.splitlines()[0]
    assert line.startswith(f"largebatch data: {tmp_path}/data/absent: wanted a folder, or a whole archive")


def test_train_writes_what_a_run_is(run, trained):
    names = {f"{name}.safetensors" for name in ("weights", "snapshots")}
    names |= {"spec.json", "history.parquet", "provenance.json"}
    assert {path.name for path in run.iterdir()} == {SEALS, *names}
    assert {path.name for path in (run / SEALS).iterdir()} == {f"{name}.sha256" for name in names}
    spec = read_json(run / "spec.json")
    assert Arm.model_validate(spec["arm"]) == small_arm() and spec["chosen"] == SMALL
    assert spec["seeds"] == [0, 1]
    assert all(len(array) == 2 for array in read_arrays(run / "weights.safetensors").values())
    assert read_snapshots(run / "snapshots.safetensors") == {}
    record = read_json(run / "provenance.json")
    assert record["stage"] == "train" and record["settings"] == SMALL
    assert record["inputs"] == {"digits.safetensors": checksum(trained / "data" / "digits.safetensors")}
    assert record["seconds"] > 0 and record["peak_memory_mib"] > 1 and record["device"]


def test_a_history_holds_known_metrics_and_those_of_the_end_only_there(run):
    rows = read_observations(run / "history.parquet").to_pylist()
    metrics = {row["metric"] for row in rows}
    elsewhere = {"peak_learning_rate", "train_seconds"}  # aggregate() knows them from other files
    of_other_arms = PART_METRICS - set(small_arm().part_metrics) | GOAL_METRICS
    assert metrics == TRAINING.labels.keys() - elsewhere - of_other_arms
    assert {row["metric"] for row in rows if row["at"] is None} == metrics & END
    assert {row["seed"] for row in rows} == {0, 1}


def test_data_that_are_not_those_of_their_record_train_nothing(trained, tmp_path, capfd):
    copy = shutil.copy(trained / "data" / "digits.safetensors", tmp_path)
    write_json(record_of(Path(copy)), {"sha256": "0" * 64})
    assert main(train(tmp_path, copy, epochs=1, seeds=1)) == 1
    said = capfd.readouterr().err
    assert said.startswith(f"largebatch train: {copy}: wanted the file that digits.json describes")
    assert said.count("\n") == 1 and not (tmp_path / "runs").exists()


def test_train_keeps_the_snapshots_that_the_arm_wants(trained, tmp_path):
    settings = {"snapshots_at_epochs": [0, 2]}
    assert main(train(tmp_path, trained / "data" / "digits.safetensors", **settings)) == 0
    folder = tmp_path / "runs" / small_arm(**settings).id
    snapshots = read_snapshots(folder / "snapshots.safetensors")
    weights = read_arrays(folder / "weights.safetensors")
    assert [(epoch, seeds) for epoch, (seeds, _) in snapshots.items()] == [(0, [0, 1]), (2, [0, 1])]
    assert all((snapshots[2][1][name] == array).all() for name, array in weights.items())


def test_train_says_how_far_the_study_is(trained, tmp_path, capfd):
    runs = (small_arm(epochs=1).id, "another")
    progress.begin(tmp_path, {costs.trained(run): 1.0 for run in runs})
    assert main(train(tmp_path, trained / "data" / "digits.safetensors", epochs=1, seeds=1)) == 0
    said = r"\[1/2 arms, about \d+ s left\] trained mlp-digits-b8-lr0\.1-constant-\w{8} in \d\.\d s"
    assert re.fullmatch(said, capfd.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize(
    ("sizes", "parts"), [((16, 0, 500), ["train"]), ((1000, 9, 12), ["validation", "test"])]
)
def test_train_says_which_classes_a_seed_lacks(sizes, parts, trained, tmp_path, capfd):
    """Counted anew from the rows that each seed draws."""
    file, data = trained / "data" / "digits.safetensors", dict(zip(PARTS, sizes, strict=True))
    words = train(tmp_path, file, seeds=14, data={"name": "digits", **data}, epochs=1, batch_size=16)
    assert main(words) == 0
    rows = Splits(load(file, torch.float32, torch.device("cpu")), list(range(14)), *sizes).rows
    labels = read_arrays(file)["labels"]
    lacking = {
        part: {
            str(label): seeds
            for label in range(10)
            if (seeds := [s for s in range(14) if label not in labels[rows[part][s]]])
        }
        for part in parts
    }
    (told,) = (tmp_path / "runs").glob("*/provenance.json")
    assert read_json(told)["absent_labels"] == lacking
    line = capfd.readouterr().out.splitlines()[0]
    for part, use in zip(PARTS, ("train", "validate", "test"), strict=True):
        without = len({seed for seeds in lacking.get(part, {}).values() for seed in seeds})
        assert (f"{without} of 14 seeds have no image labelled" in line) == (part in parts) or without == 0
        assert (f"to {use} on" in line) == (part in parts)


def test_train_says_nothing_of_classes_where_every_seed_has_all(trained, tmp_path, capfd):
    file = trained / "data" / "digits.safetensors"
    data = {"name": "digits", "train": 500, "validation": 200, "test": 500}
    assert main(train(tmp_path, file, data=data, epochs=1, batch_size=100)) == 0
    (told,) = (tmp_path / "runs").glob("*/provenance.json")
    assert read_json(told)["absent_labels"] == {} and "labelled" not in capfd.readouterr().out


def measured(run, trained, out, measure, options=CURVATURE) -> list[str]:
    """The words of a measuring job."""
    return [
        *("measure", "--measure", measure, "--options", json.dumps(options), "--run", str(run)),
        *("--data", str(trained / "data" / "digits.safetensors"), "--out", str(out), "--threads", "1"),
    ]


def test_measure_writes_observations_and_where_they_come_from(run, trained, tmp_path):
    out = tmp_path / "curvature.parquet"
    assert main(measured(run, trained, out, "curvature")) == 0
    first = read_observations(out).to_pylist()
    assert {row["seed"] for row in first} == {0, 1}
    assert {row["metric"] for row in first} <= set(METRICS_OF["curvature"])
    assert all(row["at"] is None and math.isfinite(row["value"]) for row in first)
    assert main(measured(run, trained, out, "curvature")) == 0
    assert read_observations(out).to_pylist() == first
    told = read_provenance(out)
    assert told["settings"] == {"measure": "curvature", **CURVATURE}
    assert told["seconds"] > 0 and told["packages"]["torch"]
    read = [trained / "data" / "digits.safetensors", *(run / name for name in OF_A_RUN)]
    assert told["inputs"] == {path.name: checksum(path) for path in read}


def test_without_snapshots_nothing_is_measured_by_epoch(run, trained, tmp_path):
    out = tmp_path / "curvature_by_epoch.parquet"
    assert main(measured(run, trained, out, "curvature_by_epoch")) == 0
    assert read_observations(out).num_rows == 0


def test_path_writes_what_lies_between_two_runs(run, trained, tmp_path):
    out = tmp_path / "path.parquet"
    words = [
        *("path", "--options", PathSettings().model_dump_json(), "--start", str(run), "--end", str(run)),
        *("--data", str(trained / "data" / "digits.safetensors"), "--out", str(out), "--threads", "1"),
    ]
    assert main(words) == 0
    rows = read_observations(out).to_pylist()
    assert {row["metric"] for row in rows} == set(BETWEEN.labels) - {*PLANE, *PLANE_LOSSES.values()}
    assert all(row["value"] == 0 for row in rows if row["metric"] == "distance_between_minima")


def test_jobs_that_compute_see_one_device_before_torch_asks_for_any(run, trained, tmp_path, monkeypatch):
    (tmp_path / "nvidia7").touch()
    monkeypatch.setattr(leases, "DEVICE_FILES", tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    seen, prepare = [], device.prepare

    def prepared(*asked):
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
        return prepare(*asked)

    monkeypatch.setattr(device, "prepare", prepared)
    data = trained / "data" / "digits.safetensors"
    ends = ("--start", str(run), "--end", str(run))
    assert main(train(tmp_path, data)) == 0
    assert main(measured(run, trained, tmp_path / "curvature.parquet", "curvature")) == 0
    words = ["path", "--options", PathSettings().model_dump_json(), *ends, "--data", str(data)]
    assert main([*words, "--out", str(tmp_path / "path.parquet")]) == 0
    assert seen and set(seen) == {"5"}


def test_exhibit_writes_what_it_gives_and_where_it_comes_from(tmp_path, capfd):
    out = tmp_path / "exhibits" / "worked.parquet"
    words = ["exhibit", "--name", "worked", "--options", "{}", "--seeds", "2", "--out", str(out)]
    assert main(words) == 0
    rows = read_exhibit(out).to_pylist()
    assert {row["arm"] for row in rows} == set(EXHIBITS["worked"].arms)
    assert {row["seed"] for row in rows} == {0, 1}
    assert {row["at"] for row in rows if row["metric"] == "worked_error"} == {None}
    told = read_provenance(out)
    assert told["stage"] == "exhibit" and told["settings"] == {"exhibit": "worked"}
    assert told["seconds"] > 0 and told["packages"]["numpy"] and told["commit"]
    assert main([*words[:2], "wroked", *words[3:]]) == 1
    line = capfd.readouterr().err.splitlines()[0]
    assert line.startswith("largebatch exhibit: exhibit must be one of ") and line.endswith("got 'wroked'")


def test_a_job_that_cannot_start_says_why_first(tmp_path, capfd):
    """One line for the terminal; the log has where as well."""
    absent = tmp_path / "absent.safetensors"
    assert main(train(tmp_path, absent)) == 1
    out, err = capfd.readouterr()
    line, *rest = err.splitlines()
    assert line.startswith("largebatch train: ") and str(absent) in line
    assert rest[0].startswith("Traceback")
    assert out == f"{line}\n"
    assert not (tmp_path / "runs").exists()


def test_settings_that_cannot_be_run_are_refused(trained, tmp_path, capfd):
    words = train(tmp_path, trained / "data" / "digits.safetensors")
    words[words.index("--settings") + 1] = json.dumps(SMALL | {"batch_size": 5000})
    assert main(words) == 1
    assert "batch_size of at most data.train = 48; got 5000" in capfd.readouterr().err
    assert not (tmp_path / "runs").exists()
