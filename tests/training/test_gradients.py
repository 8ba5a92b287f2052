"""What an arm trains by, in whole runs against a plain PyTorch loop."""

import numpy as np
import pytest

from tests.conftest import SMALL, small_arm
from tests.shared.plain_loop import plain_loop
from tests.shared.settings import ADAM, EVERYTHING, LARS, SGD
from tests.shared.trained import train

# Some weights before BatchNorm have a gradient of rounding alone, which a small epsilon turns into steps.
STEADY = ADAM | {"epsilon": 1e-4}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimiser": SGD, "weight_decay": 1e-2},
        {"optimiser": ADAM, "lr": 0.01},
        {"label_smoothing": 0.1},
        {"weight_decay": 1e-2},
        {"clip_norm": 0.5},
        {"batch_size": 10, "last_batch": "weigh"},
        {"batch_size": 10, "last_batch": "drop"},
        {"batch_size": 48},
        {"model": {"name": "mlp", "hidden": [8], "batch_norm": True}},
        {"model": {"name": "cnn", "channels": [3, 4]}},
        {"model": {"name": "cnn", "channels": [3], "batch_norm": True}},
        {"model": {"name": "resmlp", "width": 8, "blocks": 2}, "optimiser": SGD},
        {"model": {"name": "resmlp", "width": 6, "zero_gamma": True}},
        {"model": {"name": "keskar_cnn", "dropout": 0.0}, "optimiser": STEADY, "lr": 0.01},
        {"model": {"name": "resnet", "depth": 8}, "optimiser": SGD},
        {"optimiser": LARS, "lr": 5.0},
        {"optimiser": LARS, "lr": 5.0, "weight_decay": 0.1, "model": SMALL["model"] | {"batch_norm": True}},
        {"gradient_penalty": {"strength": 0.5, "step": 1e-7}},
        {"gradient_penalty": {"strength": 0.3, "step": 1e-7}, "optimiser": SGD, "clip_norm": 0.5},
        {"gradient_penalty": {"strength": 0.3, "step": 1e-7}, "batch_size": 10, "last_batch": "weigh"},
        {"loss": "squared_error"},
        {"loss": "squared_error", "optimiser": ADAM, "lr": 0.01},
        {"augment": {"name": "shifts", "pixels": 2}},
        {
            "augment": {"name": "shifts", "pixels": 1},
            "batch_size": 10,
            "last_batch": "weigh",
            "optimiser": SGD,
        },
        {"sharpness_aware": {"rho": 0.3}},
        {"sharpness_aware": {"rho": 0.3}, "optimiser": SGD, "weight_decay": 1e-2, "clip_norm": 0.5},
        {"sharpness_aware": {"rho": 0.3}, "model": {"name": "cnn", "channels": [3], "batch_norm": True}},
        {"proximal": {"strength": 0.5}},
        {"proximal": {"strength": 0.5, "steps": 2}, "optimiser": ADAM, "lr": 0.01, "clip_norm": 0.5},
        {"adversarial": {"size": 0.2}},
        {"adversarial": {"size": 0.2, "share": 1.0}},
        {"adversarial": {"size": 0.2, "share": 0.3}, "model": {"name": "cnn", "channels": [3, 4]}},
        {
            "adversarial": {"size": 0.2},
            "model": SMALL["model"] | {"batch_norm": True},
            "loss": "squared_error",
        },
        EVERYTHING,
        EVERYTHING | {"optimiser": SGD, "clip_norm": 0.5, "batch_size": 10, "last_batch": "weigh"},
        {"batch_size": 20, "micro_batch_size": 5},
        {"batch_size": 20, "micro_batch_size": 5, "last_batch": "weigh"},
        EVERYTHING | {"batch_size": 20, "micro_batch_size": 5},
        {"model": {"name": "mlp", "hidden": [12, 12], "dropout": 0.3}, "optimiser": ADAM},
        {"model": {"name": "mlp", "hidden": [12, 12], "dropout": 0.3}, "stop": {"patience_epochs": 1}},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # of torch's own second derivatives
def test_weights_equal_those_of_a_plain_loop(settings, dataset):
    """To rounding; where the penalty is a difference quotient, to the error of that."""
    arm = small_arm(**settings)
    trained = train(arm, [0, 3, 1], dataset)
    near = {"rtol": 1e-5, "atol": 1e-7} if arm.gradient_penalty else {"rtol": 1e-9, "atol": 1e-11}
    for index, seed in enumerate(trained.seeds):
        for name, weight in plain_loop(arm, seed, dataset).named_parameters():
            expected = weight.detach().numpy()
            np.testing.assert_allclose(trained.weights[name][index], expected, **near, err_msg=name)
