"""What a study costs: the work of its arms and measures, by a model that was fitted to measured runs."""

import itertools
from collections.abc import Collection, Iterable
from typing import NamedTuple

from largebatch.config.experiment import path_stem
from largebatch.config.parts import Model
from largebatch.config.settings import Settings
from largebatch.config.spec import Arm
from largebatch.config.study import Study


class Speed(NamedTuple):
    """Seconds of a seed on a device: per update, multiplication (forward and backward), normalised unit."""

    update: float
    multiplication: float
    unit: float = 0.0


# Fitted to runs and benchmarks: docs/cluster.md. cpu: one core. Those of convolutions include BatchNorm.
SPEEDS = {
    "cpu": {
        "dense": Speed(1.7e-5, 7.4e-11, 4.3e-9),
        "convolution": Speed(7e-4, 7.5e-11),
        "residual": Speed(7e-4, 9e-11),
    },
    "h200": {
        "dense": Speed(7e-4, 2.9e-12),
        "convolution": Speed(7e-4, 2.9e-13),
        "residual": Speed(4e-3, 8.6e-13),
    },
}
SPEEDS["h100"] = SPEEDS["h200"]  # the same arithmetic, and less memory bandwidth; never measured
FAMILIES = {
    **dict.fromkeys(("mlp", "resmlp", "imported"), "dense"),
    **dict.fromkeys(("cnn", "keskar_cnn", "vgg", "resnet50"), "convolution"),
    "resnet": "residual",  # whose few channels leave a GPU idle
}
ARM_SECONDS = 0.005  # of each seed, beside its updates
EVALUATION = 1 / 3  # of the work of an update: a forward pass alone
POINT = 1 / 12  # the same of a path, whose batches are large: of its jobs at digits
STOPPED_AT = 0.2  # the share of its epochs after which an arm with a stopping rule is expected to stop
SIDES, SIDE = {"digits": 8, "mnist": 28}, 32  # of images, unless a folder says so
# What a measure takes, as passes forward and backward over its examples: of its jobs at digits. Along
# training, for each snapshot.
PASSES = {
    **{"curvature": 55, "scaled_curvature": 50, "density": 320, "agreement": 300, "noise": 140},
    **{"keskar": 105, "keskar_subspace": 165, "keskar_relative": 70, "ball": 410, "surface": 360},
    **{"rescaling": 1200, "equivalence": 670, "curvature_by_epoch": 25, "keskar_by_epoch": 55},
    **{"scaled_curvature_by_epoch": 9, "noise_by_epoch": 22, "excess_by_epoch": 4},
}
OTHER_PASSES = 100
# Jobs of two experiments never share a priority: trained below measured, measured below gathered and drawn.
MEASURED, PER_EXPERIMENT = 1.0, 2.0


def costs(study: Study, runs: Iterable[str], kind: str = "cpu") -> dict[str, float]:
    """What these runs, their measures and paths cost, by the file that each ends with: seconds of its seeds.

    kind: of the device, one of SPEEDS.
    """
    every, speeds, side = study.arms, SPEEDS[kind], sides(study)
    arms, seeds = {run: every[run] for run in runs}, study.seeds_of_files
    found = {
        trained(run): seeds[run] * cost(arm, study.followed[run], speeds, side.get(arm.data.name))
        for run, arm in arms.items()
    }
    ends = {path_stem(*both): both for both in study.paths()}
    for (measure, name), settings in study.measures.items():
        arm = ends[name][1] if measure == "path" else arms.get(name)
        if measure == "path" and not {end.id for end in ends[name]} & arms.keys():
            continue
        if arm:
            file = f"paths/{name}.parquet" if measure == "path" else f"runs/{name}/{measure}.parquet"
            of_one = cost_of_measure(measure, settings, arm, speeds, side.get(arm.data.name))
            found[file] = of_one * seeds[name if measure == "path" else (measure, name)]
    return found


def trained(run: str) -> str:
    """The last file of a run, below its scale's folder."""
    return f"runs/{run}/provenance.json"


def sides(study: Study) -> dict[str, int]:
    """The sides of images in folders that say so."""
    told = {name: getattr(source, "size", None) for name, source in study.own_data.items()}
    return {name: side for name, side in told.items() if side}


def cost_of_measure(
    measure: str,
    settings: Settings,
    arm: Arm,
    speeds: dict[str, Speed] = SPEEDS["cpu"],
    side: int | None = None,
) -> float:
    """The expected cost of a measure of a run, or of a path that ends there, in the unit of cost()."""
    examples = getattr(settings, "examples", None) or arm.data.train
    if measure == "path":  # a line, an arc and maybe a plane, forward alone
        plane = (2 * settings.plane_points + 1) ** 2 if settings.plane_points else 0
        work = (2 * settings.points + plane) * POINT
    else:
        along = len(arm.snapshots_at_epochs) if measure.endswith("_by_epoch") else 1
        work = PASSES.get(measure, OTHER_PASSES) * max(along, 1)
    return work * examples * multiplications(arm, side) * speeds[FAMILIES[arm.model.name]].multiplication


def cost(
    arm: Arm,
    followed: Collection[str],
    speeds: dict[str, Speed] = SPEEDS["cpu"],
    side: int | None = None,
) -> float:
    """The expected cost of training an arm, in seconds of one seed on one device.

    followed: the parts that are evaluated along it, beside those by which the arm itself ends.
    """
    speed = speeds[FAMILIES[arm.model.name]]
    images = expected_epochs(arm) * arm.data.train * passes(arm)
    at_once = sum(getattr(arm.data, part) for part in {*followed, *arm.ends_by})
    evaluated = expected_epochs(arm) / arm.evaluate_every_epochs * at_once * EVALUATION
    per_image = multiplications(arm, side) * speed.multiplication + units(arm) * speed.unit
    per_update = speed.update * (2 if units(arm) else 1)
    return ARM_SECONDS + updates(arm) * per_update + (images + evaluated) * per_image


def expected_epochs(arm: Arm) -> float:
    return arm.epochs * (STOPPED_AT if arm.stop or arm.goal else 1.0)


def updates(arm: Arm) -> float:
    """How often weights change, or an update is taken back to make another."""
    return expected_epochs(arm) * arm.data.train / mean_batch(arm) * passes(arm)


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


def units(arm: Arm) -> int:
    """The normalised units of a dense net."""
    normalised = FAMILIES[arm.model.name] == "dense" and getattr(arm.model, "batch_norm", False)
    return sum(dense_widths(arm.model)) if normalised else 0


def dense_widths(model: Model) -> list[int]:
    """The widths of a dense net's layers but the last."""
    return model.hidden if model.name == "mlp" else [model.width] * (1 + 2 * model.blocks)


def multiplications(arm: Arm, side: int | None = None) -> float:
    """Approximate multiplications for one image of this side in one forward pass."""
    model, data = arm.model, arm.data.name
    side = side or SIDES.get(data, SIDE)
    pixels = side**2 * (1 if data in SIDES else 3)
    match model.name:
        case "mlp" | "resmlp":
            return sum(a * b for a, b in itertools.pairwise([pixels, *dense_widths(model), 10]))
        case "cnn":
            widths = [pixels // side**2, *model.channels]
            convolved = enumerate(itertools.pairwise(widths))
            return sum(9 * a * b * (side / 2**layer) ** 2 for layer, (a, b) in convolved)
        case "keskar_cnn":
            return 32e3 * side**2
        case "vgg":
            return 306e3 * side**2
        case "resnet":
            return 40e3 * side**2 * (model.depth - 2) / 18
        case "resnet50":
            return 82e3 * side**2
    return 1e6  # a net of the user's


def priorities(study: Study) -> dict[object, float]:
    """What is prepared, trained, measured or shown -> its priority; experiments' answers come in their order.

    Within an experiment long arms start before short ones, so that no core waits for the other at the end.
    Keys: ("data", a data set's name), a run's name, (measure, run's name), a path's or an exhibit's stem.
    """
    side = sides(study)
    costs = {
        run: study.seeds_of_files[run] * cost(arm, study.followed[run], side=side.get(arm.data.name))
        for run, arm in study.arms.items()
    }
    most = max(costs.values(), default=1.0)
    found: dict[object, float] = {}
    for place, e in enumerate(reversed(study.experiments)):  # the first mention counts, written last
        base = PER_EXPERIMENT * place
        found |= {("data", arm.data.name): base + MEASURED for arm in e.arms}
        found |= {arm.id: base + costs[arm.id] / most * MEASURED / 2 for arm in e.arms}
        measured = [(measure, name) for measure, name, _ in e.settings_of_measures() if measure != "path"]
        paths = [name for measure, name, _ in e.settings_of_measures() if measure == "path"]
        found |= dict.fromkeys([*measured, *paths, *e.exhibit_stems().values()], base + MEASURED)
    return found
