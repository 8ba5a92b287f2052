"""The settings of measures of how flat a minimum is; see measures.py."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from largebatch.config.settings import Count, MaybePositions, Positions, Positive, Settings
from largebatch.config.written import Written, by_epoch


class Curvature(Settings):
    """Eigenvalues, trace and Frobenius norm of the Hessian of the mean training loss.

    lanczos: batched over seeds; an eigenvalue is known to `tolerance` of the largest magnitude (from 1.2e-5
    in single precision), or is NaN where `most_products` products with the Hessian did not suffice.
    pyhessian: power iteration until two steps differ by less (Yao et al. 2020), which bounds no error.
    top: so many eigenvalues from the largest. probes: random vectors for what is estimated, the trace
    where no exact one is known and the norm (Epperly et al. 2024); 0 leaves these out.
    """

    examples: Count
    backend: Literal["lanczos", "pyhessian"] = "lanczos"
    top: Count = 1
    tolerance: Positive = 1e-4
    most_products: Count = 200
    probes: Annotated[int, Field(ge=0, le=10_000)] = 10
    bottom: bool = False
    per_layer: bool = False
    module: ClassVar = "curvature"
    writes: ClassVar = Written(
        end={
            "hessian_top_eigenvalue": "top Hessian eigenvalue",
            "hessian_bottom_eigenvalue": "bottom Hessian eigenvalue",
            "hessian_top_eigenvalue_products": "products with the Hessian for its top eigenvalue",
            "hessian_trace": "Hessian trace",
            "hessian_trace_products": "products with the Hessian for its trace (0: exact)",
            "hessian_trace_se": "standard error of the Hessian trace",
            "hessian_frobenius_norm": "Frobenius norm of the Hessian",
            "hessian_trace_method": "how the trace was found",  # place in measures.trace.METHODS; 0: exact
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
    writes_by_epoch: ClassVar = Written(
        end={"stability_threshold": "stability threshold (2 + 2β)/η"},
        by_epoch=by_epoch(writes.end) | {"stability_ratio_by_epoch": "top eigenvalue / stability threshold"},
    )

    @model_validator(mode="after")
    def can_be_done(self):
        if self.probes == 1:
            raise ValueError("probes of 0 or at least 2, for a standard error; got 1")
        more = [name for name in ("top", "bottom", "per_layer") if getattr(self, name) not in (1, False)]
        if self.backend == "pyhessian" and more:
            raise ValueError(f"backend: lanczos for {', '.join(more)}; got pyhessian")
        return self


class ScaledCurvature(Settings):
    """Curvature in units of each weight tensor's own length, which rescaling of layers does not change.

    Of the weights of linear layers and convolutions. tolerance, most_products: of the top eigenvalue, as in
    Curvature; it is left out without `eigenvalue`. probes: random vectors for traces where none is exact.
    """

    examples: Count
    eigenvalue: bool = True
    tolerance: Positive = 1e-4
    most_products: Count = 200
    probes: Annotated[int, Field(ge=2, le=10_000)] = 20
    module: ClassVar = "scaled_curvature"
    writes: ClassVar = Written(
        end={
            "scaled_top_eigenvalue": "top Hessian eigenvalue, scale-invariant",
            "scaled_top_eigenvalue_products": "products with the Hessian for that eigenvalue",
            "scaled_hessian_trace": "Hessian trace, scale-invariant",
            "scaled_hessian_trace_se": "standard error of the scale-invariant trace",
            "weight_hessian_trace": "Hessian trace of the layers' weights",
            "mean_squared_length": "mean ‖w‖² of layers, weighted by their trace",
            "weight_length": "length of all layers' weights ‖w‖",
        },
        profile={  # at: number of the weight tensor
            "layer_squared_length": "squared length of the layer's weights ‖w‖²",
            "layer_scaled_trace": "Hessian trace of the layer, scale-invariant",
        },
    )
    writes_by_epoch: ClassVar = Written(by_epoch=by_epoch(writes.end))


class Density(Settings):
    """Density of the Hessian's eigenvalues by stochastic Lanczos quadrature (Ghorbani et al. 2019).

    On `points` eigenvalues from `low` to `high`, each smoothed by a Gaussian of standard deviation `width`.
    """

    examples: Count
    low: float
    high: float
    points: Count = 200
    width: Positive
    probes: Count = 5
    steps: Count = 40
    module: ClassVar = "curvature"
    writes: ClassVar = Written(
        profile={"hessian_density": "density of Hessian eigenvalues"}  # at: eigenvalue
    )

    @model_validator(mode="after")
    def low_is_lower(self):
        if self.low >= self.high:
            raise ValueError(f"low below high = {self.high:g}; got {self.low:g}")
        return self


class Agreement(Settings):
    """How far our top eigenvalue and trace lie from PyHessian's (Yao et al. 2020).

    eigenvalue_tolerance: power iteration stops where two steps differ by less, which may also be where it
    rests at the second eigenvector; 1e-3 let it do so.
    """

    examples: Count
    eigenvalue_iterations: Count = 200
    eigenvalue_tolerance: Positive = 1e-5
    trace_probes: Count = 100
    module: ClassVar = "agreement"
    writes: ClassVar = Written(
        end={
            "pyhessian_top_eigenvalue": "top Hessian eigenvalue by PyHessian",
            "pyhessian_trace": "Hessian trace by PyHessian",
            "eigenvalue_difference_percent": "difference of the top eigenvalues (%)",
            "eigenvalue_tolerance_percent": "tolerance of the top eigenvalue (%)",
            "trace_difference_percent": "difference of the traces (%)",
            "trace_tolerance_percent": "tolerance of the trace (%)",
            "agreement_missed": "outside a tolerance (share of seeds)",
        }
    )


class Keskar(Settings):
    """Sharpness in a box of the whole space, Metric 2.1 of Keskar et al. 2017, by L-BFGS-B."""

    examples: Count
    epsilon: Positions = [1e-3, 5e-4]
    iterations: Count = 10
    module: ClassVar = "sharpness"
    writes: ClassVar = Written(profile={"sharpness_percent": "sharpness, Metric 2.1 (%)"})  # at: epsilon
    writes_by_epoch: ClassVar = Written(by_epoch=by_epoch(writes.profile))


class KeskarSubspace(Keskar):
    """The same in a random subspace of so many dimensions."""

    dimensions: Count = 100
    writes: ClassVar = Written(profile={"subspace_sharpness_percent": "sharpness in a random subspace (%)"})
    writes_by_epoch: ClassVar = Written(by_epoch=by_epoch(writes.profile))


class KeskarRelative(Keskar):
    """The same with every weight moved by at most `epsilon` of its own size, and a weight of 0 by nothing.

    Metric 2.1 adds 1 to each size, so that its box hardly depends on the weights; this one grows with them.
    """

    epsilon: Positions = [0.02]
    writes: ClassVar = Written(profile={"relative_sharpness_percent": "sharpness in a relative box (%)"})
    writes_by_epoch: ClassVar = Written(by_epoch=by_epoch(writes.profile))


class Ball(Settings):
    """Worst rise of the loss in a ball (Foret et al. 2021), in one scaled by the weights (Kwon et al. 2021).

    And the mean rise under Gaussian noise of standard deviation `sigma` over so many `directions`. Without
    any position of a kind, that kind is left out.
    """

    examples: Count
    rho: MaybePositions = [0.05]
    adaptive_rho: MaybePositions = [0.5]
    sigma: MaybePositions = [0.01]
    steps: Count = 20
    directions: Count = 20
    module: ClassVar = "sharpness"
    writes: ClassVar = Written(
        profile={
            "sam_sharpness_nats": "SAM sharpness (nats)",  # at: rho
            "adaptive_sharpness_nats": "adaptive sharpness (nats)",  # at: rho
            "average_sharpness_nats": "average sharpness (nats)",  # at: sigma
            "average_sharpness_nats_se": "standard error of the average sharpness (nats)",
        }
    )
    writes_by_epoch: ClassVar = Written(by_epoch=by_epoch(writes.profile))


class LossSurface(Settings):
    """Loss along random directions, filter-normalised and not (Li et al. 2018).

    On `points` distances up to `reach` both ways; on a plane of `plane_points` x `plane_points`; and its
    rise at each `radius`. renormalise: on the line, BatchNorm statistics are estimated anew at each point.
    """

    examples: Count
    reach: Positive = 1.0
    points: Count = 25
    plane_points: Count = 15
    directions: Count = 5
    radius: Positions = [0.5]
    renormalise: bool = False
    module: ClassVar = "surface"
    writes: ClassVar = Written(
        profile={
            "surface_loss_nats": "loss, filter-normalised (nats)",  # at: distance
            "plain_surface_loss_nats": "loss, not normalised (nats)",
            "surface_rise_nats": "rise of the loss, filter-normalised (nats)",  # at: radius
            "plain_surface_rise_nats": "rise of the loss, not normalised (nats)",
            "plane_loss_nats": "loss (nats)",  # at: index of the grid point
            "plane_x": "distance in the first direction",
            "plane_y": "distance in the second direction",
        }
    )


class Rescaling(Settings):
    """Sharpness of the same function with its layers rescaled by each `alpha` (Dinh et al. 2017)."""

    examples: Count
    alpha: Positions
    epsilon: Positive = 1e-3
    rho: Positive = 0.5
    module: ClassVar = "rescaling"
    writes: ClassVar = Written(
        profile={  # at: alpha, the factor by which layers are rescaled
            "rescaled_top_eigenvalue": "top Hessian eigenvalue, rescaled net",
            "rescaled_sharpness_percent": "sharpness, Metric 2.1, rescaled net (%)",
            "rescaled_adaptive_sharpness_nats": "adaptive sharpness, rescaled net (nats)",
            "rescaled_logit_change": "largest change of a logit by rescaling",
        }
    )
