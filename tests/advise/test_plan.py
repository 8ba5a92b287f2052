"""The plan: costs that fit made-up times exactly, budgets that are kept, parts that add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largebatch import files
from largebatch.advise import plan
from largebatch.advise.plan import Budget, Parts, Speed
from largebatch.config.images import Images
from tests.conftest import small_arm


def run(folder, batch, updates, seconds, seeds=3):
    """A run's files, as far as its time is read from them."""
    folder.mkdir()
    files.write_spec(folder, small_arm(batch_size=batch), list(range(seeds)))
    rows = [files.Observation(seed, "updates", 1.0, float(updates)) for seed in range(seeds)]
    files.write_observations(folder / "history.parquet", rows)
    files.write_json(folder / "provenance.json", {"seconds": seconds})
    return folder


def test_times_of_runs_tell_what_a_job_costs(tmp_path):
    made = Speed(start=0.5, update=0.002, example=0.0001)
    runs = [
        run(tmp_path / f"{b}-{n}", b, n, made.seconds(b, b * n, seeds=3))
        for b in (4, 16, 48)
        for n in (10, 100)
    ]
    found = plan.speed_of(runs)
    assert (found.start, found.update, found.example) == pytest.approx((0.5, 0.002, 0.0001))


def test_no_cost_is_negative(tmp_path):
    runs = [run(tmp_path / "a", 4, 10, 5.0), run(tmp_path / "b", 4, 1000, 4.0)]
    found = plan.speed_of(runs)
    assert min(found.start, found.update, found.example) == 0


@given(st.integers(64, 10**6), st.sampled_from([0, 100, 10**5]))
def test_parts_are_of_the_examples_that_there_are(count, held_out):
    parts = plan.parts_of(Images(count, held_out))
    drawn = parts.train + parts.validation + (0 if held_out else parts.test)
    assert drawn <= count and min(parts) > 0 and parts.test <= (held_out or count)
    assert parts.train >= 0.5 * count


def test_too_few_examples_are_an_error():
    with pytest.raises(ValueError, match="wanted at least 64 examples to train on; got 63"):
        plan.parts_of(Images(63))


def test_epochs_keep_the_budget():
    speed, parts = Speed(0.1, 0.001, 0.001), Parts(1000, 200, 200)
    epochs, kept = Budget(100.0, speed).epochs([10, 20], parts, seeds=2)
    cost = sum(speed.seconds(batch, epochs * 1000, 2) for batch in (10, 20))
    assert kept == parts and cost <= 100 < cost + sum(speed.seconds(b, 1000, 2) for b in (10, 20))


def test_a_slow_net_trains_on_fewer_examples():
    speed, parts = Speed(0.0, 0.0, 0.1), Parts(10_000, 2000, 2000)
    epochs, kept = Budget(400.0, speed).epochs([32], parts, seeds=2, least=2)
    assert epochs == 2 and kept.train * 2 * 2 * 0.1 <= 400 and kept.train >= 800
    assert kept.validation == kept.test == pytest.approx(2000 * kept.train / 10_000, abs=1)


def test_seeds_are_within_their_bounds():
    assert Budget(100.0, Speed(0, 0, 0)).seeds(1.0, 5) == 10
    assert Budget(100.0, Speed(0, 0, 0)).seeds(15.0, 5) == 6
    assert Budget(100.0, Speed(0, 0, 0)).seeds(1000.0, 5) == 4


def test_stages_share_the_minutes():
    assert sum(plan.SHARES.values()) == pytest.approx(1)
    left, spent = 600.0, 0.0
    for stage in plan.SHARES:
        own = plan.seconds_for(stage, left - spent, cores=1, start=0.0) / plan.USED
        assert own == pytest.approx(600 * plan.SHARES[stage])
        spent += own
    assert plan.seconds_for("advice", 1.0, 2, start=60.0) > 0


@pytest.mark.parametrize(
    ("noise", "train", "batches"),
    [
        (64, 10**5, [8, 16, 32, 64, 128, 256, 512]),
        (1, 10**5, [4, 8, 16, 32, 64]),
        (10**6, 1024, [16, 32, 64, 128, 256]),
        (20, 64, [4, 8, 16]),
    ],
)
def test_batches_lie_around_the_noise_scale(noise, train, batches):
    assert plan.batches_around(noise, train) == batches
