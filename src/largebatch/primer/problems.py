"""The problems of the primer: mean losses over examples, with gradients written by hand.

Both heads are canonical: the gradient of an example's loss by the model's output is prediction - target.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np


def softmax(z: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    exponentials = np.exp(z - z.max(-1, keepdims=True))  # the largest is exp(0), so nothing overflows
    return exponentials / exponentials.sum(-1, keepdims=True)


def cross_entropy(z: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Of each example, in nats; (n, c) and (n, c) one-hot -> (n,)."""
    shifted = z - z.max(-1, keepdims=True)
    return np.log(np.exp(shifted).sum(-1)) - (shifted * targets).sum(-1)


def half_squared_error(z: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Of each example; (n, c) and (n, c) -> (n,)."""
    return 0.5 * np.square(z - targets).sum(-1)


@dataclass(frozen=True)
class Head:
    """predict: output -> prediction; losses: (outputs, targets) -> each example's loss."""

    predict: Callable[[np.ndarray], np.ndarray]
    losses: Callable[[np.ndarray, np.ndarray], np.ndarray]


SQUARED = Head(lambda z: z, half_squared_error)
SOFTMAX = Head(softmax, cross_entropy)


@dataclass(frozen=True)
class Linear:
    """Linear regression or, with the softmax head, softmax regression; inputs (n, p), targets (n, c)."""

    inputs: np.ndarray
    targets: np.ndarray
    head: Head

    def start(self) -> np.ndarray:
        """All weights zero; (p, c)."""
        return np.zeros((self.inputs.shape[1], self.targets.shape[1]))

    def outputs(self, w: np.ndarray, x: np.ndarray) -> np.ndarray:
        return x @ w

    def gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Of the mean loss of these examples; (p, c)."""
        x = self.inputs[rows]
        return x.T @ (self.head.predict(x @ w) - self.targets[rows]) / len(rows)

    def loss(self, w: np.ndarray) -> float:
        """Mean over all examples."""
        return float(self.head.losses(self.inputs @ w, self.targets).mean())


@dataclass(frozen=True)
class Mlp:
    """A net of one tanh layer; inputs (n, p), targets (n, c); its weights are one vector."""

    inputs: np.ndarray
    targets: np.ndarray
    head: Head
    hidden: int

    def start(self, stream: np.random.Generator) -> np.ndarray:
        """Normal weights of variance 1/inputs of their layer, biases zero."""
        p, c = self.inputs.shape[1], self.targets.shape[1]
        first = stream.standard_normal((p, self.hidden)) / np.sqrt(p)
        second = stream.standard_normal((self.hidden, c)) / np.sqrt(self.hidden)
        return np.concatenate([first.ravel(), np.zeros(self.hidden), second.ravel(), np.zeros(c)])

    def layers(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Views of the weights: (p, h), (h,), (h, c), (c,)."""
        p, h, c = self.inputs.shape[1], self.hidden, self.targets.shape[1]
        first, second = p * h, p * h + h + h * c
        return (
            w[:first].reshape(p, h),
            w[first : first + h],
            w[first + h : second].reshape(h, c),
            w[second:],
        )

    def outputs(self, w: np.ndarray, x: np.ndarray) -> np.ndarray:
        first, shift, second, offset = self.layers(w)
        return np.tanh(x @ first + shift) @ second + offset

    def gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Of the mean loss of these examples, by backpropagation; the shape of w."""
        first, shift, second, offset = self.layers(w)
        x = self.inputs[rows]  # (b, p)
        active = np.tanh(x @ first + shift)  # (b, h)
        error = (self.head.predict(active @ second + offset) - self.targets[rows]) / len(rows)  # (b, c)
        back = (error @ second.T) * (1 - active * active)  # (b, h)
        parts = (x.T @ back).ravel(), back.sum(0), (active.T @ error).ravel(), error.sum(0)
        return np.concatenate(parts)

    def loss(self, w: np.ndarray) -> float:
        """Mean over all examples."""
        return float(self.head.losses(self.outputs(w, self.inputs), self.targets).mean())


def accuracy_percent(problem: Linear | Mlp, w: np.ndarray) -> float:
    """Examples whose largest output is that of their class."""
    right = problem.outputs(w, problem.inputs).argmax(-1) == problem.targets.argmax(-1)
    return float(100 * right.mean())


def with_ones(x: np.ndarray) -> np.ndarray:
    """A column of ones after the inputs: its weight is the bias."""
    return np.hstack([x, np.ones((len(x), 1))])


@lru_cache(maxsize=1)
def all_digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's optical digits: pixels (1797, 64) in [0, 1] and one-hot labels (1797, 10)."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    return raw.data / 16, np.eye(10)[raw.target]


Part = tuple[np.ndarray, np.ndarray]  # inputs (n, p), targets (n, c)


def digits(stream: np.random.Generator, train: int, test: int = 0) -> tuple[Part, Part]:
    """A new random training and test part, with pixels standardised on the training part alone."""
    pixels, targets = all_digits()
    if not 1 <= train <= len(pixels) - test:
        raise ValueError(f"wanted 1 to {len(pixels) - test} digits to train on; got {train}")
    from sklearn.preprocessing import StandardScaler

    order = stream.permutation(len(pixels))[: train + test]
    scaler = StandardScaler().fit(pixels[order[:train]])
    scaled = scaler.transform(pixels)
    return tuple((scaled[rows], targets[rows]) for rows in (order[:train], order[train:]))
