"""PyHessian through our door, against dense Hessians."""

import pytest
import torch

from largebatch.measures.reference import top_eigenvalue, trace
from largebatch.nets import models
from tests.conftest import SMALL, small_arm
from tests.shared.nets import dense_hessian
from tests.shared.trained import train


@pytest.fixture(scope="module", params=[{}, {"activation": "tanh"}, {"batch_norm": True}], ids=str)
def trained_net(request, dataset):
    arm = small_arm(model=SMALL["model"] | request.param, epochs=20)
    trained = train(arm, [0], dataset)
    options = arm.model.model_dump(exclude={"name"})
    model = models.build(0, "mlp", dataset.shape, 3, **options).double()
    model.load_state_dict({n: torch.from_numpy(w[0]) for n, w in trained.weights.items()}, strict=False)
    return model, dataset.images[:30], dataset.labels[:30]


def test_top_eigenvalue_equals_the_dense_one(trained_net):
    model, images, labels = trained_net
    expected = torch.linalg.eigvalsh(dense_hessian(model.eval(), images, labels))[-1].item()
    assert top_eigenvalue(model, images, labels, 500, 1e-6, seed=0) == pytest.approx(expected, rel=1e-3)


def test_trace_equals_the_dense_one_within_its_error(trained_net):
    model, images, labels = trained_net
    hessian = dense_hessian(model.eval(), images, labels)
    probes = 400
    # Variance of one sign probe: twice the sum of the squared off-diagonal entries.
    spread = (2 * (hessian.square().sum() - hessian.diagonal().square().sum())).sqrt().item()
    found, error = trace(model, images, labels, probes, seed=0)
    assert error == pytest.approx(spread / probes**0.5, rel=0.3)
    assert found == pytest.approx(hessian.trace().item(), abs=4 * spread / probes**0.5)


def test_measuring_twice_is_equal_and_leaves_everything_as_found(trained_net):
    model, images, labels = trained_net
    model.train()
    kept = torch.ones_like(next(model.parameters()))
    next(model.parameters()).grad = kept
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.random.get_rng_state()
    first, second = (
        (top_eigenvalue(model, images, labels, 20, 1e-3, seed=5), trace(model, images, labels, 3, seed=5))
        for _ in range(2)
    )
    assert first == second
    assert model.training and all(m.training for m in model.modules())
    assert next(model.parameters()).grad is kept
    assert all(p.grad is None for p in list(model.parameters())[1:])
    assert torch.equal(torch.random.get_rng_state(), random)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    model.zero_grad()


def test_weights_that_are_not_finite_are_refused(trained_net):
    _, images, labels = trained_net
    broken = models.build(0, "mlp", (1, 4, 4), 3, hidden=[4]).double()
    broken[1].weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"finite weights; got NaN or infinity in 1\.weight"):
        top_eigenvalue(broken, images, labels, 5, 1e-3, seed=0)
    with pytest.raises(ValueError, match="finite weights"):
        trace(broken, images, labels, 5, seed=0)
