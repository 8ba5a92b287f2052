"""What training, measures, paths and exhibits write, with the text that figures and tables show for it.

An observation is one number of one seed, with a position `at`. What `at` is tells four kinds of
metrics apart, and thereby how a number is read out of them:

- history: an epoch; recorded at every evaluation while a run is trained;
- end: none; one value per run;
- profile: a position of the metric's own, such as an epsilon, a radius, an alpha or an eigenvalue;
- by epoch: an epoch too, but one at which a snapshot of the weights was kept and then measured.
"""

from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

from largebatch.config.images import PARTS
from largebatch.config.measures import Measures, class_of
from largebatch.config.written import Written

# Of all seeds of an arm together, shared out evenly: where a run was resumed, of its last part only. No two
# runs take equally long, so what shows it is never the same bytes twice.
TRAIN_SECONDS = "train_seconds"
# How far the rounds lie apart in which these were timed: a difference within that is no evidence.
TIME_SPREAD = "time_spread"
TIMED_IN_ROUNDS = frozenset({"epoch_seconds", "update_seconds", "examples_per_second", "regression_seconds"})
# On the straight line through two minima.
LINE_LOSSES = {"train": "path_loss_nats", "test": "path_test_loss_nats"}
# On the plane through two minima and the common start of their runs.
PLANE_LOSSES = {"train": "descent_loss_nats", "test": "descent_test_loss_nats"}

TRAINING = Written(
    history={
        "train_loss_nats": "training loss (nats)",
        "train_error_percent": "training error (%)",
        "train_accuracy_percent": "training accuracy (%)",
        "train_squared_error": "training squared error",
        "train_own_loss": "training loss",
        "train_rmse": "training root mean squared error",
        "train_mae": "training mean absolute error",
        "train_r_squared": "training R²",
        "validation_loss_nats": "validation loss (nats)",
        "validation_error_percent": "validation error (%)",
        "validation_accuracy_percent": "validation accuracy (%)",
        "validation_squared_error": "validation squared error",
        "validation_own_loss": "validation loss",
        "validation_rmse": "validation root mean squared error",
        "validation_mae": "validation mean absolute error",
        "validation_r_squared": "validation R²",
        "test_loss_nats": "test loss (nats)",
        "test_error_percent": "test error (%)",
        "test_accuracy_percent": "test accuracy (%)",
        "test_squared_error": "test squared error",
        "test_own_loss": "test loss",
        "test_rmse": "test root mean squared error",
        "test_mae": "test mean absolute error",
        "test_r_squared": "test R²",
        "distance_from_start": "distance from start ‖w − w₀‖",
        "updates": "updates",
        "learning_rate": "learning rate",
    },
    end={
        "peak_learning_rate": "peak learning rate",
        "diverged": "diverged (share of seeds)",
        "updates_to_validation_goal": "updates to the validation error goal",
        "updates_to_test_goal": "updates to the test error goal",
        "examples_to_test_goal": "examples to the test error goal",
        TRAIN_SECONDS: "training time (seconds per seed)",
    },
)


def written_by(measure: str) -> Written:
    """What a measure writes, as the class of its settings says."""
    settings = class_of(measure)
    return settings.writes_by_epoch if measure.endswith("_by_epoch") else settings.writes


# What is measured on the weights of one run.
MEASURED = {name: written_by(name) for name in Measures.model_fields if name != "path"}
# Of two runs from one start, on the plane through it and both ends; there are none without snapshots.
# What a figure of kind descent draws.
PLANE = {
    PLANE_LOSSES["train"]: "training loss on the plane (nats)",  # at: index of the grid point
    "descent_x": "share of the way to the first end",
    "descent_y": "share of the way to the second end",
    "descent_start_x": "first run: share of the way to its own end",  # at: epoch
    "descent_start_y": "first run: share of the way to the other's end",
    "descent_end_x": "second run: share of the way to the other's end",
    "descent_end_y": "second run: share of the way to its own end",
}
# What is measured between the minima of two runs; at: alpha, 0 at the start and 1 at the end.
BETWEEN = Written(
    end={
        "distance_between_minima": "distance between the minima",
        "path_rise_before_nats": "rise of the loss before the line (nats)",
        "path_rise_behind_nats": "rise of the loss behind the line (nats)",
        "arc_rise_before_nats": "rise of the loss before the arc (nats)",
        "arc_rise_behind_nats": "rise of the loss behind the arc (nats)",
    },
    profile={
        "path_loss_nats": "training loss on the line (nats)",
        "path_accuracy_percent": "training accuracy on the line (%)",
        "path_test_loss_nats": "test loss on the line (nats)",
        "path_test_accuracy_percent": "test accuracy on the line (%)",
        "arc_loss_nats": "training loss on the arc (nats)",
        "arc_accuracy_percent": "training accuracy on the arc (%)",
        "arc_test_loss_nats": "test loss on the arc (nats)",
        "arc_test_accuracy_percent": "test accuracy on the arc (%)",
        **PLANE,
        PLANE_LOSSES["test"]: "test loss on the plane (nats)",
    },
)

# What exhibits give, which train no arm; several may give the same. See exhibits.py for which gives what.
PRIMER = Written(
    end={
        "worked_error": "largest difference from the text",
        "rule_difference": "largest difference of a weight, NumPy and engine",
        "gradient_bias": "relative distance of the mean mini-batch gradient",
        "test_r2": "R² on the test part",
        "updates_to_goal": "updates to within 1 % of the least loss",
        "epochs_to_goal": "epochs to within 1 % of the least loss",
        "loss_gap_percent": "distance of the loss from that of batch 64 (%)",
        "r2_change": "change of the test R² by the leak",
        "noise_floor": "excess loss of the last half",
        "edge_ratio": "largest rate that does not diverge / (2/λ_max)",
        "loss_after_spike": "loss after the spiked batch",
        "clipping_final_loss": "final loss",
        "clipped_cosine": "cosine of clipped and whole gradient",
        "rises_percent": "updates after which the loss is higher (%)",
        "thrash_ratio": "loss at the large rate / at the small one",
        "final_accuracy_percent": "final test accuracy (%)",
        "loss_oscillation": "deviation of the loss within the last epoch",
        "saturating_batch_size": "batch with 90 % of the best throughput",
        "memory_growth": "memory of the last doubling / of the one before",
        "fitting_batch_size": "largest batch that fits",
        "ways_difference": "largest difference of a weight",
    },
    profile={
        "worked_value": "number worked out",  # at: updates made, or the number of the item
        "regression_loss": "half the mean squared error",  # at: epoch
        "regression_seconds": "training time (seconds)",  # at: epoch
        "regression_loss_by_update": "half the mean squared error",  # at: update
        "excess_loss": "loss above the least",  # at: update
        "excess_loss_of_average": "loss above the least, of the mean weights",
        "quadratic_loss": "loss on the quadratic",  # at: update
        "clipping_loss": "loss",  # at: update
        "xor_loss": "loss on all four examples",  # at: update
        "xor_loss_of_4": "loss, batches of 4",
        "xor_loss_of_2": "loss, batches of 2",
        "xor_loss_of_1": "loss, batches of 1",
        "path_x": "first weight",  # at: update
        "path_y": "second weight",
        "surface_loss_at": "loss on the surface",
        "escaped_percent": "runs that escape (%)",  # at: batch size
        "shuffling_accuracy": "test accuracy (%)",  # at: epoch
        "shuffling_loss": "training loss",  # at: update
        "epoch_seconds": "time of an epoch (seconds)",  # at: batch size
        "update_seconds": "time of an update (seconds)",
        "examples_per_second": "examples per second",
        TIME_SPREAD: "time of the median round / of the quickest",
        "peak_memory_mib": "peak memory (MiB)",
        "ring_sent_share": "values a worker sends / values of the gradient",  # at: workers
        "ring_error": "largest distance from the mean",
    },
)

SOURCES = (TRAINING, *MEASURED.values(), BETWEEN, PRIMER)
METRICS = {metric: label for source in SOURCES for metric, label in source.labels.items()}
HISTORY, END, PROFILE, BY_EPOCH = (
    frozenset(metric for source in SOURCES for metric in getattr(source, kind)) for kind in Written._fields
)
# measure -> its metrics
METRICS_OF = {measure: tuple(written.labels) for measure, written in MEASURED.items()}
PATH_METRICS = frozenset(BETWEEN.labels)
# of paths between nets that have classes
OF_CLASSES = frozenset(metric for metric in BETWEEN.profile if metric.endswith("_accuracy_percent"))
EXHIBIT_METRICS = frozenset(PRIMER.labels)
# which an arm has by its loss and its targets, see Arm.part_metrics
PART_METRICS = frozenset(m for m in TRAINING.history if m.startswith(tuple(f"{part}_" for part in PARTS)))
# of arms with a goal only
GOAL_METRICS = frozenset(metric for metric in TRAINING.end if metric.endswith("_goal"))

# Properties of an arm that can be swept, with the text that axes show.
SETTINGS = {
    "batch_size": "batch size",
    "lr": "reference learning rate",
    "k": "k, batch size / reference",
    "lr_over_batch": "learning rate / batch size",
    "growth_epoch": "epoch at which the batch grows",
    "train_images": "training images",
    "width": "width of the hidden layers",
}


def known(metric: str) -> str:
    """The metric, if there is one of that name; else an error with the nearest, as there are many."""
    if metric not in METRICS:
        near = get_close_matches(metric, METRICS, n=3, cutoff=0.0)
        raise ValueError(f"a metric such as {near}; got {metric!r}")
    return metric


Metric = Annotated[str, AfterValidator(known)]

# What a metric is counted in, by what its name ends in, "_by_epoch" aside; all others are plain numbers.
UNITS = {
    "_percent": "%",
    "shuffling_accuracy": "%",
    "_nats": "nats",
    "_nats_se": "nats",
    "_seconds": "seconds",
    "_mib": "MiB",
    "noise_scale": "examples",
    "noise_scale_two_batch": "examples",
    "examples_to_test_goal": "examples",
    "_batch_size": "examples",
    "r2": "R²",
    "r2_change": "R²",
    "r_squared": "R²",
    "epochs_to_goal": "epochs",
    "updates": "updates",
    "updates_to_goal": "updates",
    "updates_to_validation_goal": "updates",
    "updates_to_test_goal": "updates",
}
NUMBER, RATIO = "number", "ratio"


def unit_of(metric: str) -> str:
    """What a metric is counted in."""
    name = metric.removesuffix("_by_epoch")
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), NUMBER)


# Percentages that are shares of a whole; others, such as Metric 2.1, have no end.
SHARES = ("error_percent", "accuracy_percent", "shuffling_accuracy", "escaped_percent")


def most_of(metric: str) -> float:
    """The largest value that a metric can have."""
    if metric.endswith("_r_squared"):
        return 1.0
    return 100.0 if metric.endswith(SHARES) else float("inf")


# Positive, and skewed where they vary much between seeds: judged on the logarithm, whatever the data are.
SKEWED = (
    *("train_loss_nats", "validation_loss_nats", "test_loss_nats", "squared_error", "excess_loss"),
    *("_rmse", "_mae"),
    *("top_eigenvalue", "hessian_trace", "frobenius_norm", "stability_ratio", "edge_ratio", "thrash_ratio"),
    *("sharpness_percent", "sharpness_nats", "surface_rise_nats", "squared_length"),
    *("noise_scale", "noise_scale_two_batch", "gradient_variance"),
)


def is_skewed(metric: str) -> bool:
    """Whether seeds' values are compared on the logarithm in every kind of claim."""
    return metric.removesuffix("_by_epoch").endswith(SKEWED)
