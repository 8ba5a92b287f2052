"""What an exhibit gives is what the registry says of it: arms, metrics, seeds, each place once."""

import pytest

from largebatch.exhibits import EXHIBITS as REGISTERED
from largebatch.files import Observation
from largebatch.lab.primer import exhibits
from largebatch.lab.primer.exhibits import rows_of

GOOD = [
    (arm, Observation(seed, metric, None, 1.0))
    for arm in REGISTERED["worked"].arms
    for metric in REGISTERED["worked"].metrics
    for seed in (0, 1)
]


def made_up(monkeypatch, rows):
    monkeypatch.setitem(exhibits.EXHIBITS, "worked", lambda seeds: iter(rows))
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
