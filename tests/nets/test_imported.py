"""Nets of the user's own against a plain PyTorch loop."""

import pytest
import torch
import torch.nn.functional as F

from largebatch.measures.measure import measure
from largebatch.metrics import METRICS_OF
from largebatch.nets import models
from largebatch.nets.one_by_one import OneByOne
from largebatch.training import train as train_module
from tests.measures.test_measure import MEASURES, options
from tests.shared.own import FUNCTIONAL, MODULES, SEQUENTIAL, imported, own_arm, write
from tests.shared.plain_loop import plain_loop
from tests.shared.trained import train

SEEDS = [0, 3]
SGD = {"optimiser": {"name": "sgd", "momentum": 0.9}, "lr": 0.05, "weight_decay": 0.01}
ADAM = {"optimiser": {"name": "adam", "epsilon": 1e-4}, "lr": 0.01}
OWN = {
    "functional": (FUNCTIONAL, "my_net.py:MyNet"),
    "modules": (MODULES, "my_net.py:MyNet"),
    "stacked": (SEQUENTIAL, "my_net.py:net"),
}

# Measures of linear nets, of nets of ReLU layers alone, and of updates shared among workers.
OF_CERTAIN_NETS = ("excess", "rescaling", "equivalence")


def arm_of(name, folder, **settings):
    text, what = OWN[name]
    write(folder, text)
    return own_arm(folder, what, **settings)


@pytest.mark.parametrize("settings", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("name", OWN)
def test_weights_and_buffers_equal_those_of_a_plain_loop(name, settings, dataset, tmp_path):
    arm = arm_of(name, tmp_path, **settings)
    group = train_module.group_of(arm, SEEDS, dataset, {})
    assert isinstance(group.model, OneByOne) == (name != "stacked")
    for _ in range(2):
        group.train_epoch()
        group.evaluate("test")  # draws nothing, and leaves buffers as they are
    tensors = group.model.train().plain()
    for index, seed in enumerate(SEEDS):
        net = plain_loop(arm, seed, dataset, calls_train=True)
        for key, tensor in net.named_parameters() if name == "stacked" else net.state_dict().items():
            torch.testing.assert_close(tensors[key][index], tensor.detach(), rtol=1e-9, atol=1e-11, msg=key)


def test_an_evaluation_is_the_nets_own_without_dropout(dataset, tmp_path):
    """With the running averages that its forward keeps."""
    arm = arm_of("functional", tmp_path, **SGD)
    group = train_module.group_of(arm, SEEDS, dataset, {})
    for _ in range(2):
        group.train_epoch()
    group.estimate_population_statistics()
    found = group.evaluate("test")
    for index, seed in enumerate(SEEDS):
        net = plain_loop(arm, seed, dataset, calls_train=True).eval()
        images, labels = (part[index] for part in group.splits.examples(group.splits.rows["test"]))
        assert found["loss_nats"][index].item() == pytest.approx(F.cross_entropy(net(images), labels).item())


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # of torch's own second derivatives
@pytest.mark.parametrize("name", [m for m in MEASURES if m not in OF_CERTAIN_NETS])
def test_every_measure_works(name, dataset, tmp_path):
    arm = arm_of("functional", tmp_path, epochs=1)
    trained = train(arm, SEEDS, dataset)
    rows = measure(name, options(name), arm, SEEDS, trained.weights, dataset)
    assert {row.metric for row in rows} <= set(METRICS_OF[name]) and {row.seed for row in rows} == {*SEEDS}


def test_options_and_another_name_make_another_net(tmp_path):
    write(
        tmp_path, MODULES + "\n\nclass Wide(MyNet):\n    def __init__(self):\n        super().__init__(9)\n"
    )

    def width(what, **given):
        arm = own_arm(tmp_path, what, given)
        net = models.build(0, shape=(1, 4, 4), classes=3, **arm.model.model_dump())
        return net.first.out_features

    assert [width("my_net.py:MyNet"), width("my_net.py:MyNet", width=4), width("my_net.py:Wide")] == [6, 4, 9]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "def net():\n    return 3\n",
            r"net\.py:net: wanted a torch\.nn\.Module; got an object of class int",
        ),
        ("import torch\n\n\ndef net():\n    return torch.nn.ReLU\n", "got the class ReLU"),
        ("net = 3\n", r"net\.py:net: wanted a class or a function; got 3"),
    ],
)
def test_what_makes_no_net_is_refused(text, said, tmp_path):
    write(tmp_path, text, "net.py")
    arm = own_arm(tmp_path, "net.py:net")
    with pytest.raises(TypeError, match=said):
        models.build(0, shape=(1, 4, 4), classes=3, **arm.model.model_dump())


def test_seeds_start_from_weights_of_their_own_that_stay(tmp_path):
    write(tmp_path, MODULES)
    settings = own_arm(tmp_path).model.model_dump()
    first, again, other = (
        models.build(s, shape=(1, 4, 4), classes=3, **settings).head.weight for s in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_settings_as_a_scale_file_has_them(tmp_path):
    write(tmp_path, MODULES)
    assert imported(tmp_path, width=4)["options"] == {"width": 4}
