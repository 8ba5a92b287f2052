"""Products of matrices, one of each seed: by NumPy's library on a CPU, by PyTorch's on a GPU.

PyTorch's library for CPUs, MKL, uses AVX-512 on Intel's processors only. NumPy's, OpenBLAS, uses it wherever
it is, on AMD's at two to three times the rate of MKL; without AVX-512 both are about as fast. docs/engine.md
has the figures.
"""

import numpy as np
import torch

# What OpenBLAS multiplies, and the multiplications of one seed's product from which it is no slower. By seed,
# so that company does not change a value.
MULTIPLIED, LARGE = (torch.float32, torch.float64), 1 << 13


def product(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """left @ right + bias of every seed; (s, n, k), (s, k, m), (s, 1, m) -> (s, n, m)."""
    if not by_numpy(left, right):
        return torch.bmm(left, right) if bias is None else torch.baddbmm(bias, left, right)
    return Product.apply(left, right, bias) if torch.is_grad_enabled() else multiplied(left, right, bias)


def by_numpy(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether product() of these is NumPy's, whose outer products of vectors are slow."""
    (_, n, k), m = left.shape, right.shape[2]
    return left.is_cpu and left.dtype in MULTIPLIED and k > 1 and n * k * m >= LARGE


class Product(torch.autograd.Function):
    """product() by NumPy, which can be differentiated any number of times."""

    @staticmethod
    def forward(ctx, left, right, bias):
        ctx.save_for_backward(left, right)
        return multiplied(left, right, bias)

    @staticmethod
    def backward(ctx, g):
        (left, right), wanted = ctx.saved_tensors, ctx.needs_input_grad
        return (
            product(g, right.mT) if wanted[0] else None,
            product(left.mT, g) if wanted[1] else None,
            g.sum(1, keepdim=True) if wanted[2] else None,
        )


def multiplied(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """product() by NumPy, without a graph."""
    out = left.new_empty(left.shape[0], left.shape[1], right.shape[2])
    np.matmul(laid(left), laid(right), out=out.numpy())
    return out if bias is None else out.add_(bias)


def laid(x: torch.Tensor) -> np.ndarray:
    """x (s, n, k) with rows or columns in one piece each: else NumPy would multiply in plain loops."""
    (_, rows, columns), (_, down, across) = x.shape, x.stride()
    in_rows, in_columns = across == 1 and down >= columns, down == 1 and across >= rows
    return (x if in_rows or in_columns else x.contiguous()).detach().numpy()
