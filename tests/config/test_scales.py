"""The scales as they are committed: each loads, and the recipe for ImageNet runs on a made-up folder."""

import numpy as np
import pytest
import torch
from PIL import Image

from largebatch.config.images import Folder
from largebatch.config.spec import Arm
from largebatch.config.study import load_study
from largebatch.data.datasets import prepare
from largebatch.data.splits import load
from tests.conftest import REPOSITORY
from tests.shared.trained import train

CONFIG = REPOSITORY / "config"
SCALES = sorted(CONFIG.glob("*.yaml"))


@pytest.mark.parametrize("path", SCALES, ids=lambda path: path.stem)
def test_a_scale_loads_under_its_own_name(path):
    study = load_study(path)
    assert study.scale == path.stem
    assert study.arms


def test_f1_and_its_batches_are_keskars():
    """Its net F1, 784-5x(512, BatchNorm, ReLU)-10, and section 2: Adam, 256 and a tenth of 60,000."""
    groups = load_study(CONFIG / "mnist.yaml").experiment("keskar").groups
    small, large = (groups[f"adam.{size}"].members[0].arm for size in ("small", "large"))
    assert (small.batch_size, large.batch_size, small.data.train) == (256, 6000, 60_000)
    for arm in (small, large):
        assert arm.model.hidden == [512] * 5 and arm.model.batch_norm
        assert arm.optimiser.chosen() == {"name": "adam"} and arm.lr == 1e-3


def test_goyals_batches_and_rates_at_imagenet_are_the_papers():
    """Table 1: 8k images an update at rate 3.2, 32 a worker, 90 epochs."""
    groups = load_study(CONFIG / "imagenet.yaml").experiment("goyal").groups
    arm = groups["linear_gradual.large"].members[0].arm
    assert (arm.batch_size, arm.k, arm.epochs, arm.ghost_batch_size) == (8192, 32, 90, 32)
    assert arm.peak_lr == pytest.approx(3.2)


@pytest.mark.parametrize("experiment", ["keskar_vgg", "goyal"])
def test_another_data_set_changes_nothing_else(experiment):
    ours, theirs = (load_study(CONFIG / f"{name}.yaml") for name in ("cifar10-jpeg", "cifar10"))
    for arm in theirs.experiment(experiment).arms:
        data = arm.data.model_copy(update={"name": "cifar10-jpeg"})
        assert arm.model_copy(update={"data": data, "precision": "tf32"}).id in ours.arms


def test_the_recipe_for_imagenet_runs_on_any_folder_of_images(tmp_path):
    draw = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 3)):
        for name in ("cats", "dogs"):
            folder = tmp_path / "imagenet" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(0, 256, (40, 50, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    prepare("imagenet", tmp_path, tmp_path / "out.safetensors", Folder(path="imagenet", size=32, resize=36))
    arm = load_study(CONFIG / "imagenet.yaml").experiment("goyal").groups["linear_gradual.within"]
    tiny = {
        "data": {"name": "imagenet", "train": 8, "validation": 4, "test": 6},
        "batch_size": 8,
        "base_batch_size": 4,
        "micro_batch_size": 4,
        "ghost_batch_size": 2,
        "epochs": 2,
        "schedule": {"name": "step", "at_epochs": [1]},
        "warmup": {"kind": "gradual", "epochs": 1.0},
    }
    settings = Arm.model_validate(arm.members[0].arm.chosen() | tiny)
    dataset = load(tmp_path / "out.safetensors", torch.float32, torch.device("cpu"))
    found = train(settings, [0], dataset)
    values = {row.metric: row.value for row in found.history}
    assert np.isfinite(values["train_loss_nats"]) and values["updates"] == 2
