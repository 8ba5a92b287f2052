"""Every setting of an arm and of its parts changes a run; they are found in the classes.

All but the number of workers, which is not to change any: see test_workers.py.
"""

from contextlib import suppress
from typing import get_args

import pytest
from pydantic import ValidationError

from largebatch.config import images, parts, schedules
from largebatch.config.imports import Imported
from largebatch.config.settings import Settings
from largebatch.config.spec import Arm
from tests.conftest import small_arm
from tests.shared.settings import as_trained_by
from tests.shared.trained import train

# What a part needs beside its defaults, or to show all of its settings.
EXAMPLES = {
    images.Data: {"name": "digits", "train": 24, "validation": 16, "test": 16},
    parts.Mlp: {"hidden": [12, 8]},
    parts.Cnn: {"channels": [3]},
    parts.ResNet: {"depth": 8},
    parts.Sgd: {"momentum": 0.9},
    parts.Stop: {"patience_epochs": 1, "tolerance": 1.0},
    parts.Goal: {"error_percent": 99.0},
    parts.GradientPenalty: {"strength": 0.5},
    parts.Shifts: {"pixels": 1},
    parts.Adversarial: {"size": 0.1},
    parts.Shuffle: {"block_images": 4, "blocks": 2},
    schedules.Step: {"at": [0.5]},
    schedules.BatchGrowth: {"at": [0.5], "factor": 2.0},
    schedules.Warmup: {"kind": "gradual", "epochs": 1.0, "start": 0.5},
}
# Settings, and a word of another, that want other data than the images here: see test_every_loss.py.
OF_OTHER_DATA = {(images.Data, "targets"), (parts.Goal, "rmse"), "binary_cross_entropy"}
# The settings of an arm beside which a part, a setting of a part or of the arm itself shows.
BRIEF = {"batch_size": 4, "epochs": 1, "precision": "float32"}
BRIEF["data"] = {"name": "digits", "train": 4, "test": 4}
BATCH_NORM = {"model": {"name": "mlp", "hidden": [12, 8], "batch_norm": True}}
BESIDE = {
    parts.Vgg: BRIEF,
    parts.ResNet50: BRIEF,
    (parts.Stop, "tolerance"): {"epochs": 3},
    (parts.Stop, "floor_nats"): {"epochs": 3, "stop": {"patience_epochs": 9}},
    (schedules.Step, "at_epochs"): {"schedule": {"name": "step", "at_epochs": [1.0]}},
    (schedules.BatchGrowth, "at_epochs"): {"schedule": {"name": "batch_growth", "at_epochs": [1.0]}},
    (Arm, "lr_rule"): {"base_batch_size": 4},
    (Arm, "base_batch_size"): {"lr_rule": "linear", "base_batch_size": 4},
    (Arm, "last_batch"): {"batch_size": 10},
    (Arm, "decay_norm_and_bias"): {"weight_decay": 0.1},
    # Ghost batches and accumulation differ by the statistics of BatchNorm.
    (Arm, "ghost_batch_size"): BATCH_NORM,
    (Arm, "micro_batch_size"): BATCH_NORM,
}


def parts_of(annotation):
    """The classes of settings that a field may hold, but for what is imported: see nets/test_imported.py."""
    is_class = isinstance(annotation, type) and issubclass(annotation, Settings)
    if is_class and not issubclass(annotation, Imported):
        yield annotation
    for inner in get_args(annotation):
        yield from parts_of(inner)


def example(part):
    """One of these parts, as it is written; its name is that of its class."""
    names = words(part.model_fields["name"].annotation) if "name" in part.model_fields else ()
    return dict(zip(("name",), names, strict=False)) | EXAMPLES.get(part, {})


def cases():
    """(field of the arm that holds the part, part, setting); of the arm's own settings no field."""
    for name, field in Arm.model_fields.items():
        if name == "workers":
            continue
        yield None, Arm, name
        for part in parts_of(field.annotation):
            for setting in part.model_fields:
                if setting != "name" and (part, setting) not in OF_OTHER_DATA:
                    yield name, part, setting


def others(value, annotation):
    """Values to try in place of this one; those of another type are refused by the settings."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (2 * value, value / 2, value + 1, value - 1, value * 0.9, value * 10, value // 2)
    elif isinstance(value, list):
        yield from ([item * 0.5 for item in value], [item + 1 for item in value], value[:-1])
    yield from (example(part) for part in parts_of(annotation))
    yield from (4, 2, 0.5, 0.1, 2.0, [1], [0.5], [1.5])


def words(annotation):
    """The words of a Literal, wherever it stands in a type."""
    for inner in get_args(annotation):
        yield from [inner] if isinstance(inner, str) else words(inner)


def settings_with(field, part, setting, **change):
    """The settings of an arm with this part, and the change in it."""
    around = BESIDE.get(part, {}) | BESIDE.get((part, setting), {})
    if field is None:
        return around | change
    return around | {field: around.get(field, example(part)) | change}


def outcome(arm, dataset):
    """All that a run leaves: history, weights and snapshots."""
    trained = train(arm, [0], as_trained_by(dataset, arm))
    return trained.history, {n: w.tobytes() for n, w in trained.weights.items()}, sorted(trained.snapshots)


@pytest.mark.parametrize(
    ("field", "part", "setting"), [*cases()], ids=lambda value: getattr(value, "__name__", value)
)
def test_every_setting_of_every_part_changes_a_run(field, part, setting, dataset):
    """One of the values that are tried; where words are allowed, each of them."""

    def changed(value):
        return small_arm(**settings_with(field, part, setting, **{setting: value}))

    arm = small_arm(**settings_with(field, part, setting))
    before, annotation = outcome(arm, dataset), part.model_fields[setting].annotation
    value = getattr(arm if field is None else getattr(arm, field), setting)
    if allowed := [word for word in words(annotation) if word != value and word not in OF_OTHER_DATA]:
        assert not [word for word in allowed if outcome(changed(word), dataset) == before]
        return
    tried = []
    for other in others(value, annotation):
        with suppress(ValidationError):
            if outcome(changed(other), dataset) != before:
                return
            tried.append(other)
    pytest.fail(f"{part.__name__}.{setting}: wanted a run that is not that of {value!r}; tried {tried}")
