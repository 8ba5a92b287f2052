"""Progress lines: arms done and to do, time left, epochs within a long arm."""

import itertools
import json
import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from largebatch.config.spec import Arm

if TYPE_CHECKING:
    from largebatch.config.settings import Settings
    from largebatch.config.study import Study

NOTE = ".progress.json"
# Arms that take longer than this print lines while they train.
LONG_SECONDS = 10.0


# Seconds of one seed on one core: per update, per multiplication in a forward and
# a backward pass, per arm. Rough: only ratios count.
UPDATE_SECONDS, MULTIPLICATION_SECONDS, ARM_SECONDS = 3e-5, 1.2e-10, 0.03
BATCH_NORM = 1.7  # times the cost of a net without
EVALUATION = 1 / 3  # of the work of an update: a forward pass alone
STOPPED_AT = 0.2  # the share of its epochs after which an arm with a stopping rule is expected to stop
# Multiplications per image, in millions; for dense nets they are counted.
MODEL_MILLIONS = {
    "cnn": 1.0,
    "keskar_cnn": 40.0,
    "vgg": 300.0,
    "resnet": 40.0,
    "resnet50": 4000.0,
    "imported": 1.0,
}
PIXELS = {"digits": 64, "mnist": 784}
# What a measure takes, as passes forward and backward over its examples: of its jobs at digits. Along
# training, for each snapshot.
PASSES = {
    **{"curvature": 55, "scaled_curvature": 50, "density": 320, "agreement": 300, "noise": 140},
    **{"keskar": 105, "keskar_subspace": 165, "keskar_relative": 70, "ball": 410, "surface": 360},
    **{"rescaling": 1200, "equivalence": 670, "curvature_by_epoch": 25, "keskar_by_epoch": 55},
    **{"scaled_curvature_by_epoch": 9, "noise_by_epoch": 22, "excess_by_epoch": 4},
}
OTHER_PASSES = 100


def begin(scale_folder: Path, costs: dict[str, float]) -> None:
    """Record at the start of a workflow which files it will make, and the expected cost of each.

    costs: file below the scale's folder -> cost, as costs() gives them.
    """
    scale_folder.mkdir(parents=True, exist_ok=True)
    (scale_folder / NOTE).write_text(json.dumps({"costs": costs, "since": time.time()}), encoding="utf-8")


def costs(study: "Study", runs: Iterable[str]) -> dict[str, float]:
    """What these runs and their measures cost, by the file that each ends with."""
    arms = {run: study.arms[run] for run in runs}
    found = {trained(run): cost(arm, study.followed[run]) for run, arm in arms.items()}
    return found | {
        f"runs/{run}/{measure}.parquet": cost_of_measure(measure, settings, arms[run])
        for (measure, run), settings in study.measures.items()
        if run in arms
    }


def trained(run: str) -> str:
    """The last file of a run, below its scale's folder."""
    return f"runs/{run}/provenance.json"


def cost_of_measure(measure: str, settings: "Settings", arm: Arm) -> float:
    """The expected cost of a measure of a run, in the unit of cost()."""
    along = len(arm.snapshots_at_epochs) if measure.endswith("_by_epoch") else 1
    examples = getattr(settings, "examples", arm.data.train) * max(along, 1)
    return PASSES.get(measure, OTHER_PASSES) * examples * multiplications(arm) * MULTIPLICATION_SECONDS


def cost(arm: Arm, followed: Collection[str]) -> float:
    """The expected cost of training an arm, in seconds of one seed on one core.

    followed: the parts that are evaluated along it, beside those by which the arm itself ends.
    """
    epochs = arm.epochs * (STOPPED_AT if arm.stop or arm.goal else 1.0)
    updates = epochs * arm.data.train / mean_batch(arm) * passes(arm)
    images = epochs * arm.data.train * passes(arm)
    at_once = sum(getattr(arm.data, part) for part in {*followed, *arm.ends_by})
    evaluated = epochs / arm.evaluate_every_epochs * at_once * EVALUATION
    work = (images + evaluated) * multiplications(arm) * MULTIPLICATION_SECONDS
    norm = BATCH_NORM if getattr(arm.model, "batch_norm", False) else 1.0
    return ARM_SECONDS + norm * (updates * UPDATE_SECONDS + work)


# Jobs of two experiments never share a priority: trained below measured, measured below gathered and drawn.
MEASURED, PER_EXPERIMENT = 1.0, 2.0


def priorities(study: "Study") -> dict[object, float]:
    """What is trained, measured or shown -> its priority; the experiments' answers come in their order.

    Within an experiment long arms start before short ones, so that no core waits for the other at the end.
    Keys: a run's name, (measure, run's name), a path's or an exhibit's stem.
    """
    costs = {run: cost(arm, study.followed[run]) for run, arm in study.arms.items()}
    most = max(costs.values(), default=1.0)
    found: dict[object, float] = {}
    for place, e in enumerate(reversed(study.experiments)):  # the first mention counts, written last
        base = PER_EXPERIMENT * place
        found |= {arm.id: base + costs[arm.id] / most * MEASURED / 2 for arm in e.arms}
        measured = [(measure, name) for measure, name, _ in e.settings_of_measures() if measure != "path"]
        paths = [name for measure, name, _ in e.settings_of_measures() if measure == "path"]
        found |= dict.fromkeys([*measured, *paths, *e.exhibit_stems().values()], base + MEASURED)
    return found


def mean_batch(arm: Arm) -> float:
    """The constant batch size with the same number of updates; a growing batch changes in each stage."""
    ends = [0.0, *arm.steps_at_epochs(), float(arm.epochs)]
    sizes = arm.batch_sizes()
    stages = zip(itertools.pairwise(ends), itertools.chain(sizes, itertools.repeat(sizes[-1])), strict=False)
    return arm.epochs / sum((end - start) / size for (start, end), size in stages)


def passes(arm: Arm) -> float:
    """Forward and backward passes per batch."""
    twice = sum(map(bool, (arm.sharpness_aware, arm.gradient_penalty, arm.adversarial)))
    return (1 + twice) * (arm.proximal.steps if arm.proximal else 1)


def multiplications(arm: Arm) -> float:
    """Approximate multiplications for one image in one forward pass."""
    model = arm.model
    if model.name in MODEL_MILLIONS:
        return MODEL_MILLIONS[model.name] * 1e6
    hidden = model.hidden if model.name == "mlp" else [model.width] * (1 + 2 * model.blocks)
    widths = [PIXELS.get(arm.data.name, 3072), *hidden, 10]
    return sum(a * b for a, b in itertools.pairwise(widths))


def finished(scale_folder: Path, files: Iterable[str], since: float) -> list[str]:
    """Those of the files that have been made since this time."""
    paths = {file: scale_folder / file for file in files}
    return [file for file, path in paths.items() if path.exists() and path.stat().st_mtime >= since]


def arm_line(run_folder: Path, seconds: float) -> str:
    """The line for a finished run."""
    text = f"trained {run_folder.name} in {seconds:.1f} s"
    note_path = run_folder.parent.parent / NOTE
    if not note_path.exists():
        return text
    try:
        note = json.loads(note_path.read_text(encoding="utf-8"))
        costs, since = note["costs"], note["since"]
    except (ValueError, LookupError, TypeError):  # damaged: only the count of arms is lost
        return text
    done = finished(note_path.parent, costs, since)
    arms, all_arms = (sum(file.endswith(".json") for file in files) for files in (done, costs))
    if not 0 < len(done) < len(costs):
        return f"[{arms}/{all_arms} arms] {text}"
    left = seconds_left(costs, done, time.time() - since)
    return f"[{arms}/{all_arms} arms, about {duration(left)} left] {text}"


def seconds_left(costs: dict[str, float], done: Collection[str], elapsed: float) -> float:
    """Expected seconds for the other files, at the rate so far."""
    worked_off = sum(costs[file] for file in done)
    return elapsed / worked_off * (sum(costs.values()) - worked_off)


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class EpochLines:
    """Prints where an arm goes on, and the progress within a long one now and then."""

    def __init__(self, name: str):
        self.name = name
        self.last = time.monotonic()

    def __call__(self, text: str) -> None:
        if not text.startswith("epoch") or time.monotonic() - self.last > LONG_SECONDS:
            self.last = time.monotonic()
            say(f"{self.name}: {text}")


def say(text: str) -> None:
    """Print a whole line at once, so that lines of parallel jobs do not mix."""
    os.write(1, f"{text}\n".encode())
