"""What is said follows from the verdicts and their intervals."""

from types import SimpleNamespace

import pandas as pd
import pytest

from largebatch.advise import final, sentences
from largebatch.advise.found import Found
from largebatch.advise.plan import Speed
from largebatch.advise.targets import CLASSES, NUMBERS
from tests.shared.tables import arm_rows

NESTEROV = {"name": "sgd", "momentum": 0.9, "nesterov": True}
RECIPE = {"batch_size": 32, "optimiser": NESTEROV, "lr": 0.2}


def claim(estimate, low, high, verdict="supported"):
    return {
        "estimate": estimate,
        "low": low,
        "high": high,
        "verdict": verdict,
        "says": "It is so.",
        "note": "",
    }


def found(name="cosine", target=CLASSES, **claims):
    """A study that judged these claims."""
    rows = {key.replace("__", "."): row for key, row in claims.items()}
    columns = ["estimate", "low", "high", "verdict", "says", "note"]
    table = pd.concat(
        arm_rows(arm, {"test_error_percent": [error, error + 2], "scaled_hessian_trace": [4.0, 4.0]})
        for arm, error in {"recommended": 2.0, "default": 4.0}.items()
    )
    choice = final.Choice(RECIPE, name, 5.0, {32: 0.1, 64: 0.2}, {32: 10.0, 64: 5.0}, [])
    claims = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    if target is NUMBERS:
        table = table.assign(metric=table["metric"].replace("test_error_percent", "test_rmse"))
        explained = [arm_rows(arm, {"test_r_squared": [0.7, 0.9]}) for arm in ("recommended", "default")]
        table = pd.concat([table, *explained])
    return Found(SimpleNamespace(target=target), choice, claims, table, Speed(0.0, 0.001, 0.0))


def test_the_headline_says_batch_rate_warm_up_and_schedule():
    said = sentences.headline(found("warmup_cosine").choice)
    assert said.startswith("Batch 32, SGD with Nesterov momentum 0.9, rate 0.2: a warm-up over a tenth")
    assert "no warm-up" in sentences.headline(found("constant").choice)


@pytest.mark.parametrize(
    ("optimiser", "said"),
    [
        (NESTEROV, "SGD with Nesterov momentum 0.9"),
        ({"name": "sgd", "momentum": 0.5}, "SGD with momentum 0.5"),
        ({"name": "sgd"}, "plain SGD"),
        ({"name": "adam"}, "Adam"),
    ],
)
def test_an_edited_optimiser_is_called_by_its_name(optimiser, said):
    assert sentences.optimiser_in_words(optimiser) == said


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("supported", "The recommendation is better."),
        ("contradicted", "The recommendation does not beat it."),
        ("inconclusive", "These seeds do not settle which is better."),
    ],
)
def test_it_says_whether_the_default_is_beaten(verdict, said):
    lines = sentences.against_default(found(A__default=claim(-2.0, -3.0, -1.0, verdict)))
    assert lines[0].startswith("Test error 3 [") and lines[1].endswith(said)
    assert "−2 [−3, −1] points" in lines[1]


def test_the_default_may_be_what_is_recommended():
    assert sentences.against_default(found("default"))[-1].endswith("keep it.")


def test_linear_scaling_holds_up_to_the_first_batch_at_which_it_is_not_shown():
    good, bad = claim(0.1, -0.2, 0.4), claim(0.8, 0.2, 1.4, "inconclusive")
    said = sentences.linear_scaling(found(A_linear__k2=good, A_linear__k4=good, A_linear__k8=bad))
    assert said[0].startswith("Shown up to batch 128:") and "batch 256: 0.8 [0.2, 1.4] points" in said[0]
    said = sentences.linear_scaling(found(A_linear__k2=bad, A_linear__k4=good))
    assert said[0].startswith("Shown at no larger batch:")
    assert sentences.linear_scaling(found()) == []


@pytest.mark.parametrize(
    ("sharp", "error", "said"),
    [
        ((0.5, 0.2, 0.8), (1.0, 0.5, 1.5), "Sharper goes with a higher error here."),
        ((-0.5, -0.8, -0.2), (-1.0, -1.5, -0.5), "Flatter goes with a lower error here."),
        ((-0.5, -0.8, -0.2), (1.0, 0.5, 1.5), "no guide to the error."),
        ((0.5, -0.2, 0.8), (1.0, 0.5, 1.5), "is not settled."),
    ],
)
def test_sharpness_and_error_go_together_or_not(sharp, error, said):
    lines = sentences.sharpness(found(A__sharp=claim(*sharp), A__error=claim(*error)))
    assert lines[-1].endswith(said)


def test_a_critical_batch_outside_those_that_were_run_is_no_number():
    assert sentences.beyond(100.0, [8, 512]) == []
    assert sentences.beyond(4e4, [8, 512])[0].endswith("lies above them.")
    assert sentences.beyond(2.0, [8, 512])[0].endswith("lies below them.")


def test_what_was_not_judged_is_not_said():
    nothing = float("nan")
    missing = claim(nothing, nothing, nothing, "not_run")
    assert sentences.sharpness(found(A__sharp=missing))[-1].endswith("could not be judged.")
    assert sentences.twice_as_large(found(A__updates=missing)) == []


def test_of_numbers_it_says_r_squared_and_the_error_as_a_ratio(monkeypatch):
    monkeypatch.setattr(sentences, "updates_by", lambda found: "9 updates")
    close = {"A__default": claim(0.9, 0.85, 0.95), "A__close": claim(0.9, 0.85, 0.95)}
    said = " ".join(sentences.against_default(found(target=NUMBERS, **close)))
    assert "R² 0.8 [" in said and "RMSE 2.83 [" in said  # geometric mean of 2 and 4
    assert "The RMSE is 0.9 [0.85, 0.95] times that of the default" in said and "at most 2 % worse" in said
    scaled = {"A_linear__k2": claim(1.01, 0.99, 1.015), "A_linear__k4": claim(1.3, 1.2, 1.4, "contradicted")}
    said = " ".join(sentences.linear_scaling(found(target=NUMBERS, **scaled)))
    assert "up to batch 64" in said and "costs at most 2 % of RMSE" in said and "1.3 [1.2, 1.4] times" in said
    assert "point" not in said and "%" in said
    both = {"A__sharp": claim(0.5, 0.4, 0.6), "A__error": claim(0.1, 0.05, 0.2)}
    said = " ".join(sentences.sharpness(found(target=NUMBERS, **both)))
    assert "RMSE like the batch to the power 0.1" in said
