"""What training, measures, paths and exhibits write, with the text that figures and tables show for it.

An observation is one number of one seed, with a position `at`. What `at` is tells four kinds of
metrics apart, and thereby how a number is read out of them:

- history: an epoch; recorded at every evaluation while a run is trained;
- end: none; one value a run;
- profile: a position of the metric's own, such as an epsilon, a radius, an alpha or an eigenvalue;
- by epoch: an epoch too, but one at which a snapshot of the weights was kept and then measured.
"""

from difflib import get_close_matches
from typing import Annotated, NamedTuple

from pydantic import AfterValidator


class Written(NamedTuple):
    """The metrics that one source writes, metric -> label, by their kind."""

    history: dict[str, str] = {}
    end: dict[str, str] = {}
    profile: dict[str, str] = {}
    by_epoch: dict[str, str] = {}

    @property
    def labels(self) -> dict[str, str]:
        return {metric: label for kind in self for metric, label in kind.items()}


def by_epoch(metrics: dict[str, str]) -> dict[str, str]:
    """The same metrics measured on snapshots along training."""
    return {f"{metric}_by_epoch": label for metric, label in metrics.items()}


# Of all seeds of an arm together, shared out evenly: where a run was resumed, of its last part only. No two
# runs take equally long, so what shows it is never the same bytes twice.
TRAIN_SECONDS = "train_seconds"
# How far the rounds lie apart in which these were timed: a difference within that is no evidence.
TIME_SPREAD = "time_spread"
TIMED_IN_ROUNDS = frozenset({"epoch_seconds", "update_seconds", "examples_per_second", "regression_seconds"})
# On the straight line through two minima.
LINE_LOSSES = {"train": "path_loss_nats", "test": "path_test_loss_nats"}

TRAINING = Written(
    history={
        "train_loss_nats": "training loss (nats)",
        "train_error_percent": "training error (%)",
        "train_accuracy_percent": "training accuracy (%)",
        "train_squared_error": "training squared error",
        "validation_loss_nats": "validation loss (nats)",
        "validation_error_percent": "validation error (%)",
        "validation_accuracy_percent": "validation accuracy (%)",
        "test_loss_nats": "test loss (nats)",
        "test_error_percent": "test error (%)",
        "test_accuracy_percent": "test accuracy (%)",
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
        TRAIN_SECONDS: "training time (seconds a seed)",
    },
)

CURVATURE = Written(
    end={
        "hessian_top_eigenvalue": "top Hessian eigenvalue",
        "hessian_bottom_eigenvalue": "bottom Hessian eigenvalue",
        "hessian_top_eigenvalue_products": "products with the Hessian for its top eigenvalue",
        "hessian_trace": "Hessian trace",
        "hessian_trace_products": "products with the Hessian for its trace (0: exact)",
        "hessian_trace_se": "standard error of the Hessian trace",
        "hessian_frobenius_norm": "Frobenius norm of the Hessian",
        "hessian_trace_method": "how the trace was found",  # place in lab.trace.METHODS; 0: exact
        "hessian_frobenius_norm_method": "how the Frobenius norm was found",
        "hessian_frobenius_norm_products": "products with the Hessian for its norm",
        "hessian_frobenius_norm_se": "standard error of the Frobenius norm",
    },
    profile={
        "hessian_eigenvalue": "Hessian eigenvalue",  # at: rank, the largest is 1
        "layer_top_eigenvalue": "top Hessian eigenvalue of the layer",  # at: number of the weight tensor
        "layer_trace": "Hessian trace of the layer",
        "layer_trace_se": "standard error of the layer's trace",
    },
)
NOISE = Written(
    end={
        "gradient_noise_scale": "gradient noise scale (examples)",
        "gradient_noise_scale_two_batch": "gradient noise scale, two batch sizes (examples)",
        "per_example_gradient_variance": "variance of the per-example gradient",
    },
    profile={"gradient_variance": "variance of the mini-batch gradient"},  # at: batch size
)
KESKAR = Written(profile={"sharpness_percent": "sharpness, Metric 2.1 (%)"})  # at: epsilon

SUBSPACE = Written(profile={"subspace_sharpness_percent": "sharpness in a random subspace (%)"})
BALL = Written(
    profile={
        "sam_sharpness_nats": "SAM sharpness (nats)",  # at: rho
        "adaptive_sharpness_nats": "adaptive sharpness (nats)",  # at: rho
        "average_sharpness_nats": "average sharpness (nats)",  # at: sigma
        "average_sharpness_nats_se": "standard error of the average sharpness (nats)",
    }
)
EXCESS = Written(end={"excess_squared_error": "training squared error above the least"})

# What is measured on the weights of one run.
MEASURED = {
    "curvature": CURVATURE,
    "density": Written(profile={"hessian_density": "density of Hessian eigenvalues"}),  # at: eigenvalue
    "agreement": Written(
        end={
            "pyhessian_top_eigenvalue": "top Hessian eigenvalue by PyHessian",
            "pyhessian_trace": "Hessian trace by PyHessian",
            "eigenvalue_difference_percent": "difference of the top eigenvalues (%)",
            "eigenvalue_tolerance_percent": "tolerance of the top eigenvalue (%)",
            "trace_difference_percent": "difference of the traces (%)",
            "trace_tolerance_percent": "tolerance of the trace (%)",
            "agreement_missed": "outside a tolerance (share of seeds)",
        }
    ),
    "keskar": KESKAR,
    "keskar_subspace": SUBSPACE,
    "ball": BALL,
    "surface": Written(
        profile={
            "surface_loss_nats": "loss, filter-normalised (nats)",  # at: distance
            "plain_surface_loss_nats": "loss, not normalised (nats)",
            "surface_rise_nats": "rise of the loss, filter-normalised (nats)",  # at: radius
            "plain_surface_rise_nats": "rise of the loss, not normalised (nats)",
            "plane_loss_nats": "loss (nats)",  # at: index of the grid point
            "plane_x": "distance in the first direction",
            "plane_y": "distance in the second direction",
        }
    ),
    "noise": NOISE,
    "rescaling": Written(
        profile={  # at: alpha, the factor by which layers are rescaled
            "rescaled_top_eigenvalue": "top Hessian eigenvalue, rescaled net",
            "rescaled_sharpness_percent": "sharpness, Metric 2.1, rescaled net (%)",
            "rescaled_adaptive_sharpness_nats": "adaptive sharpness, rescaled net (nats)",
            "rescaled_logit_change": "largest change of a logit by rescaling",
        }
    ),
    "excess": EXCESS,
    # Differences are the largest of a weight, over the largest change of a weight since the start.
    "equivalence": Written(
        end={
            "workers_difference": "difference: workers, one process",
            "accumulation_difference": "difference: accumulation, whole batch",
            "scaled_loss_difference": "difference: scaled loss, scaled rate; no decay",
            "scaled_loss_decay_difference": "difference: scaled loss, scaled rate; decay",
            "own_shuffles_difference": "difference: own shuffles, one shuffle",
            "shuffled_images_percent": "images in an epoch, one shuffle (%)",
            "own_shuffles_images_percent": "images in an epoch, own shuffles (%)",
            "worker_statistics_difference": "difference: workers, ghost batches in one process",
            "whole_statistics_difference": "difference: workers, whole batch in one process",
        }
    ),
    "curvature_by_epoch": Written(
        end={"stability_threshold": "stability threshold (2 + 2β)/η"},
        by_epoch=by_epoch(CURVATURE.end)
        | {"stability_ratio_by_epoch": "top eigenvalue / stability threshold"},
    ),
    "keskar_by_epoch": Written(by_epoch=by_epoch(KESKAR.profile)),
    "keskar_subspace_by_epoch": Written(by_epoch=by_epoch(SUBSPACE.profile)),
    "ball_by_epoch": Written(by_epoch=by_epoch(BALL.profile)),
    "noise_by_epoch": Written(by_epoch=by_epoch(NOISE.end)),
    "excess_by_epoch": Written(by_epoch=by_epoch(EXCESS.end)),
}
# Of two runs from one start, on the plane through it and both ends; there are none without snapshots.
PLANE = {
    "descent_loss_nats": "training loss on the plane (nats)",  # at: index of the grid point
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
        "examples_per_second": "examples a second",
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
MEASURES = {measure: tuple(written.labels) for measure, written in MEASURED.items()}
PATH_METRICS = frozenset(BETWEEN.labels)
EXHIBIT_METRICS = frozenset(PRIMER.labels)
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
