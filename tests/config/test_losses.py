"""Losses and targets in a scale file: what goes together, and what is said where it does not."""

import pytest
from pydantic import ValidationError

from largebatch.config.spec import Arm
from largebatch.config.study import load_study
from largebatch.config.trials import trials
from tests.conftest import SMALL, small_arm
from tests.shared.config_files import complaint, spoil
from tests.shared.numbers import NUMBERS, huber
from tests.shared.own import HUBER, imported, write

LEARNS = {"data": NUMBERS, "loss": "squared_error"}
OWN = {"import": "my_loss.py:huber"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": NUMBERS}, "loss: squared_error, or one of your own, with .*: numbers; got cross_entropy"),
        ({"data": NUMBERS, "loss": "binary_cross_entropy"}, "numbers; got binary_cross_entropy"),
        ({"loss": "binary_cross_entropy"}, "loss: cross_entropy with more than two classes, as of digits"),
        (LEARNS | {"label_smoothing": 0.1}, "label_smoothing of 0 with loss: squared_error; got 0.1"),
        ({"loss": OWN, "label_smoothing": 0.1}, "label_smoothing of 0 with loss: import my_loss.py:huber"),
        (
            {"loss": OWN, "stop": {"patience_epochs": 1, "floor_nats": 0.2}},
            "stop.floor_nats of 0 with loss: import my_loss.py:huber; got 0.2",
        ),
        (
            LEARNS | {"goal": {"error_percent": 5.0}},
            r"goal of \['rmse'\] with targets that are numbers; got {'error_percent': 5.0}",
        ),
        ({"goal": {"rmse": 1.0}}, r"goal of \['error_percent'\] with targets that are classes"),
        ({"goal": {"rmse": 1.0, "error_percent": 5.0}}, "exactly one of error_percent, rmse"),
        ({"goal": {}}, r"exactly one of error_percent, rmse; got \[\]"),
        ({"loss": {"import": "my_loss.py"}}, "a Python file and a name in it"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Arm.model_validate(SMALL | settings)


def test_one_logit_may_have_smoothed_labels_and_a_floor():
    stop = {"patience_epochs": 1, "floor_nats": 0.1}
    two = {"loss": "binary_cross_entropy", "data": SMALL["data"] | {"name": "mine"}}
    small_arm(**two, label_smoothing=0.1, stop=stop)


def test_a_loss_of_the_users_is_known_by_what_it_is_and_not_by_where_it_lies(tmp_path):
    arm = small_arm(loss=huber(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    assert small_arm(loss=huber(tmp_path / "elsewhere")).id == arm.id
    assert Arm.model_validate(arm.chosen()) == arm
    others = [huber(tmp_path, delta=2.0), imported(tmp_path, "my_loss.py:Huber", delta=0.5)]
    write(tmp_path, HUBER.replace(".sum(1)", ".mean(1)"), "my_loss.py")
    others.append(imported(tmp_path, "my_loss.py:huber", delta=0.5))
    assert len({arm.id, *(small_arm(loss=other).id for other in others)}) == 4


def with_numbers(folder, edits=None):
    """A study of vectors with targets that are numbers."""
    mine = {"arrays": {"mine": {"path": "a.npz", "targets": "numbers"}}, "experiments": ["convex"]}
    spoil(folder / "smoke.yaml", mine | {"base/data/name": "mine"} | (edits or {}))


def test_targets_of_arrays_reach_every_arm(folder):
    with_numbers(folder)
    study = load_study(folder / "smoke.yaml")
    arms = [member.arm for group in study.experiments[0].groups.values() for member in group.members]
    assert arms and {arm.data.targets for arm in arms} == {"numbers"}
    assert {trial["own"]["targets"] for trial in trials(study)} == {"numbers"}


def test_targets_of_an_arm_are_those_of_its_arrays(folder):
    with_numbers(folder, {"base/data/targets": "numbers"})
    said = "smoke.yaml: base.data.targets: wanted it under arrays; got 'numbers' in an arm"
    assert complaint(folder) == said


def test_a_loss_of_the_users_is_tried_and_its_source_is_looked_for(folder):
    spoil(folder / "smoke.yaml", {"experiments": ["convex"], "numbers/convex/base/loss": OWN})
    said = "smoke.yaml: numbers.convex.base.loss.import: wanted a readable Python file; got "
    assert complaint(folder).startswith(said)
    write(folder, HUBER, "my_loss.py")
    assert trials(load_study(folder / "smoke.yaml"))
    spoil(folder / "smoke.yaml", {"numbers/convex/base/loss": {"import": "my_loss.py:hubert"}})
    assert "my_loss.py defines, such as ['huber', " in complaint(folder)


def claim(metric, **more):
    return {"id": "X", "says": "s", "source": "s", "tier": "sanity", "metric": metric} | more


LEVEL = {"kind": "level", "expect": {"above": 1.0}}
HAS = "wanted a metric that 'full' has (loss: squared_error of targets that are numbers), such as ["
# What is asked of arms that learn numbers, and what is said.
ASKED = {
    "accuracy": (claim("test_accuracy_percent", **LEVEL, a={"arm": "full"}), f"a.arm: {HAS}"),
    "cross-entropy": (claim("test_loss_nats", **LEVEL, a={"arm": "full"}), f"a.arm: {HAS}"),
    "where the cross-entropy is": (
        claim("updates", **LEVEL, a={"arm": "full", "at": {"train_loss_nats": 0.1}}),
        f"a.arm: {HAS}",
    ),
    "accuracy on a path": (
        claim("path_accuracy_percent", **LEVEL, a={"arm": "way", "at": {"value": 0.5}}),
        "a.arm: wanted a path between nets of classes for path_accuracy_percent; got 'way'",
    ),
    "R²": (claim("test_r_squared", **LEVEL, a={"arm": "full"}), None),
    "their loss": (claim("validation_squared_error", **LEVEL, a={"arm": "full"}), None),
    "loss on a path": (claim("path_loss_nats", **LEVEL, a={"arm": "way", "at": {"value": 0.5}}), None),
}


@pytest.mark.parametrize("name", ASKED)
def test_numbers_are_not_asked_what_only_classes_have(name, folder):
    asked, said = ASKED[name]
    with_numbers(folder)
    paths = {"way": {"start": "full", "end": "half"}}
    spoil(folder / "experiments/convex.yaml", {"claims": [asked], "paths": paths})
    if said is None:
        load_study(folder / "smoke.yaml")
    else:
        assert complaint(folder).startswith(f"experiments/convex.yaml: claims[X].{said}")


def test_classes_are_not_asked_what_only_numbers_have(folder):
    asked = claim("test_r_squared", **LEVEL, a={"arm": "full"})
    spoil(folder / "smoke.yaml", {"experiments": ["convex"]})
    spoil(folder / "experiments/convex.yaml", {"claims": [asked]})
    has = "wanted a metric that 'full' has (loss: squared_error of targets that are classes), such as ["
    assert complaint(folder).startswith(f"experiments/convex.yaml: claims[X].a.arm: {has}")


def test_numbers_are_tuned_on_what_they_have(folder):
    tuned = {"grid": {"lr": [0.01, 0.02]}, "tuned_on": "validation_rmse"}
    with_numbers(folder, {"numbers/convex/arms/full": tuned})
    asked = claim("test_r_squared", **LEVEL, a={"arm": "half"})
    spoil(folder / "experiments/convex.yaml", {"claims": [asked]})
    load_study(folder / "smoke.yaml")
    spoil(folder / "smoke.yaml", {"numbers/convex/arms/full/tuned_on": "validation_error_percent"})
    assert complaint(folder) == (
        "smoke.yaml: numbers.convex.arms.full.tuned_on: wanted one of ['validation_squared_error', "
        "'validation_rmse', 'validation_mae']; got 'validation_error_percent'"
    )
