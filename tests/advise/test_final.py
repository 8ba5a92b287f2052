"""The last stage, on made-up results of the search."""

import pytest

from largebatch.advise import final
from largebatch.advise.files_of_study import arms_in, parts_in, write
from largebatch.advise.plan import Parts
from largebatch.config.study import load_study
from tests.shared.advised import BUDGET, asked_in, search_of


@pytest.fixture
def asked(tmp_path):
    return search_of(asked_in(tmp_path))


def test_the_choice_is_the_recipe_with_the_lowest_validation_error(asked):
    choice = final.chosen(asked)
    assert (choice.name, choice.recipe["lr"], choice.batch) == ("cosine", 0.2, 32)
    assert choice.recipe["optimiser"]["name"] == "sgd" and choice.recipe["schedule"] == {"name": "cosine"}
    assert choice.rates[32] == 0.1 and choice.updates[32] == pytest.approx(300, abs=1)
    assert choice.pair == 32 and choice.unreached == []


def test_the_default_is_recommended_where_it_does_best(tmp_path):
    choice = final.chosen(search_of(asked_in(tmp_path), recipe=("default", 0.001)))
    assert choice.name == "default" and choice.recipe["optimiser"] == {"name": "adam"}
    assert (choice.batch, choice.recipe["lr"]) == (32, 0.001)


def test_its_file_and_its_question_are_a_study_that_runs(asked):
    stage = final.advice(asked, BUDGET)
    write(asked, "advice", stage, final.question(asked))
    study = load_study(asked.file("advice"))
    assert study.first_seed == 3 and study.seeds == 10
    (experiment,) = study.experiments
    linear = [claim for claim in experiment.question.claims if claim.statement == "A_linear"]
    assert [claim.id for claim in linear] == ["A_linear.k2", "A_linear.k4", "A_linear.k8", "A_linear.k16"]
    arm = experiment.groups["linear_4"].members[0].arm
    assert (arm.batch_size, arm.peak_lr) == (128, pytest.approx(0.8))
    runs = {arm["batch_size"]: arm["epochs"] for arm in arms_in(asked, "advice")["sweep"]["each"]}
    assert runs[32] == 2 * 300.01 * 32 // parts_in(asked, "halved").train + 2


def test_what_there_is_not_is_not_asked(asked, monkeypatch):
    few = final.Choice({"batch_size": 512, "lr": 0.1}, "constant", 5.0, {8: 0.1}, {8: 100.0}, [16])
    monkeypatch.setattr(final, "chosen", lambda asked: few)
    asks = final.question(asked)
    assert [claim["id"] for claim in asks["claims"]] == ["A.default", "A.close", "A.sharp", "A.error"]
    assert [f["name"] for f in asks["figures"]] == ["against_default", "curves", "scaled"]


def test_the_batch_is_scaled_up_to_half_of_the_examples():
    assert final.multiples(32, Parts(1024, 1, 1)) == [2, 4, 8, 16]
    assert final.multiples(32, Parts(200, 1, 1)) == [2]
    assert final.multiples(128, Parts(200, 1, 1)) == []
    assert final.scaled_batches(32, Parts(1024, 1, 1)) == [32, 64, 128, 256, 512]
    assert final.scaled_batches(128, Parts(200, 1, 1)) == [16, 32, 64, 128]
    assert final.scaled_batches(8, Parts(20, 1, 1)) == [4, 8]
