"""The stages that choose, each from what those before it found: all on the training and validation parts."""

import math
from typing import Any

import numpy as np
import pandas as pd

from largebatch.advise import reading
from largebatch.advise.files_of_study import DATA, SEARCH, Asked, Stage, base_in, parts_in
from largebatch.advise.plan import (
    FIRST_BATCH,
    MOST_OF_GRID,
    SEARCH_SEEDS,
    Budget,
    Parts,
    batches_around,
    parts_of,
)
from largebatch.advise.targets import NUMBERS, rounded_up
from largebatch.files import read_json
from largebatch.observations import reading as observed

OPTIMISERS = {"sgd": {"name": "sgd", "momentum": 0.9, "nesterov": True}, "adam": {"name": "adam"}}
# Three rates per decade and a half; Adam's hold its default, 0.001.
RATES = {
    "sgd": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
    "adam": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03],
}
DEFAULT = {
    "optimiser": {"name": "adam"},
    "batch_size": FIRST_BATCH,
    "lr": 0.001,
    "schedule": {"name": "constant"},
}
TIMED_EXAMPLES, LONG = 256, 4  # of a run that is timed; epochs of the longer ones
FACTORS = [0.25, 0.5, 1.0, 2.0, 4.0]  # rates at each batch, around the rule of the square root
FACTORS_OF_SCHEDULES = [0.25, 0.5, 1.0, 2.0, 4.0]  # longer runs prefer lower rates, decaying ones higher
STEP, WIDER, KEPT = 2.0, 3, 2  # between rates; more rates beyond an edge; rates that are left of each batch
MOST_MORE = 16  # times the epochs of the grid that a batch may take to the goal
SCHEDULES = {
    "constant": {"schedule": {"name": "constant"}},
    "cosine": {"schedule": {"name": "cosine"}},
    "warmup_cosine": {"schedule": {"name": "cosine"}},
}


def speed(asked: Asked, budget: Budget) -> Stage:
    """Two batch sizes, each for one epoch and for some, of few examples."""
    all_parts = parts_of(asked.images)
    parts = Parts(*(min(part, TIMED_EXAMPLES) for part in all_parts))
    large = min(4 * FIRST_BATCH, parts.train // 2)
    small = min(FIRST_BATCH, large // 2)
    arms = {
        "short": {"batch_size": small, "epochs": 1},
        "long": {"batch_size": small, "epochs": LONG},
        "short_large": {"batch_size": large, "epochs": 1},
        "long_large": {"batch_size": large, "epochs": LONG},
    }
    why = ["Times some updates, so that the budget of all other stages can be planned."]
    return Stage(why, parts, {"optimiser": {"name": "sgd"}, "lr": 0.001}, arms)


def range_(asked: Asked, budget: Budget) -> Stage:
    """Rates of both optimisers, by a short run at the first batch."""
    batch = first_batch(parts_of(asked.images))
    cells = [batch] * sum(map(len, RATES.values()))
    epochs, parts = budget.epochs(cells, parts_of(asked.images), SEARCH_SEEDS)
    epochs = min(epochs, max(1, math.ceil(200 * batch / parts.train)))  # some 200 updates are enough
    arms: dict[str, dict] = {}
    for name, optimiser in OPTIMISERS.items():
        arms[name] = {"optimiser": optimiser, "grid": {"lr": RATES[name]}}
        arms[f"{name}_tuned"] = arms[name] | {"tuned_on": asked.target.loss}
    why = ["Which rates train, with which optimiser: a short run for each. The lowest validation loss wins."]
    return Stage(why, parts, {"batch_size": batch, "epochs": epochs}, arms)


def first_batch(parts: Parts) -> int:
    return min(FIRST_BATCH, 2 ** int(math.log2(parts.train / 4)))


def best_of_range(asked: Asked) -> tuple[str, float]:
    """Optimiser and rate with the lowest validation loss."""
    found = {name: rates_of(asked, name) for name in OPTIMISERS}
    name = min(found, key=lambda name: found[name].min())
    if not np.isfinite(found[name].min()):
        raise ValueError(f"{asked.file('range')}: wanted a rate that trains; got none among {RATES}")
    return name, float(found[name].idxmin()[1])


def rates_of(asked: Asked, optimiser: str) -> pd.Series:
    """(batch, rate) -> mean validation loss of the short runs."""
    tried = reading.tries([asked.observations("range")], asked.target.loss, optimiser)
    return reading.mean(tried)


def noise(asked: Asked, budget: Budget) -> Stage:
    """The gradient noise scale along one short run at the best rate."""
    name, rate = best_of_range(asked)
    parts, base = parts_in(asked, "range"), base_in(asked, "range")
    epochs = base["epochs"]
    of_one = SEARCH_SEEDS * 2 * budget.speed.of_one(1)  # gradients of single examples, on two snapshots
    examples = int(np.clip(budget.seconds / max(of_one, 1e-9), 64, min(1024, parts.train)))
    arm = {"optimiser": OPTIMISERS[name], "lr": rate, "snapshots_at_epochs": [0, epochs]}
    measures = {
        "noise_by_epoch": {
            "examples": examples,
            "batch_sizes": [16],
            "draws": 10,
            "small": 8,
            "large": min(64, examples),
        }
    }
    why = [
        f"Best of the short runs: {name} at rate {rate:g}. Its gradient's noise says which batches to try."
    ]
    settings = {"batch_size": base["batch_size"], "epochs": epochs}
    return Stage(why, parts, settings, {"noise": arm}, measures)


def noise_scales(asked: Asked) -> pd.Series:
    """The gradient noise scale of each seed at the end of the short run, in examples."""
    metric = "gradient_noise_scale_by_epoch"
    return observed.final(observed.read(asked.observations("noise"), ["noise"], [metric]), "noise", metric)


def noise_scale(asked: Asked) -> float:
    """Its geometric mean over seeds."""
    return float(np.exp(np.log(noise_scales(asked)).mean()))


def grid(asked: Asked, budget: Budget) -> Stage:
    """Batch by rate after equally many examples."""
    name, rate = best_of_range(asked)
    scale = noise_scale(asked)
    whole = parts_of(asked.images)
    batches = batches_around(scale, whole.train)
    if len(batches) * len(FACTORS) * budget.speed.start > budget.seconds / 2:
        batches = fewer(batches)  # jobs alone would take all the time
    epochs, parts = budget.epochs([b for b in batches for _ in FACTORS], whole, SEARCH_SEEDS, least=2)
    if parts != whole:
        batches = fewer(batches_around(scale, parts.train))
    first = base_in(asked, "range")["batch_size"]
    cells = {
        "each": [{"batch_size": batch} for batch in batches],
        "grid": {"lr": [reading.rounded(rate * factor) for factor in FACTORS]},
    }
    base = {
        "optimiser": OPTIMISERS[name],
        "lr_rule": "sqrt",
        "base_batch_size": min(first, parts.train),
        "epochs": min(epochs, MOST_OF_GRID),
    }
    why = [
        f"The gradient noise scale is {scale:.3g} examples. Batches around it, each with rates around the",
        f"rule of the square root, after equally many examples. {fraction(parts, whole)}",
    ]
    return Stage(why, parts, base, {"cells": cells, "best": cells | {"tuned_on": asked.target.loss}})


def fewer(batches: list[int]) -> list[int]:
    """Every other batch, if at least three are left, as a hyperbola needs."""
    return batches[::2] if len(batches) > 4 else batches


def fraction(parts: Parts, whole: Parts) -> str:
    return f"Training takes {parts.train} of {whole.train} examples."


def grid_tries(asked: Asked, metric: str | None = None) -> pd.DataFrame:
    """All tries after equally many examples, those beyond the edges too; by the loss unless told."""
    stages = [stage for stage in ("grid", "widened") if asked.file(stage).exists()]
    return reading.tries([asked.observations(stage) for stage in stages], metric or asked.target.loss)


def widened(asked: Asked, budget: Budget) -> Stage | None:
    """More rates where the best was at an edge; None where none was."""
    more = reading.beyond(grid_tries(asked), STEP, WIDER)
    if not more:
        return None
    base = {key: base_in(asked, "grid")[key] for key in ("optimiser", "epochs")}
    batch = more[0][0]
    best = {
        "batch_size": batch,
        "grid": {"lr": [rate for at, rate in more if at == batch]},
        "tuned_on": asked.target.loss,
    }
    batches = ", ".join(map(str, dict.fromkeys(at for at, _ in more)))
    why = [f"At batch {batches} the best rate was the lowest or highest tried: more rates beyond it."]
    return Stage(why, parts_in(asked, "grid"), base, {"cells": {"each": listed(more)}, "best": best})


def listed(cells: list[tuple[int, float]], **more: Any) -> list[dict[str, Any]]:
    return [{"batch_size": batch, "lr": rate, **more} for batch, rate in cells]


def halved(asked: Asked, budget: Budget) -> Stage:
    """The best rates of each batch up to a goal, and schedules at the batch that is recommended."""
    tried = grid_tries(asked)
    parts, base = parts_in(asked, "grid"), base_in(asked, "grid")
    goal = rounded_up(reading.goal_of(grid_tries(asked, asked.target.error), start_of(asked)), asked.target)
    left = reading.survivors(tried, KEPT)
    batch = reading.largest_as_good(tried)
    half = Budget(budget.seconds / 2, budget.speed)
    epochs = epochs_to_goal(left, noise_scale(asked), base["epochs"], parts, half)
    cells = [{"batch_size": b, "lr": rate, "epochs": epochs[b]} for b, rate in left]
    rate = reading.best_rates(tried)[batch]
    rates = [reading.rounded(rate * factor) for factor in FACTORS_OF_SCHEDULES]
    runs = [float(batch)] * len(rates) * len(SCHEDULES) + [FIRST_BATCH]
    length, _ = half.epochs(runs, parts, SEARCH_SEEDS)
    arms: dict[str, dict] = {"cells": {"each": cells, "goal": {asked.target.goal: goal}}}
    arms["default"] = default(parts) | {"epochs": length}
    for name, settings in SCHEDULES.items():
        warmup = {"warmup": warmup_of(length)} if name.startswith("warmup") else {}
        arms[name] = {"batch_size": batch, "epochs": length, **settings, **warmup, "grid": {"lr": rates}}
        arms[f"{name}_tuned"] = arms[name] | {"tuned_on": asked.target.chosen}
    why = [
        f"The {KEPT} best rates of each batch, to {asked.target.goal_in_words(goal)} of the validation part.",
        f"Schedules at batch {batch}: the largest that is as good as the best after equally many examples.",
    ]
    return Stage(why, parts, {"optimiser": base["optimiser"]}, arms)


def default(parts: Parts) -> dict[str, Any]:
    return DEFAULT | {"batch_size": min(FIRST_BATCH, parts.train)}


def warmup_of(epochs: int) -> dict[str, Any]:
    """From a tenth of the rate, over a tenth of the run."""
    return {"kind": "gradual", "epochs": epochs / 10, "start": 0.1}


def start_of(asked: Asked) -> float:
    """The validation error of a net that learnt nothing: by chance, or the spread of the numbers."""
    if asked.target is NUMBERS:
        errors, explained = (grid_tries(asked, f"validation_{metric}") for metric in ("rmse", "r_squared"))
        spreads = errors / np.sqrt(1 - explained.where(explained < 1))
        return float(np.nanmedian(spreads.where(np.isfinite(errors) & np.isfinite(explained))))
    classes = len(read_json(asked.results / SEARCH / "data" / f"{DATA}.json")["classes"])
    return 100.0 * (1 - 1 / classes)


def epochs_to_goal(
    cells: list[tuple[int, float]], noise: float, least: int, parts: Parts, budget: Budget
) -> dict[int, int]:
    """Batch -> epochs, growing with it as examples to a goal do: 1 + B / B_crit, by the noise scale."""
    grows = {batch: min(1 + batch / noise, MOST_MORE / 4) for batch, _ in cells}
    cost = sum(SEARCH_SEEDS * parts.train * grows[b] * budget.speed.of_one(b) for b, _ in cells)
    times = min(max(budget.less_starts(len(cells)) / max(cost, 1e-9), least), 4 * least)
    return {batch: max(1, math.ceil(times * factor)) for batch, factor in grows.items()}
