"""Top eigenvalue and trace of the Hessian: this code against PyHessian and curvlinops, one thread.

Two kinds of trained nets: the digits MLP, 20 seeds, and Keskar's F1 (784-5x(512, BatchNorm, ReLU)-10), 5
seeds, on 1,000 images each (digits, for F1 enlarged to 28 x 28). Errors are relative to a reference in double
precision: Lanczos to 1e-10, and the exact trace, which the tests prove against dense Hessians. No method's
own stopping rule is used. Every method is timed at the loosest setting at which its true
error is below the target (1e-4 for the eigenvalue, 1 % for the trace). The others take one
net after another; ours takes all seeds together.

The error of an estimated trace is its root mean square over nets and repeats. If the target would need more
Hessian-vector products than is affordable, the number is extrapolated by the 1/√m law; the table says so.

With --peers a Hessian-vector product in JAX is among the methods, where peers.py has the net: on digits.

python benchmarks/curvature.py [--nets digits f1] [--peers] [--out results/benchmarks/curvature-cpu.csv]
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from throughput import write
from torch import nn

from largebatch.config.spec import Arm
from largebatch.data import datasets, splits
from largebatch.data.randomness import generator
from largebatch.data.splits import Dataset
from largebatch.measures import curvature, reference
from largebatch.measures.nets import Nets
from largebatch.measures.trace import exact_by_tensor
from largebatch.training import device
from largebatch.training.train import train

IMAGES = 1000
EIGENVALUE_ERROR, TRACE_ERROR = 1e-4, 1e-2
# Tolerances from loose to tight; first numbers of iterations and probes.
LANCZOS_TOLERANCES = [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5]
ITERATIONS, PROBES = 16, 30
# Hessian-vector products that a trace may cost on one net; beyond that it is extrapolated.
AFFORDABLE = {"digits": 480, "f1": 30}
# Work longer than this is timed once; shorter work three times, and the best counts.
LONG_SECONDS = 1.0

CASES = {
    "digits": {
        "seeds": 20,
        "model": {"name": "mlp", "hidden": [128, 128]},
        "batch_size": 102,
        "epochs": 60,
    },
    "f1": {
        "seeds": 5,
        "model": {"name": "mlp", "hidden": [512] * 5, "batch_norm": True},
        "batch_size": 100,
        "epochs": 3,
    },
}


@dataclass
class Reached:
    """What a method needed: Hessian-vector products and CPU seconds per net, and its true relative error."""

    setting: str
    products: float
    seconds: float
    error: float


def trained(case: str, images: torch.Tensor, labels: torch.Tensor) -> Nets:
    """The nets of a case, trained with Adam at its default rate."""
    of = CASES[case]
    settings = {
        "data": {"name": "digits", "train": IMAGES, "validation": 297, "test": 500},
        "optimiser": {"name": "adam"},
        "lr": 1e-3,
        **{key: of[key] for key in ("model", "batch_size", "epochs")},
    }
    arm, dataset = Arm.model_validate(settings), Dataset(images, labels, images.dtype)
    run = train(arm, list(range(of["seeds"])), dataset, followed=())
    return Nets(arm, run.seeds, run.weights, dataset)


def seconds_of(work: Callable[[], object]) -> float:
    """CPU seconds of the shortest of three runs; long work runs once."""
    found: list[float] = []
    while len(found) < 3 and (not found or found[0] < LONG_SECONDS):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def relative(values: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return (values.double() - truth).abs() / truth.abs()


def our_eigenvalue(nets: Nets, truth: torch.Tensor) -> Reached:
    """All seeds at once; the error is that of the worst seed."""
    for tolerance in LANCZOS_TOLERANCES:
        found = curvature.top(nets.landscape(IMAGES), nets.streams("curvature"), tolerance=tolerance)
        error = relative(found.values[:, 0], truth).max().item()
        if error <= EIGENVALUE_ERROR:
            break

    def work():
        curvature.top(nets.landscape(IMAGES), nets.streams("curvature"), tolerance=tolerance)

    seconds = seconds_of(work) / len(nets.seeds)
    return Reached(f"tolerance {tolerance:g}", found.products.mean().item(), seconds, error)


def pyhessian_eigenvalue(nets: Nets, truth: torch.Tensor) -> Reached:
    """Power iteration, each net with as many iterations as it needs."""
    reached = [power_iteration(nets, index, value.item()) for index, value in enumerate(truth)]
    return mean_of(reached, "as many iterations as each net needs")


def power_iteration(nets: Nets, index: int, truth: float) -> Reached:
    """As few iterations as reach the error: doubled until they do, then halved in between."""
    problem = nets.plain_problem(index, IMAGES)

    def error(iterations: int) -> float:
        return abs(reference.top_eigenvalue(*problem, iterations, 0.0, index) - truth) / truth

    enough = ITERATIONS
    while error(enough) > EIGENVALUE_ERROR:
        enough *= 2
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if error(middle) <= EIGENVALUE_ERROR else (middle, enough)
    seconds = seconds_of(lambda: error(enough))
    return Reached(f"{enough} iterations", enough, seconds, error(enough))


def curvlinops_eigenvalue(nets: Nets, truth: torch.Tensor) -> Reached:
    """SciPy's eigsh on curvlinops' operator, each net at the loosest tolerance that is enough."""
    return eigsh(lambda index: hessian_operator(nets, index).to_scipy().matvec, truth, parameters_of(nets))


def jax_eigenvalue(nets: Nets, truth: torch.Tensor) -> Reached:
    """SciPy's eigsh on a compiled product in JAX, in the same way."""
    from peers import jax_hessian  # JAX is none of the project's own dependencies

    made = [jax_hessian(*nets.plain_problem(index, IMAGES))[0] for index in range(len(truth))]
    return eigsh(lambda index: made[index], truth, parameters_of(nets))


def parameters_of(nets: Nets) -> int:
    return nets.landscape(IMAGES).parameters


def eigsh(product_of: Callable[[int], Callable], truth: torch.Tensor, parameters: int) -> Reached:
    """Each net at the loosest tolerance that is enough; product_of: a net's index -> v (p,) -> H v."""
    reached = [eigsh_of(product_of, index, value.item(), parameters) for index, value in enumerate(truth)]
    return mean_of(reached, "as tight a tolerance as each net needs")


def eigsh_of(product_of: Callable[[int], Callable], index: int, truth: float, parameters: int) -> Reached:
    from scipy.sparse.linalg import LinearOperator
    from scipy.sparse.linalg import eigsh as solve

    calls = [0]

    def operator() -> LinearOperator:
        inner = product_of(index)

        def product(v):
            calls[0] += 1
            return inner(v)

        return LinearOperator((parameters, parameters), matvec=product, dtype=np.float32)

    for tolerance in LANCZOS_TOLERANCES:

        def work(tolerance: float = tolerance) -> float:
            calls[0] = 0
            start = torch.randn(parameters, generator=generator(index, "curvature")).numpy()
            made = operator()
            return float(solve(made, k=1, which="LA", tol=tolerance, v0=start, return_eigenvectors=False)[0])

        error = abs(work() - truth) / truth
        if error <= EIGENVALUE_ERROR:
            break
    return Reached(f"tolerance {tolerance:g}", calls[0], seconds_of(work), error)


def hessian_operator(nets: Nets, index: int):
    import curvlinops

    net, images, labels = nets.plain_problem(index, IMAGES)
    parameters = list(net.parameters())
    return curvlinops.HessianLinearOperator(
        net, nn.CrossEntropyLoss(), parameters, [(images, labels)], check_deterministic=False
    )


def our_trace(nets: Nets, truth: torch.Tensor) -> Reached:
    """Exact, but for rounding."""
    landscape = nets.landscape(IMAGES)

    def work() -> torch.Tensor:
        return curvature.trace_and_norm(landscape, nets.streams("curvature"), 0)[0].value

    error = relative(work(), truth).max().item()
    return Reached("exact", 0, seconds_of(work) / len(nets.seeds), error)


def pyhessian_trace(nets: Nets, truth: torch.Tensor, affordable: int) -> Reached:
    """Hutchinson's mean of as many probes as bring the error over all nets to the target."""

    def estimate(index: int, probes: int) -> float:
        return reference.trace(*nets.plain_problem(index, IMAGES), probes, index)[0]

    return estimated(estimate, truth, affordable)


def curvlinops_trace(nets: Nets, truth: torch.Tensor, affordable: int) -> Reached:
    """Hutch++ on curvlinops' operator."""
    import curvlinops

    def estimate(index: int, products: int) -> float:
        torch.manual_seed(index)
        return float(curvlinops.hutchpp_trace(hessian_operator(nets, index), num_matvecs=products // 3 * 3))

    return estimated(estimate, truth, affordable)


def jax_trace(nets: Nets, truth: torch.Tensor, affordable: int) -> Reached:
    """Hutchinson's mean in JAX, ten probes at a time."""
    from peers import jax_hessian

    traces = [jax_hessian(*nets.plain_problem(index, IMAGES))[1] for index in range(len(truth))]
    traces[0](PROBES, 0)  # compiles
    return estimated(lambda index, probes: traces[index](probes // 10 * 10, index), truth, affordable)


def estimated(estimate: Callable[[int, int], float], truth: torch.Tensor, affordable: int) -> Reached:
    """Raise the number of products until the error is at the target, or extrapolate by the 1/√m law."""
    products = PROBES
    while True:
        start = time.process_time()
        values = torch.tensor([estimate(index, products) for index in range(len(truth))], dtype=torch.float64)
        seconds = (time.process_time() - start) / len(truth)
        error = relative(values, truth).square().mean().sqrt().item()
        if error <= TRACE_ERROR:
            return Reached(f"{products} products", products, seconds, error)
        wanted = products * (error / TRACE_ERROR) ** 2
        following = int(min(max(wanted, 1.3 * products), affordable))
        if following <= products:
            times = wanted / products
            return Reached(
                f"extrapolated from {products} products at {100 * error:.2g} %",
                wanted,
                seconds * times,
                TRACE_ERROR,
            )
        products = following


def mean_of(reached: list[Reached], setting: str) -> Reached:
    """Mean cost per net, and the largest error."""
    count = len(reached)
    return Reached(
        setting,
        sum(r.products for r in reached) / count,
        sum(r.seconds for r in reached) / count,
        max(r.error for r in reached),
    )


def rows_of(case: str, images: torch.Tensor, labels: torch.Tensor, peers: bool) -> list[dict]:
    """All methods on the nets of one case; peers: JAX too, of nets without BatchNorm."""
    nets = trained(case, images, labels)
    landscape = nets.landscape(IMAGES, torch.float64)
    top = curvature.top(landscape, nets.streams("curvature"), tolerance=1e-10).values[:, 0]
    trace = exact_by_tensor(landscape).sum(0)
    affordable = AFFORDABLE[case]
    methods = {
        ("top eigenvalue", "ours"): lambda: our_eigenvalue(nets, top),
        ("top eigenvalue", "pyhessian"): lambda: pyhessian_eigenvalue(nets, top),
        ("top eigenvalue", "curvlinops"): lambda: curvlinops_eigenvalue(nets, top),
        ("trace", "ours"): lambda: our_trace(nets, trace),
        ("trace", "pyhessian"): lambda: pyhessian_trace(nets, trace, affordable),
        ("trace", "curvlinops"): lambda: curvlinops_trace(nets, trace, affordable),
    }
    if peers:
        methods |= {
            ("top eigenvalue", "jax"): lambda: jax_eigenvalue(nets, top),
            ("trace", "jax"): lambda: jax_trace(nets, trace, affordable),
        }
    rows, ours = [], {}
    for (quantity, method), run in methods.items():
        found = run()
        own = ours.setdefault(quantity, found)
        rows.append(
            {
                "device": device.current(),
                "net": case,
                "parameters": landscape.parameters,
                "seeds": len(nets.seeds),
                "quantity": quantity,
                "method": method,
                "setting": found.setting,
                "products_a_net": round(found.products, 1),
                "milliseconds_a_net": round(1000 * found.seconds, 1),
                "true_relative_error": f"{found.error:.2g}",
                "times_our_products": round(found.products / own.products, 2) if own.products else "",
                "times_our_seconds": round(found.seconds / own.seconds, 2),
            }
        )
        print("  ".join(f"{k} {v}" for k, v in rows[-1].items() if k != "device"), flush=True)
    return rows


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """images (1797, 1, 8, 8), labels (1797,)."""
    with tempfile.TemporaryDirectory() as folder:
        datasets.prepare("digits", Path(folder), Path(folder) / "digits.safetensors")
        dataset = splits.load(Path(folder) / "digits.safetensors", torch.float32, torch.device("cpu"))
    return dataset.images, dataset.labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--peers", action="store_true", help="JAX too, on the nets without BatchNorm")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/curvature-cpu.csv"))
    a = parser.parse_args()
    device.prepare(threads=1)
    warnings.filterwarnings("ignore", category=FutureWarning)  # torch.jit.script in what curvlinops imports
    images, labels = digits()
    large = F.interpolate(images, size=(28, 28), mode="bilinear")
    rows = [
        row
        for case in a.nets
        for row in rows_of(
            case,
            large if case == "f1" else images,
            labels,
            a.peers and not CASES[case]["model"].get("batch_norm"),
        )
    ]
    write(a.out, rows)


if __name__ == "__main__":
    main()
