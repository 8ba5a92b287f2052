"""What a study asks of a cluster: minutes and memory of a job; hours, GPU-hours and files of all of it."""

import heapq
import math
from collections.abc import Iterable

from largebatch.config import costs
from largebatch.config.costs import FAMILIES, dense_widths, multiplications, sides, updates
from largebatch.config.spec import Arm
from largebatch.config.study import Study, spread

# A job's minutes and megabytes may be wrong: its next attempt asks for more, and goes on from a checkpoint.
LEAST_MINUTES, SPARE = 1, 3.0
SHORT_MINUTES = 10  # of an arm with all its measures
EXHIBIT_MINUTES = 30
LEAST_MEGABYTES, MOST_OF_DATA = 2000, 16_000  # larger data sets stay in their file
# Of a seed's weights while they are measured: Lanczos keeps its vectors.
COPIES = 64
# Values that a net keeps for each pixel of an image, until it has gone backward.
ACTIVATIONS = {
    **dict.fromkeys(FAMILIES, 0),
    **{"cnn": 100, "keskar_cnn": 250, "vgg": 500, "resnet": 450, "resnet50": 450},
}
FILES_OF_A_RUN = 5
LEAST_SHARE = 32  # images of a batch for each GPU that works on it
# Bytes per second that a GPU sends, by their makers: NVLink in a box of 8, 400 Gbit/s for each GPU beyond.
BOX, WITHIN_A_BOX, BEYOND_IT = 8, 450e9, 50e9


def minutes(cost: float) -> int:
    """The time that a job of this cost asks for."""
    return LEAST_MINUTES + math.ceil(SPARE * cost / 60)


def short(study: Study, found: dict[str, float]) -> set[str]:
    """The arms that are trained and measured in so few minutes that a cluster should take several at once."""
    return {run for run, cost in of_arms(study, found).items() if minutes(cost) <= SHORT_MINUTES}


def of_arms(study: Study, found: dict[str, float]) -> dict[str, float]:
    """The costs of arms, each with its measures; found: as costs() gives them."""
    totals = dict.fromkeys(study.arms, 0.0)
    for file, cost in found.items():
        folder, run = file.split("/")[:2]
        if folder == "runs":
            totals[run] += cost
    return totals


def megabytes(arm: Arm, study: Study, kind: str) -> int:
    """The memory of the machine that training or measuring an arm asks for."""
    side = side_of(arm, study)
    images = arm.data.train + arm.data.validation + arm.data.test
    data = min(images * 3 * side**2 / 1e6, MOST_OF_DATA)
    return math.ceil(LEAST_MEGABYTES + data + (computing(arm, study) if kind == "cpu" else 0.0))


def computing(arm: Arm, study: Study) -> float:
    """Megabytes on the device: what layers put out, with its gradients, and copies of weights."""
    side, batch = side_of(arm, study), arm.micro_batch_size or max(arm.batch_sizes())
    put_out = 2 * batch * ACTIVATIONS[arm.model.name] * side**2
    return 4 * (put_out + COPIES * parameters(arm, side) * seeds_at_once(arm, study)) / 1e6


def side_of(arm: Arm, study: Study) -> int:
    return sides(study).get(arm.data.name) or costs.SIDES.get(arm.data.name, costs.SIDE)


def seeds_at_once(arm: Arm, study: Study) -> int:
    """Dense nets train all their seeds together, others one by one."""
    return study.seeds_of_files[arm.id] if FAMILIES[arm.model.name] == "dense" else 1


def parameters(arm: Arm, side: int) -> float:
    """Approximate weights of an arm's net."""
    match arm.model.name:
        case "mlp" | "resmlp":
            return multiplications(arm, side) + sum(dense_widths(arm.model))
        case "cnn":
            return sum(9 * a * b for a, b in zip([3, *arm.model.channels], arm.model.channels, strict=False))
        case "keskar_cnn":
            return 181e3 + 64 * 384 * (side / 4) ** 2
        case "vgg":
            return 15e6
        case "resnet":
            return 0.27e6 * (arm.model.depth - 2) / 18
        case "resnet50":
            return 25.6e6
    return 1e6  # a net of the user's


def plan(study: Study, gpus: int, kind: str) -> str:
    """What a study takes on so many GPUs of a kind, or cores."""
    found = costs.costs(study, study.arms, kind)
    hours = {file: cost / 3600 for file, cost in found.items()}
    trained = sum(hours[costs.trained(run)] for run in study.arms)
    files = FILES_OF_A_RUN * len(study.arms) + len(study.measures)
    memory = max(megabytes(arm, study, kind) for arm in study.arms.values()) / 1000
    device = max(computing(arm, study) for arm in study.arms.values()) / 1000
    seeds = spread(study.seeds_of_files[run] for run in study.arms)
    lines = [
        f"{study.scale}: {len(study.arms)} arms of {seeds} seeds, {len(study.measures)} measures",
        f"{kind}-hours: {rounded(sum(hours.values()))}, of which {rounded(trained)} to train",
        f"memory of a job at most: {memory:.1f} GB" + f", {device:.1f} GB on its GPU" * (kind != "cpu"),
        f"files before anything is drawn: {files}, {gigabytes(study):.2g} GB",
    ]
    shortest = math.inf
    most = 1 if kind == "cpu" or gpus < len(study.arms) else gpus
    for workers in powers_of_two(most):
        lasting, talking = hours_to_the_end(study, found, gpus, workers)
        told = f", at most {100 * talking:.2g} % of an arm's time to pass on gradients" * (workers > 1)
        if lasting < shortest:
            lines.append(f"hours on {gpus} {kind}, {workers} for each arm: {rounded(lasting)}{told}")
        shortest = min(shortest, lasting)
    return "\n".join(lines)


def rounded(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def powers_of_two(most: int) -> list[int]:
    return [2**n for n in range(most.bit_length())]


def hours_to_the_end(study: Study, found: dict[str, float], gpus: int, workers: int) -> tuple[float, float]:
    """With `workers` GPUs for each arm, and the most of an arm's time that passing on gradients takes.

    The longest arm first, each by the first that are free. A ring sends 2 (p - 1) / p of the gradient's bytes
    per update (Patarasuk and Yuan 2009), and nothing meanwhile is computed.
    """
    lasting, shares = [], []
    for run, cost in of_arms(study, found).items():
        arm = study.arms[run]
        share = min(workers, max(1, arm.batch_size // LEAST_SHARE))
        gradient = 4 * parameters(arm, side_of(arm, study))
        sent = updates(arm) * study.seeds_of_files[run] * ring_seconds(gradient, share)
        lasting.append(cost / share + sent)
        shares.append(sent / lasting[-1])
    return makespan(lasting, gpus // workers) / 3600, max(shares)


def ring_seconds(gradient: float, workers: int) -> float:
    """To average so many bytes over a ring of workers."""
    speed = WITHIN_A_BOX if workers <= BOX else BEYOND_IT
    return 2 * (workers - 1) / workers * gradient / speed


def makespan(seconds: Iterable[float], slots: int) -> float:
    """When the last job ends, if the longest that waits starts wherever one ends first."""
    ends = [0.0] * slots
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


def gigabytes(study: Study) -> float:
    """What the weights of all runs take on a disk, of their ends and of snapshots."""
    of_each = (
        study.seeds_of_files[run] * parameters(arm, side_of(arm, study)) * (1 + len(arm.snapshots_at_epochs))
        for run, arm in study.arms.items()
    )
    return 4 * sum(of_each) / 1e9
