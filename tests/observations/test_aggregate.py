import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from largebatch.files import Observation, write_exhibit
from largebatch.metrics import SETTINGS
from largebatch.observations import reading
from largebatch.observations.aggregate import aggregate, take


def member(arm, run, *, measures=(), tuned=None):
    return {"arm": arm, "run": run, "tuned": tuned, "measures": list(measures)}


def untuned(*measures, name="g", run="r"):
    """A group of one arm that is not tuned."""
    return {name: {"tuned_on": None, "members": [member(name, run, measures=measures)]}}


def history(validation, test, diverged=(0, 0, 0)):
    seeds = len(validation)
    return {
        "validation_loss_nats": {0.0: [9] * seeds, 1.0: validation},
        "test_error_percent": {0.0: [90] * seeds, 1.0: test},
        "diverged": {None: diverged[:seeds]},
    }


@pytest.fixture
def written(tmp_path):
    """Runs aggregate() on groups and returns both tables."""

    def run(groups, runs, paths=None, timed=False, exhibits=None, **more):
        out = tmp_path / "e" / "observations.parquet", tmp_path / "e" / "summary.csv"
        ask = {"experiment": "e", "timed": timed, "groups": groups, "paths": paths or {}}
        ask |= {"exhibits": exhibits or {}, **more}
        aggregate(ask, runs, *out)
        return pd.read_parquet(out[0]), pd.read_csv(out[1])

    return run


def test_rows_carry_group_arm_run_and_settings(write_run, written):
    runs = write_run("r", history([1, 2, 3], [4, 5, 6]))
    write_run("r", {"hessian_trace": {None: [7, 8, 9]}}, measure="curvature")
    rows, _ = written(untuned("curvature"), runs)
    assert rows.columns.tolist() == ["seed", "metric", "at", "value", "group", "arm", "run", *SETTINGS]
    assert rows.loc[rows["metric"] == "hessian_trace", "value"].tolist() == [7, 8, 9]
    assert rows.loc[rows["metric"] == "peak_learning_rate", "value"].tolist() == [0.2] * 3
    names = ["group", "arm", "run", "batch_size", "lr", "k", "lr_over_batch"]
    assert rows[names].drop_duplicates().values.tolist() == [["g", "g", "r", 8, 0.1, 2.0, 0.025]]
    assert rows["growth_epoch"].isna().all()
    assert (rows[["train_images", "width"]] == [48, 12]).all(axis=None)


def test_a_growing_batch_has_its_epoch(write_run, written):
    growth = {"schedule": {"name": "batch_growth", "at_epochs": [1], "factor": 2.0}}
    runs = write_run("r", history([1, 2, 3], [4, 5, 6]), **growth)
    rows, _ = written(untuned(), runs)
    assert (rows["growth_epoch"] == 1).all()


@pytest.mark.parametrize("spec", [None, "no json", "[]", '{"arm": {"lr": 1}, "seeds": [0]}'])
def test_a_run_that_does_not_say_its_settings_is_named(write_run, written, spec):
    runs = write_run("r", history([1, 2, 3], [4, 5, 6]))
    path = runs / "r" / "spec.json"
    path.unlink() if spec is None else path.write_text(spec, encoding="utf-8")
    with pytest.raises(Exception, match=r"r.spec.json: .*wanted .*; got") as error:
        written(untuned(), runs)
    assert "\n" not in str(error.value)


def test_a_path_is_an_arm_without_settings(write_run, written):
    write_run("a", history([1, 2, 3], [4, 5, 6]))
    runs = write_run("../paths", {"path_loss_nats": {0.0: [1, 2], 1.0: [3, 4]}}, measure="a_to_b")
    rows, summary = written(untuned(run="a"), runs, {"p": "a_to_b"})
    of_path = rows[rows["arm"] == "p"]
    of_path = of_path.sort_values(["at", "seed"])
    assert of_path[["group", "run", "seed", "metric", "at", "value"]].values.tolist() == [
        ["p", "a_to_b", seed, "path_loss_nats", at, value]
        for at, values in ((0.0, [1, 2]), (1.0, [3, 4]))
        for seed, value in enumerate(values)
    ]
    assert of_path[[*SETTINGS]].isna().all(axis=None)
    assert summary.loc[summary["arm"] == "p", ["at", "mean"]].values.tolist() == [[0.0, 1.5], [1.0, 3.5]]


def test_a_path_that_is_not_there_is_named(write_run, written):
    runs = write_run("a", history([1, 2, 3], [4, 5, 6]))
    with pytest.raises(ValueError, match=r"paths.a_to_b.parquet: wanted a parquet file"):
        written(untuned(run="a"), runs, {"p": "a_to_b"})


def exhibit(tmp_path, rows):
    """A file of an exhibit from (arm, seed, metric, at, value); the folder of runs beside."""
    path = tmp_path / "exhibits" / "xor-1234.parquet"
    write_exhibit(path, [(arm, Observation(*row)) for arm, *row in rows])
    return tmp_path / "runs"


def test_an_arm_of_an_exhibit_is_a_group_without_settings(tmp_path, written):
    rows = [("online", seed, "worked_value", at, seed + at) for seed in (0, 1) for at in (1.0, 2.0)]
    rows += [("full", seed, "worked_error", None, 0.0) for seed in (0, 1)]
    found, summary = written({}, exhibit(tmp_path, rows), exhibits={"xor": "xor-1234"})
    assert found.columns.tolist() == list(reading.COLUMNS)
    names = ["group", "arm", "run"]
    assert found[names].drop_duplicates().values.tolist() == [
        ["xor.full", "xor.full", "xor"],
        ["xor.online", "xor.online", "xor"],
    ]
    assert found["value"].tolist() == [0, 0, 1, 2, 2, 3] and found[[*SETTINGS]].isna().all(axis=None)
    assert summary[["arm", "metric", "n", "mean", "std"]].values.tolist() == [
        ["xor.full", "worked_error", 2, 0, 0],
        ["xor.online", "worked_value", 2, 1.5, pytest.approx(0.5**0.5, rel=1e-6)],
        ["xor.online", "worked_value", 2, 2.5, pytest.approx(0.5**0.5, rel=1e-6)],
    ]


def test_an_exhibit_stands_beside_trained_arms(write_run, written, tmp_path):
    runs = write_run("r", history([1, 2, 3], [4, 5, 6]))
    exhibit(tmp_path, [("full", 0, "worked_error", None, 0.0)])
    found, _ = written(untuned(), runs, exhibits={"xor": "xor-1234"})
    assert set(found["arm"]) == {"g", "xor.full"}


def test_an_exhibit_that_is_not_there_or_empty_is_named(written, tmp_path):
    with pytest.raises(ValueError, match=r"exhibits.xor-1234.parquet: wanted a parquet file"):
        written({}, tmp_path / "runs", exhibits={"xor": "xor-1234"})
    runs = exhibit(tmp_path, [])
    with pytest.raises(ValueError, match=r"xor-1234.parquet: wanted observations; got none"):
        written({}, runs, exhibits={"xor": "xor-1234"})


def test_two_groups_may_share_a_run(write_run, written):
    runs = write_run("r", history([1, 2, 3], [4, 5, 6]))
    rows, summary = written(untuned(name="g") | untuned(name="h"), runs)
    assert len(rows[rows["group"] == "g"]) == len(rows[rows["group"] == "h"]) > 0
    assert set(summary["arm"]) == {"g", "h"}


def tuned(write_run, written, low, high, seconds=None):
    runs = write_run("low", low)
    write_run("high", high, lr=0.2)
    timed(runs, **seconds or {})
    members = [member("t[lr=0.1]", "low", tuned="t"), member("t[lr=0.2]", "high", tuned="t")]
    groups = {"t": {"tuned_on": "validation_loss_nats", "members": members}}
    return written(groups, runs, timed=seconds is not None)


def chosen(rows, metric="diverged", column="run", arm="t"):
    """Of each seed of an arm, what its rows of one metric say."""
    return rows[(rows["arm"] == arm) & (rows["metric"] == metric)].sort_values("seed")[column].tolist()


def test_a_tuned_arm_takes_each_seeds_best_by_validation(write_run, written):
    low, high = history([1, 5, 1], [50, 50, 50]), history([2, 2, 2], [10, 10, 10])
    rows, summary = tuned(write_run, written, low, high)
    assert chosen(rows) == ["low", "high", "low"]
    assert chosen(rows, "peak_learning_rate", "value") == [0.2, 0.4, 0.2]
    assert set(rows.loc[rows["group"] == "t", "arm"]) == {"t"}
    assert set(rows.loc[rows["group"] == "t.tried", "arm"]) == {"t[lr=0.1]", "t[lr=0.2]"}
    # its seeds chose different rates
    assert summary.loc[summary["arm"] == "t", "lr"].isna().all()
    assert (summary.loc[summary["arm"] == "t", "batch_size"] == 8).all()


def test_a_sweep_is_tuned_at_each_of_its_settings(write_run, written):
    tries = {"a": (8, 0.1, [1, 5, 1]), "b": (8, 0.2, [2, 2, 2])}
    tries |= {"c": (16, 0.1, [4, 4, 4]), "d": (16, 0.2, [3, 3, 5])}
    members = []
    for run, (size, lr, validation) in tries.items():
        runs = write_run(run, history(validation, [10, 10, 10]), batch_size=size)
        members.append(member(f"s[batch_size={size},lr={lr}]", run, tuned=f"s[batch_size={size}]"))
    rows, _ = written({"s": {"tuned_on": "validation_loss_nats", "members": members}}, runs)
    sweep = reading.members(rows, "s")
    assert sweep["batch_size"].to_dict() == {"s[batch_size=8]": 8, "s[batch_size=16]": 16}
    assert chosen(rows, arm="s[batch_size=8]") == ["a", "b", "a"]
    assert chosen(rows, arm="s[batch_size=16]") == ["d", "d", "c"]


def test_a_try_that_lacks_the_metric_of_a_seed_is_not_its_choice(write_run, written):
    """Such as updates to a goal that this rate never reaches."""
    low, high = history([1, 1], [1, 1]), history([2, 2], [1, 1])
    low["validation_loss_nats"] = {1.0: [1]}
    rows, _ = tuned(write_run, written, low, high)
    assert chosen(rows, "peak_learning_rate") == ["low", "high"]


def test_tuning_never_sees_the_test_part(write_run, written):
    choices = []
    for test in ([1, 1, 1], [99, 99, 99]):
        rows, _ = tuned(write_run, written, history([1, 5, 1], test), history([2, 2, 2], [50, 50, 50]))
        choices.append(chosen(rows))
    assert choices[0] == choices[1]


def test_tuning_does_not_choose_a_seed_that_diverged(write_run, written):
    low, high = history([1, 1, 1], [4, 4, 4], diverged=[1, 0, 0]), history([2, 2, 2], [4, 4, 4])
    rows, _ = tuned(write_run, written, low, high)
    assert chosen(rows) == ["high", "low", "low"]


def test_summary_is_scipys_interval(write_run, written):
    runs = write_run("r", history([1, 2, 4], [4, 4, 4]))
    _, summary = written(untuned(), runs)
    found = ("metric", "at", "n", "mean", "std", "low", "high")
    assert summary.columns.tolist() == ["group", "arm", *SETTINGS, *found]
    row = summary[(summary["metric"] == "validation_loss_nats") & (summary["at"] == 1)].iloc[0]
    interval = stats.ttest_1samp([1, 2, 4], 0).confidence_interval(0.95)
    assert row[["n", "mean", "low", "high"]].tolist() == pytest.approx(
        [3, 7 / 3, interval.low, interval.high], rel=1e-6
    )
    flat = summary[(summary["metric"] == "test_error_percent") & (summary["at"] == 1)].iloc[0]
    assert flat[["mean", "std", "low", "high"]].tolist() == [4, 0, 4, 4]
    assert summary.loc[summary["metric"] == "diverged", "at"].isna().all()
    assert summary[["n", "mean", "std", "low", "high"]].notna().all(axis=None)


def test_writing_twice_gives_the_same_bytes(write_run, written, tmp_path):
    runs = write_run("r", history([1, 2, 4], [4, 4, 4]))
    contents = []
    for _ in range(2):
        written(untuned(), runs)
        names = ("observations.parquet", "observations.json", "summary.csv")
        contents.append([(tmp_path / "e" / name).read_bytes() for name in names])
    assert contents[0] == contents[1]


def timed(runs, **seconds):
    for run, taken in seconds.items():
        (runs / run / "provenance.json").write_text(json.dumps({"seconds": taken}), encoding="utf-8")


def test_training_time_is_shared_out_among_the_seeds(write_run, written):
    runs = write_run("r", history([1, 2, 4], [4, 4, 4]))
    write_run("s", history([1, 2, 4], [4, 4, 4]), lr=0.2)
    timed(runs, r=6.0, s=12.0)
    members = [member("g[lr=0.1]", "r"), member("g[lr=0.2]", "s")]
    groups = {"g": {"tuned_on": None, "members": members}}
    rows, _ = written(groups, runs, timed=True)
    taken = rows[rows["metric"] == "train_seconds"]
    assert taken[["arm", "seed", "value"]].values.tolist() == [
        [arm, seed, seconds] for arm, seconds in (("g[lr=0.1]", 2), ("g[lr=0.2]", 4)) for seed in range(3)
    ]
    assert taken["at"].isna().all() and taken["lr"].tolist() == [0.1] * 3 + [0.2] * 3
    # if nothing uses it, the table is the same as without it
    without, _ = written(groups, runs)
    pd.testing.assert_frame_equal(rows[rows["metric"] != "train_seconds"].reset_index(drop=True), without)


def test_of_files_with_more_seeds_the_first_ones_are_taken(write_run, written):
    """Those of a run that two groups share, of a path and of an exhibit, each as it is asked."""
    runs = write_run("r", history([1, 2, 4], [4, 5, 6]))
    timed(runs, r=6.0)
    write_run("../paths", {"path_loss_nats": {0.0: [1, 2, 3], 1.0: [3, 4, 5]}}, measure="a_to_b")
    shown = [("worked.full", Observation(seed, "worked_error", None, 0.0)) for seed in range(3)]
    (runs.parent / "exhibits").mkdir()
    write_exhibit(runs.parent / "exhibits/x.parquet", shown, {})
    groups = untuned(name="all", run="r") | untuned(name="some", run="r")
    kinds = {"paths": {"p": "a_to_b"}, "exhibits": {"worked": "x"}, "timed": True}
    rows, summary = written(groups, runs, **kinds, last_seeds={"some": 1, "p": 0, "worked": 1})
    seeds = rows.groupby("group")["seed"].agg(lambda found: sorted(set(found))).to_dict()
    assert seeds == {"all": [0, 1, 2], "some": [0, 1], "p": [0], "worked.worked.full": [0, 1]}
    errors = summary[(summary["metric"] == "test_error_percent") & (summary["at"] == 1)].set_index("arm")
    assert errors["n"].to_dict() == {"all": 3, "some": 2} and errors.loc["some", "mean"] == 4.5
    # each seed's share of the time of all that trained together
    assert (rows.loc[rows["metric"] == "train_seconds", "value"] == 2.0).all()


def test_a_tried_arm_is_chosen_among_the_seeds_that_are_asked_for(write_run, written):
    write_run("low", history([1, 5, 1], [50, 50, 50]))
    runs = write_run("high", history([2, 2, 2], [10, 10, 10]), lr=0.2)
    members = [member("t[lr=0.1]", "low", tuned="t"), member("t[lr=0.2]", "high", tuned="t")]
    groups = {"t": {"tuned_on": "validation_loss_nats", "members": members}}
    rows, _ = written(groups, runs, last_seeds={"t": 1})
    assert chosen(rows) == ["low", "high"] and set(rows["seed"]) == {0, 1}


def test_a_tuned_arm_took_the_time_of_each_seeds_best(write_run, written):
    low, high = history([1, 5, 1], [4, 4, 4]), history([2, 2, 2], [4, 4, 4])
    rows, _ = tuned(write_run, written, low, high, {"low": 3.0, "high": 6.0})
    assert chosen(rows, "train_seconds", "value") == [1, 2, 1]


@pytest.mark.parametrize("text", [None, "no json", "{}", '{"seconds": null}'])
def test_a_run_that_does_not_say_its_time_is_named(write_run, written, text):
    runs = write_run("r", history([1, 2, 4], [4, 4, 4]))
    if text is not None:
        (runs / "r" / "provenance.json").write_text(text, encoding="utf-8")
    wanted = "JSON" if text == "no json" else "a run's provenance with its seconds"
    with pytest.raises(ValueError, match=f"r.provenance.json: wanted {wanted}"):
        written(untuned(), runs, timed=True)
    if text != "no json":
        written(untuned(), runs)


def test_a_measure_may_have_found_nothing(write_run, written):
    """Such as one on snapshots at a loss that no seed reached."""
    runs = write_run("r", history([1, 2, 3], [4, 5, 6]))
    write_run("r", {}, measure="curvature_by_epoch")
    rows, _ = written(untuned("curvature_by_epoch"), runs)
    assert set(rows["metric"]) == {*history([1], [1]), "peak_learning_rate"}


def test_bad_runs_are_named(write_run, written, tmp_path):
    runs = write_run("empty", {})
    (runs / "broken").mkdir()
    (runs / "broken" / "history.parquet").write_text("no parquet", encoding="utf-8")
    for run in ("empty", "broken", "absent"):
        with pytest.raises(ValueError, match=f"{run}.history.parquet: wanted"):
            written(untuned(run=run), runs)


def test_tuning_on_a_metric_that_is_not_there(write_run, written):
    with pytest.raises(ValueError, match=r"arm t: wanted validation_loss_nats"):
        tuned(write_run, written, {"updates": {0.0: [1]}}, {"updates": {0.0: [1]}})


def test_summary_leaves_out_what_is_not_finite(write_run, written):
    runs = write_run("r", {"hessian_trace": {None: [1, np.nan, 3]}})
    _, summary = written(untuned(), runs)
    assert summary.loc[summary["metric"] == "hessian_trace", ["n", "mean"]].values.tolist() == [[2, 2]]


def test_published_observations_are_taken_as_they_are(write_run, written, tmp_path):
    runs = write_run("r", history([1, 2, 3], [4, 5, 6]))
    rows, summary = written(untuned(), runs)
    published, taken = tmp_path / "e" / "observations.parquet", tmp_path / "mine" / "observations.parquet"
    take(published, taken, taken.with_name("summary.csv"))
    assert taken.read_bytes() == published.read_bytes()
    shuffled = tmp_path / "shuffled.parquet"  # as an older version may have written them
    rows.sample(frac=1, random_state=0).to_parquet(shuffled, index=False)
    take(shuffled, taken, taken.with_name("summary.csv"))
    assert taken.read_bytes() == published.read_bytes()
    pd.testing.assert_frame_equal(pd.read_csv(taken.with_name("summary.csv")), summary)
    published = tmp_path / "other.parquet"
    rows.drop(columns="lr").to_parquet(published)
    with pytest.raises(ValueError, match=r"other\.parquet: wanted columns \[.*'lr'.*\]; got"):
        take(published, taken, taken.with_name("summary.csv"))
