"""The last stage: what was chosen, with fresh seeds and more of them; its numbers are of the test part."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from largebatch.advise import reading
from largebatch.advise.files_of_study import Asked, Stage, arms_in, asked_question, base_in, parts_in
from largebatch.advise.plan import Budget, Parts
from largebatch.advise.search import SCHEDULES, warmup_of
from largebatch.advise.targets import Target

DEFAULT = "default"
TIMES = (2, 4, 8, 16)  # the recommended batch, under linear scaling
LEAST_SCALED = 4  # batches under linear scaling, for a trend; where few larger ones fit, smaller ones
MEASURED = (64, 512)  # examples that sharpness is measured on
PASSES = 60  # over these, that measuring takes: a rough count
MEASURING = 0.15  # share of the time for that


@dataclass(frozen=True)
class Choice:
    """What the search chose.

    recipe: settings of the recommended arm. name: its schedule, or the default. goal: validation error.
    rates: batch size -> the rate that reaches the goal first. updates: batch size -> the most that this took
    a seed. unreached: batches at which no rate reached it.
    """

    recipe: dict[str, Any]
    name: str
    goal: float
    rates: dict[int, float]
    updates: dict[int, float]
    unreached: list[int]

    @property
    def batch(self) -> int:
        return self.recipe["batch_size"]

    @property
    def pair(self) -> int | None:
        """The batch that is compared with one twice as large, to the goal; None if there is none."""
        both = [batch for batch in self.rates if 2 * batch in self.rates]
        return min(both, key=lambda batch: abs(math.log(batch / self.batch)), default=None)


def chosen(asked: Asked) -> Choice:
    """What follows from the search."""
    path, arms = [asked.observations("halved")], arms_in(asked, "halved")
    to_goal = reading.tries(path, "updates_to_validation_goal")
    rates = reading.best_rates(to_goal, reading.median)
    finite = to_goal.where(np.isfinite(to_goal))
    updates = {batch: float(finite.loc[(batch, rate)].max()) for batch, rate in rates.items()}
    unreached = sorted(set(to_goal.index.get_level_values("batch_size")) - set(rates))
    name, lr = best_recipe(asked)
    arm = {key: value for key, value in arms[name].items() if key not in ("grid", "tuned_on")}
    recipe = {"optimiser": base_in(asked, "halved")["optimiser"]} | arm | {"lr": lr}
    goal = arms["cells"]["goal"][asked.target.goal]
    return Choice(recipe, name, goal, rates, updates, unreached)


def best_recipe(asked: Asked) -> tuple[str, float]:
    """(schedule or default, rate) with the lowest mean validation error; of equal ones the lower loss."""
    found = {}
    for name in (*SCHEDULES, DEFAULT):
        both = [
            reading.mean(reading.tries([asked.observations("halved")], metric, name))
            for metric in (asked.target.chosen, asked.target.loss)
        ]
        for (_, rate), error in both[0].items():
            found[name, float(rate)] = (error, both[1].xs(rate, level="rate").iloc[0])
    return min(found, key=found.__getitem__)


def advice(asked: Asked, budget: Budget) -> Stage:
    """Default and recommended, linear scaling from there, and each batch at its best rate to the goal."""
    choice, parts = chosen(asked), parts_in(asked, "halved")
    arms = arms_of_choice(asked, choice, parts)
    scaled, to_goal = arms["scaled"]["each"], goal_arms(choice, parts).values()
    trained = [{"epochs": arms[DEFAULT]["epochs"], **arm} for arm in (arms[DEFAULT], *scaled, *to_goal)]
    passes = sum(arm["epochs"] * budget.speed.of_one(arm["batch_size"]) for arm in trained)
    measured = 1 + len(scaled)
    seeds = Budget((1 - MEASURING) * budget.seconds, budget.speed).seeds(passes * parts.train, len(trained))
    gradients = MEASURING * budget.seconds / max(budget.speed.example, 1e-9)
    examples = int(np.clip(gradients / (PASSES * measured * seeds), *MEASURED))
    why = [
        "What the search chose, with seeds that chose nothing. Everything reported is of the test part.",
        "scaled: the recommended batch and others by linear scaling, larger ones with a gradual warm-up.",
    ]
    return Stage(why, parts, {}, arms, measures_on(min(examples, parts.train)), seeds)


def arms_of_choice(asked: Asked, choice: Choice, parts: Parts) -> dict[str, dict[str, Any]]:
    """The arms of the last stage, in the words of a scale file."""
    default = arms_in(asked, "halved")[DEFAULT]
    batches = scaled_batches(choice.batch, parts)
    scaled = [scaled_to(batch, choice.batch, default["epochs"]) for batch in batches]
    arms: dict[str, dict] = {
        DEFAULT: default,
        "recommended": choice.recipe,
        "scaled": choice.recipe | {"each": scaled},
    }
    for k in multiples(choice.batch, parts):
        arms[f"linear_{k}"] = choice.recipe | scaled[batches.index(k * choice.batch)]
    to_goal = goal_arms(choice, parts)
    shared = {"optimiser": base_in(asked, "halved")["optimiser"], "goal": {asked.target.goal: choice.goal}}
    if len(to_goal) > 1:
        arms["sweep"] = shared | {"each": [*to_goal.values()]}
    if choice.pair:
        arms["one_to_goal"] = shared | to_goal[choice.pair]
        arms["double_to_goal"] = shared | to_goal[2 * choice.pair]
    return arms


def measures_on(examples: int) -> dict[str, dict[str, Any]]:
    """Sharpness that rescaling of layers does not change, on so many training examples."""
    return {
        "scaled_curvature": {"examples": examples, "eigenvalue": False, "probes": 8},
        "ball": {"examples": examples, "rho": [], "adaptive_rho": [0.5], "sigma": [], "steps": 10},
    }


def multiples(batch: int, parts: Parts) -> list[int]:
    """How many times the batch linear scaling is tried at, up to half of the examples."""
    return [k for k in TIMES if k * batch <= parts.train // 2]


def scaled_batches(batch: int, parts: Parts) -> list[int]:
    """The batch, its multiples, and halves of it where these are too few for a trend."""
    found = [batch, *(k * batch for k in multiples(batch, parts))]
    while len(found) < LEAST_SCALED and found[0] >= 8 and found[0] % 2 == 0:
        found.insert(0, found[0] // 2)
    return found


def scaled_to(batch: int, base: int, epochs: int) -> dict[str, Any]:
    """What another batch than `base` changes, by linear scaling of the rate (Goyal et al. 2017, section 2).

    A larger one has a gradual warm-up from the rate of `base`.
    """
    if batch == base:
        return {"batch_size": batch}
    scaling = {"batch_size": batch, "lr_rule": "linear", "base_batch_size": base}
    return scaling | (
        {"warmup": {"kind": "gradual", "epochs": warmup_of(epochs)["epochs"]}} if batch > base else {}
    )


def goal_arms(choice: Choice, parts: Parts) -> dict[int, dict[str, Any]]:
    """Each batch at its best rate, for twice as long as the slowest seed of the search took to the goal."""
    arms = {}
    for batch, rate in choice.rates.items():
        epochs = math.ceil(2 * choice.updates[batch] * batch / parts.train) + 1
        arms[batch] = {"batch_size": batch, "lr": rate, "epochs": epochs}
    return arms


def question(asked: Asked) -> dict[str, Any]:
    """What the last stage asks: one claim for each multiple of the batch; none about what there is not."""
    choice, parts = chosen(asked), parts_in(asked, "halved")
    asks, arms = asked_question(asked, "advice"), arms_of_choice(asked, choice, parts)
    asks["claims"] = [claim for claim in asks["claims"] if arms_of(claim) <= arms.keys()]
    asks["figures"] = [figure for figure in asks["figures"] if set(figure["lines"].values()) <= arms.keys()]
    for claim in asks["claims"]:
        if claim["id"] == "A.critical":
            claim["expect"] = {"within": [float(min(choice.rates)), float(max(choice.rates))]}
    for k in multiples(choice.batch, parts):
        asks["claims"].append(linear_claim(asked.target, k, choice.batch))
        asks["figures"][0]["lines"][f"linear scaling, batch {k * choice.batch}"] = f"linear_{k}"
    return asks


def arms_of(claim: dict[str, Any]) -> set[str]:
    """The arms that a claim reads."""
    return {claim["arm"]} if "arm" in claim else {claim[side]["arm"] for side in "ab"}


def linear_claim(target: Target, k: int, batch: int) -> dict[str, Any]:
    scaled = f"At {k} times the batch and the rate, {k * batch}"
    return {
        "id": f"A_linear.k{k}",
        "statement": "A_linear",
        "says": target.translated(f"{scaled}, the test error is at most {target.close} higher."),
        "source": "Goyal et al. 2017, section 2.1",
        "kind": target.kind,
        "metric": target.test,
        "a": {"arm": f"linear_{k}"},
        "b": {"arm": "recommended"},
        "expect": {"below": target.bound},
        "no_control": "The margin is ours. No run was made at which linear scaling must fail.",
    }
