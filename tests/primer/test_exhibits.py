"""The rows of an exhibit are those of the registry: arms, metrics, seeds, each position once."""

import math

import pytest

from largebatch.config.exhibits import EXHIBITS
from largebatch.files import Observation
from largebatch.metrics import TIME_SPREAD, TIMED_IN_ROUNDS
from largebatch.primer.exhibits import FUNCTIONS, rows_of
from tests.shared.exhibits import exhibit

GOOD = [
    (arm, Observation(seed, metric, None, 1.0))
    for arm in EXHIBITS["worked"].arms
    for metric in EXHIBITS["worked"].metrics
    for seed in (0, 1)
]


def made_up(monkeypatch, rows):
    monkeypatch.setitem(FUNCTIONS, "worked", lambda seeds: iter(rows))
    return rows_of("worked", [0, 1], {})


def test_rows_pass_as_they_are(monkeypatch):
    assert made_up(monkeypatch, GOOD) == GOOD


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([*GOOD[1:], ("ful", GOOD[0][1])], r"wanted the arms \[.*'full'.*\]; got \[.*'ful', 'full'"),
        ([r for r in GOOD if r[0] != "full"], r"wanted the arms \[.*'full'.*\]; got "),
        ([r for r in GOOD if r[1].metric == "worked_value"], r"wanted the metrics .*; got "),
        ([r for r in GOOD if r[1].seed == 0], r"wanted the seeds \[0, 1\]; got \[0\]"),
        ([*GOOD, GOOD[0]], r"wanted each \(arm, seed, metric, at\) once; got \('full', 0, 'worked_value', "),
    ],
)
def test_what_is_not_registered_is_an_error(monkeypatch, rows, text):
    with pytest.raises(ValueError, match=f"exhibit worked: {text}"):
        made_up(monkeypatch, rows)


# Options that make each one small enough to run here, but for the one that others stand in for above.
SMALL = {name: {} for name in EXHIBITS if name != "worked"} | {
    "rule": {"examples": 20, "updates": 20},
    "noise": {"examples": 16, "draws": 2},
    "regression": {"examples": 100, "features": 3, "updates": 400, "small_examples": 20},
    "rates": {"updates": 20, "repeats": 2},
    "edge": {"updates": 5, "steps": 2},
    "clipping": {"epochs": 2, "spike_at": 10},
    "xor": {"epochs": 3},
    "surfaces": {"updates": 8, "runs": 2, "escape_updates": 4},
    "shuffling": {"train": 60, "test": 30, "epochs": 1},
    "speed": {"examples": 8, "rounds": 1},
    "ring": {"values": 48},
    "three_ways": {"share": 2},
}


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_does_not_depend_on_its_company(name):
    clocks = TIMED_IN_ROUNDS | {TIME_SPREAD}
    # And metrics that depend on earlier work of the machine, or on kernels that round all seeds together.
    excepted = clocks | {"saturating_batch_size", "peak_memory_mib", "memory_growth", "rule_difference"}
    excepted |= {"fitting_batch_size"}
    runs = (exhibit(name, seeds, **SMALL[name]) for seeds in ([2, 7], [7]))
    both, alone = ([x for x in run if x[1].seed == 7 and x[1].metric not in excepted] for run in runs)
    assert both == [x for x in alone if x[0] != "one_run"]  # that of the first seed


@pytest.mark.parametrize("name", SMALL)
def test_each_gives_finite_numbers_of_what_the_registry_says(name):
    options = EXHIBITS[name].options(**SMALL[name]).model_dump()
    values = [row.value for _, row in rows_of(name, [2, 7], options)]
    assert all(math.isfinite(value) and type(value) in (int, float) for value in values)


def test_registries_name_the_same():
    assert FUNCTIONS.keys() == EXHIBITS.keys()
