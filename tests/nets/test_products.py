import pytest
import torch

from largebatch.nets.products import LARGE, by_numpy, product

EXACT = {torch.float32: {"rtol": 1e-5, "atol": 1e-4}, torch.float64: {"rtol": 1e-12, "atol": 1e-11}}


def as_laid(x: torch.Tensor, how: str) -> torch.Tensor:
    """The same values otherwise laid in memory."""
    match how:
        case "columns":
            return x.mT.contiguous().mT
        case "with gaps":
            return torch.stack([x, x], dim=3)[..., 0]
        case "part":
            return torch.cat([x, x], dim=2)[:, :, : x.shape[2]]
    return x


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("sizes", [(3, 40, 64, 10), (1, 8, 128, 128), (2, 1, 128, 200), (2, 130, 100, 1)])
@pytest.mark.parametrize("left_is", ["rows", "columns", "with gaps", "part"])
@pytest.mark.parametrize("right_is", ["rows", "columns", "with gaps", "part"])
def test_products_are_pytorchs(dtype, sizes, left_is, right_is):
    s, n, k, m = sizes
    left, right, bias = (torch.randn(s, *each, dtype=dtype) for each in ((n, k), (k, m), (1, m)))
    assert by_numpy(left, right)
    found = product(as_laid(left, left_is), as_laid(right, right_is), bias)
    torch.testing.assert_close(found, torch.baddbmm(bias, left, right), **EXACT[dtype])
    assert found.is_contiguous()


@pytest.mark.parametrize("expanded", ["left", "right"])
def test_expanded_factors(expanded):
    """As the gradient of a sum is: one value in memory."""
    left, right = torch.randn(2, 40, 64), torch.randn(2, 64, 10)
    if expanded == "left":
        left = torch.tensor(1.5).expand(2, 40, 64)
    else:
        right = torch.randn(64, 1).expand(2, 64, 10)
    torch.testing.assert_close(product(left, right), left @ right, **EXACT[torch.float32])


@pytest.mark.parametrize("bias", [True, False])
def test_first_and_second_derivatives(bias):
    """gradgradcheck is by finite differences."""
    left, right = (
        torch.randn(2, *each, dtype=torch.float64, requires_grad=True) for each in ((33, 17), (17, 15))
    )
    added = torch.randn(2, 1, 15, dtype=torch.float64, requires_grad=True) if bias else None
    assert by_numpy(left, right)
    assert torch.autograd.gradcheck(product, (left, right, added), fast_mode=True)
    assert torch.autograd.gradgradcheck(product, (left, right, added), fast_mode=True)


def test_a_seeds_bytes_do_not_depend_on_company():
    for n, k, m in ((4, 64, 128), (32, 128, 128), (102, 128, 10), (1024, 128, 128)):
        left, right = torch.randn(5, n, k), torch.randn(5, k, m)
        together = product(left, right)
        for seed in range(5):
            alone = product(left[seed : seed + 1].clone(), right[seed : seed + 1].clone())
            assert torch.equal(alone[0], together[seed])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (torch.empty(2, 4, 8), torch.empty(2, 8, LARGE // 32 - 1)),
        (torch.empty(2, 200, 1), torch.empty(2, 1, 200)),
        (torch.empty(2, 40, 64, device="meta"), torch.empty(2, 64, 10, device="meta")),
        (torch.empty(2, 40, 64, dtype=torch.bfloat16), torch.empty(2, 64, 10, dtype=torch.bfloat16)),
    ],
    ids=["small", "of vectors", "another device", "another precision"],
)
def test_the_others_are_left_to_pytorch(left, right):
    assert not by_numpy(left, right)
    assert product(left, right).shape == (2, left.shape[1], right.shape[2])
