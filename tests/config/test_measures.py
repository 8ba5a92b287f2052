"""The settings of measures: what may be given, and what a mistake in them says."""

import pytest
from pydantic import ValidationError

from largebatch.config.measures import Measures, class_of

# Of each the fewest settings; of most only how many images it looks at.
FEWEST = {"examples": 64}
GIVEN = {
    name: FEWEST if "examples" in class_of(name).model_fields else {} for name in Measures.model_fields
} | {
    "density": {"examples": 64, "low": -1.0, "high": 10.0, "width": 0.1},
    "noise": {"examples": 64, "batch_sizes": [1, 4, 16], "small": 4, "large": 64},
    "rescaling": {"examples": 64, "alpha": [0.5, 2.0]},
    "keskar_by_epoch": {"examples": 64, "epsilon": [1e-3]},
    "keskar_subspace_by_epoch": {"examples": 64, "epsilon": [1e-3]},
    "noise_by_epoch": {"examples": 64, "batch_sizes": [1], "small": 4, "large": 64},
    "path": {},
}


def test_what_a_scale_does_not_measure_has_no_settings():
    assert Measures() == Measures(**dict.fromkeys(GIVEN))


@pytest.mark.parametrize("measure", GIVEN)
def test_the_fewest_settings_are_enough_and_come_back_from_json(measure):
    settings = Measures.model_validate({measure: GIVEN[measure]})
    assert Measures.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("measure", GIVEN)
def test_what_has_no_default_is_needed(measure):
    for key in GIVEN[measure].keys() - {"epsilon"}:
        with pytest.raises(ValidationError, match=rf"{measure}.{key}\n  Field required"):
            Measures.model_validate({measure: {k: v for k, v in GIVEN[measure].items() if k != key}})


@pytest.mark.parametrize(
    ("measure", "settings", "wanted"),
    [
        ("curvature", {"probes": -1}, "greater than or equal to 0"),
        ("curvature", {"probes": 1}, "0 or at least 2, for a standard error; got 1"),
        ("curvature", {"backend": "pyhessian", "top": 2}, "lanczos for top; got pyhessian"),
        ("curvature_by_epoch", {"per_layer": True}, "without per_layer; got more"),
        ("ball_by_epoch", {"rho": [0.1, 0.2]}, r"ball_by_epoch.rho of one value; got \[0.1, 0.2\]"),
        ("ball", {"adaptive_rho": [0.5, 0.0]}, "greater than 0"),
        ("scaled_curvature", {"probes": 1}, "greater than or equal to 2"),
        ("scaled_curvature", {"eigenvalue": 1}, "valid boolean"),
        ("keskar_relative", {"epsilon": []}, "at least 1 item"),
        (
            "keskar_relative_by_epoch",
            {"epsilon": [0.01, 0.02]},
            r"keskar_relative_by_epoch.epsilon of one value; got \[0.01, 0.02\]",
        ),
        ("density", {"low": 10.0}, "low below high = 10; got 10"),
        ("keskar", {"epsilon": []}, "at least 1 item"),
        ("keskar", {"epsilon": [1e-3, 0.0]}, "greater than 0"),
        ("keskar", {"epsilon": [1e-3, 1e-3]}, r"each value once; got \[0.001, 0.001\]"),
        ("noise", {"small": 64}, "small below large = 64; got 64"),
        ("equivalence", {"workers": 1}, "greater than or equal to 2"),
        ("equivalence", {"loss_factor": 1.0}, "greater than 1"),
        ("equivalence", {"weight_decay": 0.0}, "greater than 0"),
        ("path", {"points": 24}, "greater than or equal to 25"),
        ("path", {"low": 2.0}, "low below high = 2; got 2"),
    ],
)
def test_settings_that_cannot_be(measure, settings, wanted):
    with pytest.raises(ValidationError, match=wanted):
        Measures.model_validate({measure: GIVEN[measure] | settings})
