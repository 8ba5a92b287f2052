import pytest

from largebatch.config.cards import Paper
from largebatch.judging.claims import COLUMNS
from largebatch.report.answers import answers, say
from tests.shared.tables import write_ledger

PAPER = Paper(
    paper="P", experiment="e", question="Why?", headlines={"T1": "it is", "T2": "it was"}, figures=["f"]
)


@pytest.fixture
def claims(helpers, joined):
    """Claims T1 and T2 with these verdicts."""

    def claims(first, second="supported", **columns):
        return joined(helpers.claim("T1", verdict=first), helpers.claim("T2", verdict=second, **columns))

    return claims


def card(of_scales, scale="digits"):
    (found,) = answers([PAPER], of_scales, scale)
    return found


PAPERS = "(paper 0.3)"
NUMBERS = "(1.25 updates [1, 1.5]; paper 0.3)"


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ("supported", "supported", f"Yes: it is {NUMBERS}, and it was {NUMBERS}."),
        ("contradicted", "contradicted", f"No: it does not hold that it is {NUMBERS}, and it was {NUMBERS}."),
        ("inconclusive", "supported", f"In part: it was {NUMBERS}; it stays open whether it is {NUMBERS}."),
        (
            *("uninformative", "uninformative"),
            f"Uninformative: it is {NUMBERS}, and it was {NUMBERS}, which says nothing, "
            "since the control shows the same.",
        ),
        (
            *("confounded", "confounded"),
            f"Confounded: a difference in fit may explain the result on whether it is {NUMBERS}, "
            f"and it was {NUMBERS}.",
        ),
        ("not_run", "not_run", f"Not run here: it was not run whether it is {PAPERS}, and it was {PAPERS}."),
    ],
)
def test_the_sentence_follows_from_the_verdicts(claims, first, second, sentence):
    found = card({"digits": claims(first, second)})
    assert found["verdict"] == (first if first == second else "mixed")
    assert found["sentences"] == {"digits": sentence}
    assert found["agreement"] == ""


def test_the_training_gap_stands_beside_a_confounded_finding(claims):
    for verdict, shown in (("confounded", True), ("supported", False)):
        (said,) = card({"digits": claims("not_run", verdict, fit="2.8 [2.3, 3.3], margin 0.5")})[
            "sentences"
        ].values()
        assert ("paper 0.3; in training 2.8 [2.3, 3.3], margin 0.5)" in said) == shown


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("ratio", "1.25 times [1, 1.5]"),
        ("percentage points", "1.25 points [1, 1.5]"),
        ("correlation", "correlation 1.25 [1, 1.5]"),
        ("number", "1.25 [1, 1.5]"),
        ("nats", "1.25 nats [1, 1.5]"),
    ],
)
def test_effects_have_their_unit(claims, unit, words):
    found = card({"digits": claims("supported", unit=unit)})
    assert found["rows"][1]["cells"][0]["effect"] == words


def test_a_fragile_verdict_is_shown_as_fragile(claims):
    weak = claims("supported", robust="fragile")  # T2 is
    found = card({"digits": weak, "mnist": claims("supported", "inconclusive")})
    assert found["sentences"]["digits"] == f"Yes: it is {NUMBERS}, and it was {NUMBERS[:-1]}; fragile)."
    assert found["robust"] == "fragile" and [row["cells"][0]["robust"] for row in found["rows"]] == [
        *("robust", "fragile")
    ]
    assert "T2 supported (fragile) at digits, inconclusive at mnist" in found["agreement"]
    assert card({"digits": claims("supported")})["robust"] == ""


def test_scales_that_disagree_are_said_to(claims):
    scales = {"digits": claims("supported"), "mnist": claims("contradicted")}
    found = card(scales)
    assert found["agreement"] == "Scales disagree: T1 supported at digits, contradicted at mnist."
    assert found["columns"] == ["digits", "mnist"]
    assert [cell["verdict"] for cell in found["rows"][0]["cells"]] == ["supported", "contradicted"]
    assert card(scales, "mnist")["verdict"] == "mixed"
    assert found["verdicts"] == {"digits": ("supported", ""), "mnist": ("mixed", "")}
    scales["mnist"]["paper_value"] = [0.5, 0.5]
    assert [(row["paper"], row["papers"]) for row in card(scales)["rows"]] == [("0.3", "0.3 or 0.5")] * 2
    weaker = card({"digits": claims("supported"), "mnist": claims("inconclusive")})
    assert weaker["agreement"] == "Not the same everywhere: T1 supported at digits, inconclusive at mnist."
    same = card({"digits": claims("supported"), "mnist": claims("supported")})
    assert same["agreement"] == "The same at digits, mnist."


def test_a_question_asked_once_more_under_another_name(helpers, joined):
    rows = [
        helpers.claim("T1"),
        helpers.claim("T1_net", experiment="e_net", verdict="contradicted"),
        helpers.claim("T1", experiment="else"),
    ]
    first, second = answers([PAPER], {"big": joined(*rows)}, "big")
    told = [(one["experiment"], one["verdict"], one["rows"][0]["id"]) for one in (first, second)]
    assert told == [("e", "supported", "T1"), ("e_net", "contradicted", "T1_net")]
    beside = card({"digits": joined(helpers.claim("T1")), "big": joined(*rows)})
    assert beside["columns"] == ["digits", "big", "big_net"]


def test_a_scale_that_does_not_ask_has_no_card_and_no_cell(helpers, joined, claims):
    other = joined(helpers.claim("T1"))
    assert answers([PAPER], {"digits": joined(helpers.claim("T1", experiment="else"))}, "digits") == []
    assert card({"digits": claims("supported"), "mnist": other})["rows"][1]["cells"][1] is None


def test_a_terminal_is_told_the_answers_in_words_and_the_page(claims, tmp_path):
    write_ledger(tmp_path / "claims.csv", claims("supported")[list(COLUMNS)])
    papers = tmp_path / "papers.yaml"
    papers.write_text(
        'papers: [{paper: P, experiment: e, question: "Why?", headlines: {T1: it is}, figures: [f]}]',
        encoding="utf-8",
    )
    text = say(tmp_path, papers)
    assert text.startswith(f"✓ P: Why?\n  Yes: it is {NUMBERS}.\n")
    assert text.endswith(f"Open {tmp_path / 'report.html'}")
