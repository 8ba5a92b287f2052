"""Settings of arms that several tests use."""

import torch

SGD = {"name": "sgd", "momentum": 0.9, "nesterov": True}
ADAM = {"name": "adam"}
LARS = {"name": "lars", "trust": 0.01}
CROPS = {"name": "resized_crops"}
# Every setting that changes what is done with a batch, together.
EVERYTHING = {
    "loss": "squared_error",
    "augment": {"name": "shifts", "pixels": 1},
    "sharpness_aware": {"rho": 0.2},
    "proximal": {"strength": 0.3},
    "adversarial": {"size": 0.1, "share": 0.4},
}
# Models that do not take images of 4 x 4 pixels and one channel, and how many of them they take instead.
REPEATS = {"vgg": (1, 8, 8), "resnet50": (3, 1, 1)}


def as_trained_by(dataset, arm):
    """In the arm's precision, with images its model takes."""
    dtype = getattr(torch, arm.dtype)
    images = dataset.images.to(dtype).repeat(1, *REPEATS.get(arm.model.name, (1, 1, 1)))
    return type(dataset)(images, dataset.labels, dtype)
