"""What an expert would write instead: JAX, one compiled scan over an epoch, vectorised over the seeds.

Needs `pip install jax optax`. Import it before anything else uses JAX: it is held to one thread.
"""

import os
from collections.abc import Callable

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import optax

from largebatch.config.spec import Arm
from largebatch.data.splits import Dataset

OPTIMISERS = {"sgd": optax.sgd, "adam": optax.adam}


def jax_epoch(arm: Arm, seeds: int, dataset: Dataset) -> Callable[[], int]:
    """One epoch of every seed of a fully connected net without normalisation, as the engine trains it."""
    count, size = arm.data.train, arm.batch_size
    images = jnp.asarray(dataset.images[:count].flatten(1).numpy()) / 255.0
    labels = jnp.asarray(dataset.labels[:count].numpy())
    optimiser = OPTIMISERS[arm.optimiser.name](arm.lr)
    widths = [images.shape[1], *arm.model.hidden, dataset.classes]

    def initial(key):
        keys = jax.random.split(key, len(widths) - 1)
        shapes = zip(keys, widths[:-1], widths[1:], strict=True)
        return [(jax.random.normal(k, (i, o)) / i**0.5, jnp.zeros(o)) for k, i, o in shapes]

    def loss(layers, x, y):
        for weight, bias in layers[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        weight, bias = layers[-1]
        return -jnp.take_along_axis(jax.nn.log_softmax(x @ weight + bias), y[:, None], 1).mean()

    def epoch(state, key):
        def update(state, batch):
            layers, moments = state
            gradient = jax.grad(loss)(layers, images[batch], labels[batch])
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
