"""More seeds train what is missing; a seed's numbers are those it would have had in any company."""

import json
import shutil

import numpy as np
import pytest

from largebatch.cli import main
from largebatch.config.flatness import Curvature
from largebatch.config.measures import Path as PathSettings
from largebatch.files import (
    read_arrays,
    read_json,
    read_observations,
    read_provenance,
    read_snapshots,
    read_spec,
    write_json,
)
from tests.conftest import small_arm

CURVATURE = json.dumps(Curvature(examples=16, probes=2).model_dump())
PATH = json.dumps(PathSettings(points=25).model_dump())
SNAPSHOTS = {"snapshots_at_epochs": [0, 1], "epochs": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "digits.safetensors"
    assert main(["data", "--name", "digits", "--sources", str(file.parent), "--out", str(file)]) == 0
    return file


@pytest.fixture
def made(tmp_path, data):
    """Run commands on folders below: train(where, seeds, ...) gives the run's folder."""

    class Made:
        def train(self, where, seeds, *words, **settings):
            arm = small_arm(**SNAPSHOTS | settings)
            out = tmp_path / where / arm.id
            asked = ["--settings", json.dumps(arm.chosen()), "--seeds", seeds, "--data", str(data)]
            assert main(["train", *asked, "--out", str(out), *words]) == 0
            return out

        def measure(self, run, *words, measure="curvature"):
            out = run / f"{measure}.parquet"
            asked = ["--measure", measure, "--options", CURVATURE, "--run", str(run), "--data", str(data)]
            assert main(["measure", *asked, "--out", str(out), *words]) == 0
            return out

        def path(self, start, end, *words):
            out = start.parent / "path.parquet"
            ends = ["--start", str(start), "--end", str(end), "--data", str(data), "--out", str(out)]
            assert main(["path", "--options", PATH, *ends, *words]) == 0
            return out

    return Made()


def seeds_made(record):
    """The seeds of each group that was made together."""
    return [group["seeds"] for group in record["made"]]


def of_run(run):
    return seeds_made(read_json(run / "provenance.json"))


def table(path):
    rows = read_observations(path).to_pandas()
    return rows.sort_values(["metric", "seed", "at"], ignore_index=True)


def same(ours, theirs):
    """The same rows, to the rounding of single precision."""
    assert ours.drop(columns="value").equals(theirs.drop(columns="value"))
    np.testing.assert_allclose(ours["value"], theirs["value"], rtol=2e-3, atol=2e-4)


def test_more_seeds_train_those_that_are_missing_as_all_at_once_would(made):
    whole, run = made.train("whole", "5"), made.train("run", "3")
    before = {name: read_arrays(run / f"{name}.safetensors") for name in ("weights", "snapshots")}
    history = table(run / "history.parquet")
    assert made.train("run", "5") == run
    assert of_run(run) == [[0, 1, 2], [3, 4]] and of_run(whole) == [[0, 1, 2, 3, 4]]
    assert read_spec(run) == read_spec(whole)
    for name, weights in read_arrays(run / "weights.safetensors").items():
        assert (weights[:3] == before["weights"][name]).all()
        np.testing.assert_allclose(weights, read_arrays(whole / "weights.safetensors")[name], atol=1e-4)
    now = table(run / "history.parquet")
    assert now[now["seed"] < 3].reset_index(drop=True).equals(history)
    same(now, table(whole / "history.parquet"))
    ours, theirs = (read_snapshots(each / "snapshots.safetensors") for each in (run, whole))
    assert [(epoch, seeds) for epoch, (seeds, _) in ours.items()] == [
        (epoch, seeds) for epoch, (seeds, _) in theirs.items()
    ]


def test_what_was_measured_of_kept_seeds_stays(made):
    run = made.train("run", "2")
    for measure in ("curvature", "curvature_by_epoch"):
        made.measure(run, measure=measure)
    before = table(run / "curvature.parquet")
    made.train("run", "4")
    whole = made.train("whole", "4")
    for measure in ("curvature", "curvature_by_epoch"):
        ours, theirs = (table(made.measure(each, measure=measure)) for each in (run, whole))
        same(ours, theirs)
        assert seeds_made(read_provenance(run / f"{measure}.parquet")) == [[0, 1], [2, 3]]
    now = table(run / "curvature.parquet")
    assert now[now["seed"] < 2].reset_index(drop=True).equals(before)


def test_two_increments_later_a_measure_is_still_known_to_be_of_its_seeds(made):
    run = made.train("run", "2")
    made.measure(run)
    made.train("run", "3")
    made.train("run", "4")
    assert of_run(run) == [[0, 1], [2], [3]]
    assert seeds_made(read_provenance(made.measure(run))) == [[0, 1], [2, 3]]


def test_seeds_before_the_first_join_too_and_fewer_are_fewer(made):
    run = made.train("run", "2-3")
    made.measure(run)
    made.train("run", "0-3")
    assert of_run(run) == [[2, 3], [0, 1]] and read_spec(run)[1] == [0, 1, 2, 3]
    same(table(run / "history.parquet"), table(made.train("whole", "4") / "history.parquet"))
    assert seeds_made(read_provenance(made.measure(run))) == [[2, 3], [0, 1]]
    made.train("run", "1-2")
    assert of_run(run) == [[2], [1]] and set(table(run / "history.parquet")["seed"]) == {1, 2}
    assert set(table(made.measure(run))["seed"]) == {1, 2}


def test_of_runs_with_more_seeds_those_that_are_asked_for_are_measured(made):
    start, end = made.train("run", "4"), made.train("run", "3", lr=0.2)
    some, whole = table(made.measure(start, "--seeds", "2")), table(made.measure(start))
    assert set(some["seed"]) == {0, 1} and some.equals(whole[whole["seed"] < 2].reset_index(drop=True))
    assert seeds_made(read_provenance(start / "curvature.parquet")) == [[0, 1], [2, 3]]
    assert set(table(made.path(start, end, "--seeds", "2-2"))["seed"]) == {2}
    assert seeds_made(read_provenance(made.path(start, end, "--seeds", "3"))) == [[2], [0, 1]]


def test_runs_without_the_seeds_that_are_asked_for_are_named(made, capfd):
    start, end = made.train("run", "4"), made.train("run", "3", lr=0.2)
    with pytest.raises(AssertionError):
        made.path(start, end)
    assert f"{end}: wanted a run with the seeds [0, 1, 2, 3]; got [0, 1, 2]" in capfd.readouterr().err
    with pytest.raises(AssertionError):
        made.measure(start, "--seeds", "5")
    wanted = f"{start}: wanted a run with the seeds [0, 1, 2, 3, 4]; got [0, 1, 2, 3]"
    assert wanted in capfd.readouterr().err


def test_nothing_is_made_where_all_is_there_unless_it_is_forced(made):
    run = made.train("run", "2")
    made.measure(run)
    files = [run / name for name in ("weights.safetensors", "provenance.json", "curvature.parquet")]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    made.train("run", "2")
    made.measure(run)
    for file, (content, time) in zip(files, before, strict=True):
        assert file.read_bytes() == content and file.stat().st_mtime_ns > time
    made.train("run", "2", "--anew")
    assert files[1].read_bytes() != before[1][0] and files[0].read_bytes() == before[0][0]
    # the weights have the same digest, so what was measured of them still holds
    assert made.measure(run).read_bytes() == before[2][0]
    assert made.measure(run, "--anew").read_bytes() != before[2][0]


def damage(run):
    (run / "history.parquet").write_bytes(b"no table")


def exchange(run):
    """Whole and sealed, but of another training than its provenance says."""
    other = run.parent.parent / "other" / run.name
    for name in ("weights.safetensors", ".seals/weights.safetensors.sha256"):
        shutil.copy(other / name, run / name)


def edit(**changes):
    def edit_record(run):
        record = read_json(run / "provenance.json")
        write_json(run / "provenance.json", record | changes)

    return edit_record


def forget(run):
    (run / "provenance.json").unlink()


@pytest.mark.parametrize(
    "change",
    [
        damage,
        exchange,
        edit(code="another"),
        edit(settings={}),
        edit(inputs={"digits.safetensors": "another"}),
        edit(followed=[]),
        forget,
    ],
    ids=["damaged", "exchanged", "other code", "other settings", "other data", "not followed", "no record"],
)
def test_seeds_that_are_not_as_they_would_be_made_now_train_again(made, change):
    made.train("other", "4-5")
    run = made.train("run", "2", "--follow=test")
    change(run)
    made.train("run", "3", "--follow=test")
    assert of_run(run) == [[0, 1, 2]]


@pytest.mark.parametrize("change", [{"code": "another"}, {"settings": {}}], ids=["code", "settings"])
def test_measures_that_are_not_as_they_would_be_made_now_are_made_again(made, monkeypatch, change):
    run = made.train("run", "2")
    made.measure(run)
    made.train("run", "3")
    record = read_provenance(run / "curvature.parquet") | change
    monkeypatch.setattr("largebatch.cli.increments.read_provenance", lambda path: record)
    made.measure(run)
    monkeypatch.undo()
    assert seeds_made(read_provenance(run / "curvature.parquet")) == [[0, 1, 2]]


def test_a_run_that_was_trained_anew_is_measured_anew(made):
    """Its old weights are not those of any file that its provenance still knows."""
    run = made.train("run", "2")
    made.measure(run)
    shutil.rmtree(run / ".seals")
    arrays = read_arrays(run / "weights.safetensors")
    from largebatch.files import write_arrays

    write_arrays(run / "weights.safetensors", {name: array + 1e-3 for name, array in arrays.items()})
    made.train("run", "3")
    assert of_run(run) == [[0, 1, 2]]
    made.measure(run)
    assert seeds_made(read_provenance(run / "curvature.parquet")) == [[0, 1, 2]]


def test_paths_grow_with_both_of_their_runs(made):
    def ends(where, seeds):
        return made.train(where, seeds), made.train(where, seeds, batch_size=16)

    before = table(made.path(*ends("run", "2")))
    path = made.path(*ends("run", "3"))
    assert seeds_made(read_provenance(path)) == [[0, 1], [2]]
    assert table(path)[lambda t: t["seed"] < 2].reset_index(drop=True).equals(before)
    same(table(path), table(made.path(*ends("whole", "3"))))


def test_runs_of_the_extended_scale_are_kept(made):
    theirs = made.train("theirs", "2", "--follow=test")
    made.measure(theirs)
    ours = made.train("ours", "3", f"--beside={theirs}")
    assert of_run(ours) == [[0, 1], [2]] and of_run(theirs) == [[0, 1]]
    assert read_json(ours / "provenance.json")["followed"] == ["test"]
    out = made.measure(ours, f"--beside={theirs / 'curvature.parquet'}")
    assert seeds_made(read_provenance(out)) == [[0, 1], [2]]
