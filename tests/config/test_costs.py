"""What arms and measures cost, against times that were measured."""

import pytest

from largebatch.config import costs
from largebatch.config.costs import SPEEDS, cost, mean_batch, priorities, trained
from largebatch.config.experiment import path_stem
from largebatch.config.images import PARTS
from largebatch.config.study import load_study
from largebatch.progress import seconds_left
from tests.conftest import REPOSITORY, small_arm


def arm(**changes):
    data = {"name": "digits", "train": 1024, "validation": 273, "test": 500}
    settings = {"data": data, "model": {"name": "mlp", "hidden": [128, 128]}, "batch_size": 16, "epochs": 20}
    return small_arm(**settings | changes)


def test_measures_of_the_runs_that_train_are_among_the_costs(digits):
    runs = [one.arm.id for one in digits.experiment("keskar").groups["along_small"].members]
    found = costs.costs(digits, runs)
    measured = {f"runs/{run}/{measure}.parquet" for measure, run in digits.measures if run in runs}
    paths = {f"paths/{path_stem(*ends)}.parquet" for ends in digits.paths() if {e.id for e in ends} & {*runs}}
    assert measured and paths and found.keys() == {trained(run) for run in runs} | measured | paths
    assert all(value > 0 for value in found.values())


# Seconds of arms of the mitigations experiment in a run of digits on two cores of an AMD EPYC, 14 seeds each.
RECORDED = {
    "small": 1.698,
    "large": 1.537,
    "linear": 1.299,
    "longer_warmup": 1.091,
    "augmented": 1.194,
    "smoothed": 1.128,
    "sharpness_aware": 1.859,
    "ghost": 1.143,
    "together": 1.991,
    "still": 1.922,
}
ALL_OF_DIGITS = 744.3  # of the 326 arms of that run


@pytest.fixture(scope="module")
def digits():
    return load_study(REPOSITORY / "config/digits.yaml")


def of_study(study, arm):
    return cost(arm, study.followed[arm.id])


def test_costs_are_right_within_a_third_on_recorded_times(digits):
    groups = digits.experiment("mitigations").groups
    ratios = [seconds / of_study(digits, groups[name].members[0].arm) for name, seconds in RECORDED.items()]
    assert max(ratios) / min(ratios) < 1.4


# Seconds of one update of one seed: a core and an H200 of results/benchmarks, TF32 left out.
BENCHMARKS = {
    ("cpu", "keskar_cnn", 32): 1 / 14.42,
    ("cpu", "keskar_cnn", 1024): 1 / 0.3668,
    ("cpu", "vgg", 128): 1 / 0.3857,
    ("cpu", "resnet", 128): 1 / 2.512,
    ("cpu", "resnet", 512): 1 / 0.4885,
    ("h200", "keskar_cnn", 32): 1 / 1115,
    ("h200", "keskar_cnn", 256): 1 / 344.2,
    ("h200", "keskar_cnn", 1024): 1 / 101.4,
    ("h200", "resnet", 32): 1 / 198.8,
    ("h200", "resnet", 512): 1 / 47.04,
}


@pytest.mark.parametrize("kind, net, batch", BENCHMARKS)
def test_costs_are_seconds_on_the_machines_that_were_measured(kind, net, batch):
    data = {"name": "cifar10", "train": 10240, "validation": 100, "test": 100}
    one = small_arm(data=data, model={"name": net}, batch_size=batch, epochs=1, evaluate_every_epochs=1)
    seconds = cost(one, [], SPEEDS[kind]) / (10240 / batch)
    assert seconds == pytest.approx(BENCHMARKS[kind, net, batch], rel=0.35)


def test_costs_of_digits_are_its_core_seconds(digits):
    """Of training 326 arms and of their measures, within a tenth and within a third."""
    seconds = costs.costs(digits, digits.arms)
    training = sum(seconds[trained(run)] for run in digits.arms)
    assert training == pytest.approx(ALL_OF_DIGITS, rel=0.1)
    assert sum(seconds.values()) - training == pytest.approx(467.0, rel=0.33)


def test_smaller_images_are_cheaper():
    net = {"model": {"name": "keskar_cnn"}}
    assert cost(arm(**net), PARTS, side=32) == pytest.approx(4 * cost(arm(**net), PARTS, side=16), rel=0.2)


def test_what_is_left_is_right_within_30_percent_after_ten_arms(digits):
    """From these ten arms to all arms of the study, most of them of other kinds."""
    groups = digits.experiment("mitigations").groups
    done = {groups[name].members[0].arm.id: seconds for name, seconds in RECORDED.items()}
    found = {name: of_study(digits, one) for name, one in digits.arms.items()}
    elapsed = sum(done.values())
    left = seconds_left(found, done, elapsed)
    assert left == pytest.approx(ALL_OF_DIGITS - elapsed, rel=0.3)


@pytest.mark.parametrize(
    ("dearer", "factor"),
    [
        (arm(epochs=40), 1.8),
        (arm(batch_size=1), 2.0),
        (arm(sharpness_aware={"rho": 0.05}), 1.5),
        (arm(proximal={"strength": 0.1, "steps": 3}), 2.0),
        (arm(model={"name": "mlp", "hidden": [128, 128], "batch_norm": True}), 1.5),
        (arm(model={"name": "resnet50"}), 100.0),
        (arm(evaluate_every_epochs=1), 1.0),
    ],
)
def test_what_costs_more_weighs_more(dearer, factor):
    assert cost(dearer, PARTS) >= factor * cost(arm(), PARTS)


def test_what_costs_less_weighs_less():
    stopping = arm(stop={"patience_epochs": 2, "floor_nats": 1e-3})
    growing = arm(schedule={"name": "batch_growth", "at_epochs": [2], "factor": 8.0})
    often = cost(arm(), PARTS)
    assert all(cost(cheaper, PARTS) < often for cheaper in (stopping, growing, arm(evaluate_every_epochs=10)))
    assert cost(arm(), []) < cost(arm(), ["test"]) < cost(arm(), ["train"]) < often
    # a part by which the arm ends is evaluated anyway
    assert cost(stopping, []) == cost(stopping, ["train"])
    # two of 20 epochs at batch 16, the others at 128
    assert mean_batch(growing) == pytest.approx(20 / (2 / 16 + 18 / 128))


def test_experiments_come_in_their_order_and_in_each_measures_and_long_arms_first(digits):
    found = priorities(digits)
    keskar, goyal = digits.experiment("keskar"), digits.experiment("goyal")
    own = [arm for arm in goyal.arms if arm.id not in {arm.id for arm in keskar.arms}]
    trained = [found[arm.id] for arm in keskar.arms]
    measured = [found[measure, arm.id] for measure, arm in keskar.measured()]
    assert min(trained) > max(found[arm.id] for arm in own)
    assert min(measured) > max(trained)
    assert found["data", "digits"] > max(trained)
    own = {arm.id: of_study(digits, arm) for arm in own}
    assert sorted(own, key=own.get) == sorted(own, key=lambda run: (found[run], own[run]))
    everything = {*digits.arms, *digits.measures, *digits.exhibits}
    assert everything - {key for key in everything if key[0] == "path"} <= found.keys()
    assert {stem for measure, stem in digits.measures if measure == "path"} <= found.keys()
