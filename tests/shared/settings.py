"""Settings of arms that several tests use."""

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
