"""What an expert would write instead: JAX, one compiled scan over an epoch, vectorised over the seeds.

Needs `pip install jax optax`. Import it before anything else uses JAX: it is held to one thread.
"""

import os
from collections.abc import Callable
from functools import partial

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from jax.flatten_util import ravel_pytree
from torch import nn

from largebatch.config.spec import Arm
from largebatch.data.splits import Dataset

# Probes of a trace in one call.
TOGETHER = 10
OPTIMISERS = {"sgd": optax.sgd, "adam": optax.adam}


def mean_loss(layers, x, y):
    """Mean cross-entropy of a fully connected net of ReLUs; x (n, inputs), y (n,)."""
    for weight, bias in layers[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = layers[-1]
    return -jnp.take_along_axis(jax.nn.log_softmax(x @ weight + bias), y[:, None], 1).mean()


def jax_epoch(arm: Arm, seeds: int, dataset: Dataset) -> Callable[[], int]:
    """One epoch of every seed of a fully connected net without normalisation, as the engine trains it."""
    count, size = arm.data.train, arm.batch_size
    images = jnp.asarray(dataset.images[:count].flatten(1).numpy()) / 255.0
    labels = jnp.asarray(dataset.labels[:count].numpy())
    optimiser = OPTIMISERS[arm.optimiser.name](arm.lr)
    widths = [images.shape[1], *arm.model.hidden, dataset.outputs]

    def initial(key):
        keys = jax.random.split(key, len(widths) - 1)
        shapes = zip(keys, widths[:-1], widths[1:], strict=True)
        return [(jax.random.normal(k, (i, o)) / i**0.5, jnp.zeros(o)) for k, i, o in shapes]

    def epoch(state, key):
        def update(state, batch):
            layers, moments = state
            gradient = jax.grad(mean_loss)(layers, images[batch], labels[batch])
            steps, moments = optimiser.update(gradient, moments)
            return (optax.apply_updates(layers, steps), moments), None

        order = jax.random.permutation(key, count)[: count // size * size].reshape(-1, size)
        return jax.lax.scan(update, state, order)[0]

    run = jax.jit(jax.vmap(epoch))
    keys = jax.random.split(jax.random.PRNGKey(0), seeds)
    layers = jax.vmap(initial)(keys)
    state = layers, jax.vmap(optimiser.init)(layers)

    def once() -> int:
        nonlocal state
        state = jax.block_until_ready(run(state, keys))
        return seeds * (count // size)

    return once


def jax_hessian(net: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> tuple[Callable, Callable]:
    """Of a fully connected net's mean cross-entropy: v (p,) -> H v, and (probes, seed) -> Hutchinson's trace.

    Forward over reverse mode, compiled once for all nets of a shape. Probes go ten at a time.
    """
    layers = [
        (jnp.asarray(layer.weight.detach().numpy().T), jnp.asarray(layer.bias.detach().numpy()))
        for layer in net.modules()
        if isinstance(layer, nn.Linear)
    ]
    at, _ = ravel_pytree(layers)
    x, y = jnp.asarray(images.flatten(1).numpy()), jnp.asarray(labels.numpy())
    sizes = tuple(weight.shape for weight, _ in layers)

    def product(v: np.ndarray) -> np.ndarray:
        return np.asarray(jax_product(sizes, at, jnp.asarray(v, at.dtype), x, y))

    def trace(probes: int, seed: int) -> float:
        keys = jax.random.split(jax.random.PRNGKey(seed), probes // TOGETHER)
        return float(np.mean([jax_squares(sizes, at, key, x, y) for key in keys]))

    return product, trace


@partial(jax.jit, static_argnums=0)
def jax_product(sizes, at, v, x, y):
    def loss(flat):
        layers, start = [], 0
        for rows, columns in sizes:
            weight = flat[start : start + rows * columns].reshape(rows, columns)
            start += rows * columns
            layers.append((weight, flat[start : start + columns]))
            start += columns
        return mean_loss(layers, x, y)

    return jax.jvp(jax.grad(loss), (at,), (v,))[1]


@partial(jax.jit, static_argnums=0)
def jax_squares(sizes, at, key, x, y):
    """Mean of zᵀ H z over random signs z."""
    signs = jax.random.rademacher(key, (TOGETHER, len(at)), at.dtype)
    images = jax.vmap(lambda z: jax_product(sizes, at, z, x, y))(signs)
    return (signs * images).sum(1).mean()
