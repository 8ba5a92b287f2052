"""What differs from a registration, in words, and since when."""

import pytest

from largebatch.config.differences import differences, since

CLAIM = {
    "id": "T1",
    "says": "It falls.",
    "kind": "level",
    "metric": "m",
    "expect": {"below": 0.3},
    "a": {"arm": "x"},
}
REGISTERED = {
    "seeds": 3,
    "rule": {"level": 0.05, "correction": "Holm"},
    "claims": {"T1": CLAIM, "T2": CLAIM | {"id": "T2", "a": {"arm": "y"}}},
    "reads": {"T1": ["x"], "T2": ["y"]},
    "arms": {"x": ["run-1"], "y": ["run-2"]},
}


def changed(**keys):
    return REGISTERED | keys


def with_claim(**settings):
    return changed(claims=REGISTERED["claims"] | {"T1": CLAIM | settings})


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        (REGISTERED, {}),
        (with_claim(says="It sinks.", source="Elsewhere", paper_value=0.2), {}),
        (with_claim(expect={"within": [0.1, 0.2]}), {"T1": ["expectation below 0.3 -> within [0.1, 0.2]"]}),
        (with_claim(kind="ratio", b={"arm": "y"}), {"T1": ["b none -> arm y", "kind level -> ratio"]}),
        (changed(seeds=4), {"*": ["seeds 3 -> 4"]}),
        (changed(robust={"all variants": "90 %"}), {}),
        (changed(rule={"level": 0.05, "correction": "BH"}), {"*": ["correction Holm -> BH"]}),
        (changed(arms={"x": ["run-1"], "y": ["run-3"]}), {"T2": ["settings of y"]}),
        (changed(arms={"x": ["run-1"]}), {}),
        (changed(claims={"T1": CLAIM}), {"T2": ["removed"]}),
        (changed(claims=REGISTERED["claims"] | {"T3": CLAIM}), {"T3": ["added"]}),
    ],
)
def test_what_differs(current, wanted):
    assert differences(REGISTERED, current) == wanted


def test_what_is_robust_differs_only_where_it_was_registered():
    then, now = ({"robust": {"all variants": share}} for share in ("90 %", "50 %"))
    assert differences(REGISTERED | then, REGISTERED | now) == {
        "*": ["robust all variants 90 % -> all variants 50 %"]
    }


def entry(day, **differs):
    return {"time": f"2026-11-{day}T00:00:00+00:00", "commit": f"{day}abcdef0123", "differs": differs}


def test_since_when_without_a_break():
    log = [entry("01", T1=["a"]), entry("02"), entry("03", T1=["a"]), entry("04", T1=["a", "b"])]
    assert list(since(log, "T1")) == ["a (since 2026-11-03, 03abcde)", "b (since 2026-11-04, 04abcde)"]
    assert list(since(log, "T2")) == list(since([], "T1")) == []


def test_what_is_of_all_counts_for_claims_that_were_there():
    log = [entry("01", **{"*": ["seeds 3 -> 4"], "T2": ["added"]})]
    assert list(since(log, "T1")) == ["seeds 3 -> 4 (since 2026-11-01, 01abcde)"]
    assert list(since(log, "T2")) == ["added (since 2026-11-01, 01abcde)"]
