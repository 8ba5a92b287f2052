"""The least squared error of a linear net, against other libraries."""

import numpy as np
import scipy.linalg
import torch
from sklearn.linear_model import LinearRegression

from largebatch.measures.convex import least_squared_error

STREAM = np.random.default_rng(0)
LABELS = STREAM.integers(0, 3, (2, 30))


def by_scipy(images, labels):
    """Half the squared distance from the one-hot targets, mean over the examples, by QR with pivoting."""
    inputs = np.hstack([images.reshape(len(images), -1), np.ones((len(images), 1))])
    targets = np.eye(3)[labels]
    weights = scipy.linalg.lstsq(inputs, targets, lapack_driver="gelsy")[0]
    return ((inputs @ weights - targets) ** 2).sum() / 2 / len(images)


def least(images):
    return least_squared_error(torch.from_numpy(images), torch.from_numpy(LABELS), 3)


def test_it_is_that_of_scipy_and_scikit_learn():
    images = STREAM.standard_normal((2, 30, 1, 2, 3))
    for index, found in enumerate(least(images).tolist()):
        np.testing.assert_allclose(found, by_scipy(images[index], LABELS[index]), rtol=1e-12)
        flat, targets = images[index].reshape(30, 6), np.eye(3)[LABELS[index]]
        residuals = targets - LinearRegression().fit(flat, targets).predict(flat)
        np.testing.assert_allclose(found, (residuals**2).sum() / 60, rtol=1e-12)


def test_pixels_that_never_vary_or_repeat_are_no_obstacle():
    images = STREAM.standard_normal((2, 30, 1, 2, 3))
    images[:, :, 0, 0, 0] = 2.5
    images[:, :, 0, 1, 2] = images[:, :, 0, 1, 1]
    found = least(images).tolist()
    np.testing.assert_allclose(
        found, [by_scipy(*both) for both in zip(images, LABELS, strict=True)], rtol=1e-10
    )


def test_more_pixels_than_examples_leave_no_error():
    images = STREAM.standard_normal((2, 30, 1, 8, 8))
    assert least(images).abs().max() < 1e-20


def test_float32_images_are_solved_in_float64():
    images = STREAM.standard_normal((2, 30, 1, 2, 3)).astype(np.float32)
    assert least(images).dtype == torch.float64
    np.testing.assert_allclose(least(images)[1], by_scipy(images[1].astype(float), LABELS[1]), rtol=1e-12)
