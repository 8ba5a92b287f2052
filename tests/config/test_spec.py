import math

import pytest
import torch
from pydantic import ValidationError

from largebatch.config.spec import Arm
from largebatch.nets import models
from tests.conftest import SMALL, small_arm


def test_rules_of_the_learning_rate():
    """Goyal 2017, section 2.1: k times the batch, k times the rate."""
    for rule, expected in (("none", 0.1), ("linear", 0.8), ("sqrt", 0.1 * 8**0.5)):
        arm = small_arm(batch_size=32, base_batch_size=4, lr_rule=rule)
        assert (arm.k, arm.peak_lr) == (8.0, pytest.approx(expected))


def test_id_is_readable_and_changes_with_every_setting():
    arm = small_arm(schedule={"name": "cosine"})
    assert arm.id.startswith("mlp-digits-b8-lr0.1-cosine-")
    others = [
        small_arm(**s).id for s in ({}, {"weight_decay": 0.1}, {"schedule": {"name": "cosine", "floor": 0.1}})
    ]
    assert len({arm.id, *others}) == 4


def test_a_setting_at_its_default_is_not_chosen():
    """So that a new setting with a default renames and retrains nothing."""
    assert small_arm(weight_decay=0.0, label_smoothing=0.0).id == small_arm().id
    assert "weight_decay" not in small_arm(weight_decay=0.0).chosen()


def test_chosen_settings_make_the_arm_again():
    arm = small_arm(
        schedule={"name": "step", "at": [0.5]}, warmup={"kind": "gradual", "epochs": 1.0, "start": 0.5}
    )
    assert Arm.model_validate(arm.chosen()) == arm


def test_lr_over_batch_is_of_the_rate_that_the_rule_gives():
    arm = small_arm(batch_size=32, base_batch_size=8, lr_rule="sqrt")
    assert arm.lr_over_batch == pytest.approx(0.2 / 32)


def test_width_is_that_of_the_widest_hidden_layer():
    assert small_arm().width == 12
    assert small_arm(model={"name": "resmlp", "width": 9}).width == 9
    assert math.isnan(small_arm(model={"name": "mlp", "hidden": []}).width)
    assert math.isnan(small_arm(model={"name": "cnn", "channels": [4]}).width)
    assert small_arm(model={"name": "keskar_cnn"}).width == 384
    assert small_arm().train_images == 48


def test_growth_epoch_is_where_the_batch_first_grows():
    for epochs in (45, 100, 1000):
        for epoch in range(epochs + 1):
            schedule = {"name": "batch_growth", "at": [epoch / epochs, 1.0]}
            assert small_arm(epochs=epochs, schedule=schedule).growth_epoch == epoch
    assert small_arm(epochs=8, schedule={"name": "batch_growth", "at": [0.5, 0.25]}).growth_epoch == 2.0
    for schedule in ({"name": "constant"}, {"name": "step", "at": [0.5]}, {"name": "batch_growth", "at": []}):
        assert math.isnan(small_arm(schedule=schedule).growth_epoch)


NORMALISED = {"model": SMALL["model"] | {"batch_norm": True}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 1}, "batch_size of at least 2 with BatchNorm; got 1"),
        ({"batch_size": 1, "model": {"name": "resmlp"}}, "batch_size of at least 2 with BatchNorm; got 1"),
        ({"batch_size": 1, "schedule": {"name": "batch_growth", "at": [0.5]}}, "batch_size of at least 2"),
        ({"ghost_batch_size": 1}, "ghost_batch_size that .* 2 examples or more; got 1"),
        ({"micro_batch_size": 1}, "micro_batch_size that .* 2 examples or more; got 1"),
        ({"batch_size": 47, "last_batch": "weigh"}, "last_batch: drop .* 1 of 48 images is left; got weigh"),
        # The last 18 images come as micro-batches of 6, and these as ghost batches of 5 and 1.
        (
            {"batch_size": 30, "last_batch": "weigh", "micro_batch_size": 6, "ghost_batch_size": 5},
            "ghost_batch_size that .* got 5, which gives 1",
        ),
        # The batch grows to 34: ghost batches of 11, 11, 11 and 1.
        (
            {
                "batch_size": 22,
                "ghost_batch_size": 11,
                "schedule": {"name": "batch_growth", "at": [0.5], "factor": 1.55},
            },
            "ghost_batch_size that .* got 11, which gives 1",
        ),
    ],
    ids=str,
)
def test_batch_norm_of_one_example_is_refused(settings, message):
    """Its output is its shift, whatever the example: such nets train to chance."""
    with pytest.raises(ValidationError, match=message):
        small_arm(**NORMALISED | settings)
    plain = {"model": SMALL["model"]} if settings.get("model", {}).get("name") != "resmlp" else {}
    if plain:
        small_arm(**settings)


def test_every_net_with_batch_norm_says_so():
    shape = (3, 32, 32)
    for settings in (
        *({"name": "mlp", "hidden": [4], "batch_norm": on} for on in (True, False)),
        *({"name": "cnn", "channels": [4], "batch_norm": on} for on in (True, False)),
        *({"name": name} for name in ("resmlp", "keskar_cnn", "vgg", "resnet")),
    ):
        arm = small_arm(model=settings)
        options = arm.model.model_dump(exclude={"name"})
        net = models.build(0, settings["name"], shape, 10, **options)
        has = any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in net.modules())
        assert arm.model.batch_norm == has


def test_snapshots_may_be_of_the_start_of_any_evaluation_and_of_the_end():
    arm = small_arm(epochs=7, evaluate_every_epochs=3, snapshots_at_epochs=[0, 3, 6, 7])
    assert arm.snapshots_at_epochs == [0, 3, 6, 7]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 49}, "batch_size of at most data.train = 48; got 49"),
        ({"data": SMALL["data"] | {"train": 1781}}, "at most the 1797 images of digits"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"batch_size": 8.0}, "valid integer"),
        ({"batch_size": True}, "valid integer"),
        ({"lr": -0.1}, "greater than 0"),
        ({"lr": float("nan")}, "finite number|greater than 0"),
        ({"lr": "1e-3"}, "valid number"),
        ({"model": {"name": "resnet", "depth": 21}}, r"depth of 6n \+ 2, n at least 1; got 21"),
        ({"model": {"name": "resnet", "depth": 2}}, r"depth of 6n \+ 2, n at least 1; got 2"),
        ({"schedule": {"name": "step"}}, "either at .* or at_epochs; got neither"),
        ({"schedule": {"name": "step", "at": [0.5], "at_epochs": [1]}}, "or at_epochs; got both"),
        ({"schedule": {"name": "step", "at_epochs": [1, 2.5]}}, r"at most epochs = 2; got \[2.5\]"),
        ({"schedule": {"name": "step", "at_epochs": [-1.0]}}, "greater than or equal to 0"),
        ({"lr_rule": "linear"}, "base_batch_size with lr_rule: linear; got none"),
        ({"micro_batch_size": 3}, "micro_batch_size that divides batch_size = 8; got 3"),
        ({"ghost_batch_size": 16}, "ghost_batch_size that divides batch_size = 8; got 16"),
        ({"warmup": {"kind": "gradual", "epochs": 3.0, "start": 0.0}}, "at most epochs = 2"),
        ({"warmup": {"kind": "gradual", "epochs": 1.0}}, "warmup.start where the rule leaves"),
        ({"optimiser": {"name": "sgd", "nesterov": True}}, "momentum above 0"),
        ({"loss": "hinge"}, "'cross_entropy'.* 'squared_error'"),
        (
            {"loss": "squared_error", "label_smoothing": 0.1},
            "label_smoothing of 0 with loss: squared_error; got 0.1",
        ),
        (
            {"loss": "squared_error", "stop": {"patience_epochs": 1, "floor_nats": 0.2}},
            "stop.floor_nats of 0 with loss: squared_error; got 0.2",
        ),
        ({"augment": {"name": "shifts", "pixels": 0}}, "greater than or equal to 1"),
        ({"augment": {"name": "resized_crops", "low": 0.0}}, "greater than 0"),
        ({"augment": {"name": "resized_crops", "low": 1.1}}, "less than or equal to 1"),
        ({"sharpness_aware": {"rho": 0.0}}, "greater than 0"),
        (
            {"gradient_penalty": {"strength": 0.5}, "sharpness_aware": {}, "micro_batch_size": 4},
            "gradient_penalty without sharpness_aware, micro_batch_size; got both",
        ),
        (
            {"gradient_penalty": {"strength": 0.5}, "model": SMALL["model"] | {"dropout": 0.1}},
            "gradient_penalty without model.dropout; got both",
        ),
        ({"goal": {"error_percent": -1.0}}, "greater than or equal to 0"),
        (
            {"goal": {"error_percent": 5.0}, "schedule": {"name": "batch_growth", "at": [0.5]}},
            "goal with batches of one size; got schedule batch_growth",
        ),
        ({"goal": {"error_percent": 5.0}, "proximal": {}}, "goal with one update a batch; got proximal"),
        ({"optimiser": {"name": "lars", "trust": 0.0}}, "greater than 0"),
        ({"snapshots_at_loss": 0.0}, "greater than 0"),
        ({"proximal": {"steps": 0}}, "greater than or equal to 1"),
        ({"proximal": {"strength": 0.0}}, "greater than 0"),
        ({"adversarial": {"size": 0.1, "share": 1.5}}, "less than or equal to 1"),
        ({"snapshots_at_epochs": [-1]}, "greater than or equal to 0"),
        ({"snapshots_at_epochs": [2, 1]}, r"ascending and distinct; got \[2, 1\]"),
        ({"snapshots_at_epochs": [1, 1]}, r"ascending and distinct; got \[1, 1\]"),
        ({"snapshots_at_epochs": [1, 3]}, r"up to epochs = 2, .*; got \[3\]"),
        (
            {"epochs": 5, "evaluate_every_epochs": 2, "snapshots_at_epochs": [1, 2, 3, 5]},
            r"multiples of evaluate_every_epochs = 2 up to epochs = 5, or 5 itself; got \[1, 3\]",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_run_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Arm.model_validate(SMALL | settings)


@pytest.mark.parametrize(
    ("optimiser", "threshold"),
    [
        ({"name": "sgd"}, 20.0),
        ({"name": "sgd", "momentum": 0.9}, 38.0),
        ({"name": "sgd", "momentum": 0.9, "nesterov": True}, 38.0 / 2.8),
        ({"name": "adam"}, None),
    ],
)
def test_stability_threshold(optimiser, threshold):
    """On a quadratic just below it gradient descent converges, just above it diverges."""
    assert small_arm(optimiser=optimiser, batch_size=48).stability_threshold == pytest.approx(threshold)
    assert small_arm(optimiser=optimiser, batch_size=8).stability_threshold is None
    cosine = {"name": "cosine"}
    assert small_arm(optimiser=optimiser, batch_size=48, schedule=cosine).stability_threshold is None
    penalty = {"gradient_penalty": {"strength": 0.5}}
    assert small_arm(optimiser=optimiser, batch_size=48, **penalty).stability_threshold is None
    if threshold is None:
        return
    for bend, diverges in ((0.99 * threshold, False), (1.01 * threshold, True)):
        w = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
        options = {k: v for k, v in optimiser.items() if k != "name"}
        sgd = torch.optim.SGD([w], lr=0.1, **options)
        for _ in range(5000):
            w.grad = bend * w.detach()
            sgd.step()
        assert (not abs(w.item()) < 1) == diverges
