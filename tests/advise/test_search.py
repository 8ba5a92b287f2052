"""The stages that choose, on made-up results: each follows from those before it, and is a file that runs."""

import numpy as np
import pytest

from largebatch.advise import reading, search
from largebatch.advise.files_of_study import arms_in, base_in, parts_in, write
from largebatch.advise.plan import Budget, Parts, Speed
from largebatch.config.images import Images
from largebatch.config.study import load_study
from tests.shared.advised import BUDGET, asked_in, search_of


@pytest.fixture
def asked(tmp_path):
    return search_of(asked_in(tmp_path))


def test_every_file_of_the_search_is_one_that_runs(asked):
    write(asked, "speed", search.speed(asked, BUDGET))
    for path in sorted(asked.folder.glob("[1-6]-*.yaml")):
        study = load_study(path)
        assert study.arms and all(arm.data.name == "mine" for arm in study.arms.values())


def test_the_search_follows_what_it_finds(asked):
    assert search.best_of_range(asked) == ("sgd", 0.1)
    assert search.noise_scale(asked) == pytest.approx(64, rel=1e-3)
    grid, halved = arms_in(asked, "grid"), arms_in(asked, "halved")
    assert [entry["batch_size"] for entry in grid["cells"]["each"]] == [8, 16, 32, 64, 128, 256]
    assert base_in(asked, "grid")["optimiser"]["name"] == "sgd"
    assert not asked.file("widened").exists() and reading.at_edge(search.grid_tries(asked)) == {}
    best = reading.best_rates(search.grid_tries(asked))
    assert best[8] == 0.025 and best[32] == 0.1 and best[256] == pytest.approx(0.8, rel=0.5)
    # of each batch the best rates are left; schedules are tried at the largest batch that is as good
    assert len(halved["cells"]["each"]) == search.KEPT * 6
    assert halved["cosine"]["batch_size"] == 32 and halved["cosine"]["grid"]["lr"] == [
        0.025,
        0.05,
        0.1,
        0.2,
        0.4,
    ]
    assert halved["default"] == search.DEFAULT | {"epochs": halved["cosine"]["epochs"]}


def test_a_grid_is_widened_where_its_best_rate_is_at_an_edge(tmp_path):
    asked = search_of(asked_in(tmp_path), best=lambda batch: 0.1 * (batch / 32) ** 1.6)
    assert {entry["batch_size"] for entry in arms_in(asked, "widened")["cells"]["each"]} == {8, 128, 256}
    assert load_study(asked.file("widened")).arms
    best = reading.best_rates(search.grid_tries(asked))
    assert best[256] == pytest.approx(0.1 * 8**1.6, rel=0.5)
    assert reading.at_edge(search.grid_tries(asked)) == {}


def test_no_rate_that_trains_is_an_error(asked, monkeypatch):
    monkeypatch.setattr(reading, "mean", lambda tries: tries.mean(axis=1) * np.inf)
    with pytest.raises(ValueError, match=r"2-range.yaml: wanted a rate that trains; got none"):
        search.best_of_range(asked)


def test_a_slow_net_takes_fewer_examples_and_batches(tmp_path):
    asked = search_of(asked_in(tmp_path))
    slow = search.grid(asked, Budget(50.0, Speed(2.0, 1e-3, 1e-3)))
    assert slow.parts.train < parts_in(asked, "grid").train and slow.base["epochs"] == 2
    assert [entry["batch_size"] for entry in slow.arms["cells"]["each"]] == [4, 16, 64]
    assert f"Training takes {slow.parts.train} of 1024 examples." in " ".join(slow.why)


def test_larger_batches_get_more_epochs():
    cells, parts = [(8, 0.1), (64, 0.1), (4096, 0.1)], Parts(8192, 100, 100)
    epochs = search.epochs_to_goal(cells, 64.0, 5, parts, Budget(1e6, Speed(0, 1e-6, 1e-6)))
    assert epochs == {8: 23, 64: 40, 4096: 80}


def test_few_examples_take_small_batches(tmp_path):
    asked = asked_in(tmp_path, images=Images(80))
    stage = search.range_(asked, BUDGET)
    assert stage.base["batch_size"] == 8 and stage.parts.train == 52
    assert search.speed(asked, BUDGET).arms["long_large"]["batch_size"] <= 26
