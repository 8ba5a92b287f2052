import numpy as np
import pandas as pd
import pytest

from largebatch.study import claims

JUDGED = ["T1", "e", "p", "s", "updates", 5, 0.1 + 0.2, 0.0, 1.0, 0.01, 0.02, 0.4, "distance"]
JUDGED += ["above 0", 0.3, "supported", ""]
NOT_RUN = ["T2", "e", "p", "s", "updates", *[None] * 8, "above 0", None, "not_run", "No arm."]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "claims.csv"
    pd.DataFrame([JUDGED, NOT_RUN], columns=list(claims.COLUMNS)).to_csv(path, index=False)
    return path


def test_numbers_come_back_as_written_and_absent_texts_are_empty(path):
    judged, not_run = (row for _, row in claims.read_claims(path).iterrows())
    assert judged["estimate"] == 0.1 + 0.2
    assert judged["note"] == ""
    assert np.isnan(not_run["estimate"]) and not_run["note"] == "No arm."


def test_an_unknown_verdict_is_an_error(path):
    path.write_text(path.read_text(encoding="utf-8").replace("supported", "perhaps"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"claims.csv: wanted verdicts among .*; got \['perhaps'\]"):
        claims.read_claims(path)


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1234"), (-0.5, "−0.5"), (0.0, "0"), (1e-5, "1e−05"), (np.nan, "")]
)
def test_numbers_as_texts(value, text):
    assert claims.number(value) == text


@pytest.mark.parametrize(
    ("value", "kind", "expect", "text", "sentence"),
    [
        (0.20114, "distance", "above 0", "0.2011", "an effect 0.201 away from the threshold"),
        (1.12345, "factor", "below 1", "× 1.123", "an effect a factor of 1.12 away from the threshold"),
        (1.5, "factor", "within [0.5, 2]", "× 1.5", "an effect a factor of 1.5 away from a bound"),
        (np.nan, "distance", "within [0, 2]", "", "Every seed lies on a bound itself."),
    ],
)
def test_detectable_effects_as_texts(value, kind, expect, text, sentence):
    row = {"detectable": value, "detectable_as": kind, "expect": expect}
    assert claims.detectable(row) == text
    assert sentence in claims.sensitivity(row)


def test_intervals_as_texts():
    assert claims.interval(-1.0, 2.25) == "[−1, 2.25]"
    assert claims.interval(np.nan, np.nan) == ""
