"""How far our top eigenvalue and trace of the Hessian lie from PyHessian's."""

import math
from collections.abc import Iterator

from largebatch.config.flatness import Agreement
from largebatch.data.randomness import stream_seed
from largebatch.files import Observation
from largebatch.measures import curvature, reference
from largebatch.measures.nets import Nets

# Relative error of the top eigenvalue that others are compared with.
TOLERANCE = 1e-4


def measure_agreement(nets: Nets, settings: Agreement) -> Iterator[Observation]:
    """PyHessian's eigenvalue and trace, how far they lie from ours, and how far they may.

    Power iteration stops when two steps differ by less than its tolerance, which bounds no error: where the
    two largest eigenvalues are 0.5 % apart, a hundred times that is left. So much is allowed, and our own
    tolerance. Of the trace, four standard errors of the difference.
    """
    landscape, streams = nets.landscape(settings.examples), nets.streams("curvature")
    tops = nets.known("agreement", curvature.top(landscape, streams, tolerance=TOLERANCE))[:, 0].tolist()
    exact, _ = curvature.trace_and_norm(landscape, streams, 0)
    traces = exact or curvature.trace_and_norm(landscape, streams, settings.trace_probes)[0]
    precision = settings.eigenvalue_iterations, settings.eigenvalue_tolerance
    for index, seed in enumerate(nets.seeds):
        problem, stream = nets.plain_problem(index, settings.examples), stream_seed(seed, "curvature")
        top = reference.top_eigenvalue(*problem, *precision, stream, nets.arm.loss)
        value, error = reference.trace(*problem, settings.trace_probes, stream, nets.arm.loss)
        trace, own_error = traces.value[index].item(), traces.error[index].item()
        differences = (abs(top - tops[index]) / abs(tops[index]), abs(value - trace) / abs(trace))
        tolerances = (
            100 * settings.eigenvalue_tolerance + TOLERANCE,
            4 * math.hypot(error, own_error) / abs(trace),
        )
        outside = any(d > t for d, t in zip(differences, tolerances, strict=True))
        missed = math.nan if math.isnan(tops[index]) else float(outside)
        for metric, number in (
            ("pyhessian_top_eigenvalue", top),
            ("eigenvalue_difference_percent", 100 * differences[0]),
            ("eigenvalue_tolerance_percent", 100 * tolerances[0]),
            ("pyhessian_trace", value),
            ("trace_difference_percent", 100 * differences[1]),
            ("trace_tolerance_percent", 100 * tolerances[1]),
            ("agreement_missed", missed),
        ):
            yield Observation(seed, metric, None, number)
