"""Observations of an exhibit are aggregated, judged, drawn and tabulated like others, through files."""

import numpy as np
import pandas as pd
import pytest

from largebatch.figures.draw import draw
from largebatch.figures.tabulate import tabulate
from largebatch.files import Observation, write_exhibit
from largebatch.judging.claims import read_claims
from largebatch.judging.judge import judge
from largebatch.observations.aggregate import aggregate
from tests.shared.claims import written

SEEDS = range(5)
PLACES = (1.0, 4.0, 16.0)


def made_up():
    """Three arms: a power law with slope -1 and noise, the same twice as large, one equal for all seeds.

    The metrics stand in for those of any exhibit: one of the end, a profile, and one along a run.
    """
    stream = np.random.default_rng(0)
    noise = {seed: np.exp(0.02 * stream.standard_normal(len(PLACES))) for seed in SEEDS}
    for seed in SEEDS:
        for arm, size in (("one", 1.0), ("two", 2.0)):
            for at, factor in zip(PLACES, noise[seed], strict=True):
                yield arm, Observation(seed, "worked_value", at, size / at * factor)
                yield arm, Observation(seed, "train_loss_nats", at, size / at * factor)
                yield arm, Observation(seed, "updates", at, 10 * at)
            yield arm, Observation(seed, "worked_error", None, size * noise[seed][0])
        yield "exact", Observation(seed, "worked_error", None, 0.0)
        yield "exact", Observation(seed, "worked_value", 1.0, 391.0)


@pytest.fixture
def observations(tmp_path):
    write_exhibit(tmp_path / "exhibits" / "e-1.parquet", made_up())
    ask = {"experiment": "p", "timed": False, "groups": {}, "paths": {}, "exhibits": {"e": "e-1"}}
    aggregate(ask, tmp_path / "runs", tmp_path / "observations.parquet", tmp_path / "summary.csv")
    return tmp_path / "observations.parquet"


def side(arm, value=1.0):
    return {"arm": f"e.{arm}", "at": {"value": value}}


ONE, TWO = side("one"), side("two")
EXACT = {"a": {"arm": "e.exact"}}
CLAIMS = {
    "level": (written("level", {"within": [0.9, 1.1]}, "worked_value", a=ONE), "supported", 1.0),
    "contrast": (
        written(
            "contrast", {"above": 0.5}, "worked_value", a=TWO, b=ONE, c=side("two", 16), d=side("one", 16)
        ),
        "supported",
        1 - 1 / 16,
    ),
    "slope": (written("slope", {"within": [-1.1, -0.9]}, "worked_value", arm="e.one"), "supported", -1.0),
    "slope of a history": (
        written("slope", {"above": -0.9}, "train_loss_nats", arm="e.one", low_at=4),
        "contradicted",
        -1.0,
    ),
    "at equal updates": (
        written(
            "ratio",
            {"within": [1.9, 2.1]},
            "train_loss_nats",
            a={"arm": "e.two", "at": {"same_updates_as": "e.one"}},
            b={"arm": "e.one"},
        ),
        "supported",
        2.0,
    ),
    "nought within": (
        written("level", {"within": [-1e-12, 1e-12]}, "worked_error", **EXACT),
        "supported",
        0.0,
    ),
    "a count for all seeds": (
        written("level", {"within": [390.5, 391.5]}, "worked_value", a=side("exact")),
        "supported",
        391.0,
    ),
}


@pytest.mark.parametrize(("asked", "verdict", "estimate"), CLAIMS.values(), ids=CLAIMS)
def test_claims_are_judged(observations, tmp_path, asked, verdict, estimate):
    judge({"experiment": "p", "claims": [asked]}, observations, tmp_path / "judged.csv")
    (row,) = read_claims(tmp_path / "judged.csv").to_dict("records")
    assert (row["verdict"], row["n"]) == (verdict, len(SEEDS)), row["note"]
    assert row["estimate"] == pytest.approx(estimate, rel=0.1, abs=1e-15)
    assert ("All seeds give the same value" in row["note"]) == (
        asked["kind"] == "ratio" or "exact" in str(asked)
    )


@pytest.mark.parametrize(
    "figure",
    [
        {"kind": "profile", "y": ["worked_value"], "x_label": "x", "log_x": True, "log_y": True},
        {"kind": "curves", "x": "epoch", "y": ["train_loss_nats"], "level": "worked_error"},
        {"kind": "curves", "x": "update", "y": ["train_loss_nats"]},
        {"kind": "finals", "y": "worked_error"},
        {"kind": "finals", "y": "worked_value", "at": {"value": 4.0}},
    ],
    ids=lambda figure: " ".join(map(str, figure.values())),
)
def test_figures_are_drawn(observations, tmp_path, figure):
    named = {"name": "f", "caption": "c", "lines": {"small": "e.one", "large": "e.two"}}
    draw({"experiment": "p", "figure": named | figure}, observations, tmp_path / "p_f")
    drawn = pd.read_csv(tmp_path / "p_f.csv")
    assert set(drawn["line"]) == {"small", "large"} and (drawn["n"] == len(SEEDS)).all()
    large, small = (drawn[drawn["line"] == line]["mean"].to_numpy() for line in ("large", "small"))
    assert large == pytest.approx(2 * small)
    assert (tmp_path / "p_f.pdf").stat().st_size > 0


def test_what_all_seeds_share_is_drawn(observations, tmp_path):
    figure = {"name": "f", "caption": "c", "kind": "profile", "y": ["worked_value"], "x_label": "x"}
    draw({"experiment": "p", "figure": figure | {"lines": {"l": "e.exact"}}}, observations, tmp_path / "p_f")
    (row,) = pd.read_csv(tmp_path / "p_f.csv").to_dict("records")
    assert (row["at"], row["mean"], row["low"], row["high"]) == (1, 391, 391, 391)


def test_tables_are_written(observations, tmp_path):
    table = {
        "name": "t",
        "caption": "c",
        "rows": {"one": "e.one", "exact": "e.exact"},
        "positions": {"one": 4.0, "exact": 1.0},
        "metrics": ["worked_value", "worked_error"],
        "paper": {"exact": {"worked_value": "391"}},
    }
    tabulate({"experiment": "p", "table": table}, observations, tmp_path / "p_t")
    assert "| exact | 391 ± 0 | 391 | 0 ± 0 |" in (tmp_path / "p_t.md").read_text(encoding="utf-8")
