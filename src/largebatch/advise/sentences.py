"""The recommendation and what stands behind it, in words."""

from typing import Any

import numpy as np

from largebatch.advise import final, reading, search
from largebatch.advise.files_of_study import Asked, arms_in, parts_in
from largebatch.advise.found import Found, in_brief
from largebatch.advise.plan import parts_of
from largebatch.advise.targets import NUMBERS
from largebatch.judging.claims import CONTRADICTED, SUPPORTED, estimate
from largebatch.observations import reading as observed
from largebatch.report.answers import WORDS

DEFAULT = "batch 32, Adam, rate 0.001, no schedule"
SCHEDULES = {
    "constant": "a constant rate, no warm-up",
    "cosine": "a cosine to zero, no warm-up",
    "warmup_cosine": "a warm-up over a tenth of training, from a tenth of the rate, then a cosine to zero",
    "default": "a constant rate, no warm-up",
}


def headline(choice: final.Choice) -> str:
    """The recommendation in one sentence."""
    optimiser, rate = optimiser_in_words(choice.recipe["optimiser"]), choice.recipe["lr"]
    return f"Batch {choice.batch}, {optimiser}, rate {rate:g}: {SCHEDULES[choice.name]}."


def optimiser_in_words(optimiser: dict[str, Any]) -> str:
    """'SGD with Nesterov momentum 0.9', of the settings in a scale file."""
    if optimiser["name"] != "sgd":
        return optimiser["name"].capitalize()
    kind = "Nesterov momentum" if optimiser.get("nesterov") else "momentum"
    return f"SGD with {kind} {optimiser['momentum']:g}" if optimiser.get("momentum") else "plain SGD"


def against_default(found: Found) -> list[str]:
    """Whether the recommendation beats the default, after equally many examples."""
    of_numbers, row = found.asked.target is NUMBERS, found.claim("A.default")
    default = f"of the default ({DEFAULT}) {found.error('default')}"
    what = "On the test part" if of_numbers else "Test error"
    said = [f"{what} {found.error('recommended')}; {default}, after equally many examples."]
    if found.choice.name == "default":
        return [*said, "The default had the lowest validation error of all that was tried: keep it."]
    if row is None:
        return [*said, "The difference could not be judged."]
    verdicts = {
        SUPPORTED: "The recommendation is better.",
        CONTRADICTED: "The recommendation does not beat it.",
    }
    decided = verdicts.get(row["verdict"], "These seeds do not settle which is better.")
    found_is = f"The RMSE is {estimate(row)} times that of the default"
    found_is = found_is if of_numbers else f"The difference is {estimate(row)} points"
    said.append(f"{found_is} ({WORDS[row['verdict']]}). {decided}")
    if (close := found.claim("A.close")) is not None:
        margin = f"That it is at most {found.asked.target.close} worse: {WORDS[close['verdict']]}."
        said.append(f"{margin} It makes {updates_by(found)}.")
    return said


def updates_by(found: Found) -> str:
    """'540 updates in 0.1 seconds per seed; the default 2160 in 0.4 seconds'."""
    parts, default = parts_in(found.asked, "advice"), arms_in(found.asked, "advice")["default"]
    words = []
    for batch in (found.choice.batch, default["batch_size"]):
        seconds = default["epochs"] * parts.train * found.speed.of_one(batch)
        words.append((default["epochs"] * (parts.train // batch), f"{seconds:.3g} seconds"))
    (ours, quick), (theirs, slow) = words
    return f"{ours} updates in {quick} per seed, the default {theirs} in {slow}"


def linear_scaling(found: Found) -> list[str]:
    """Up to which batch the rate may grow with the batch."""
    rows = {k: found.claim(f"A_linear.k{k}") for k in final.TIMES}
    rows = {k: row for k, row in rows.items() if row is not None}
    holds = 1
    for k, row in rows.items():
        if row["verdict"] != SUPPORTED:
            break
        holds = k
    said = []
    of_numbers = found.asked.target is NUMBERS
    unit = "times" if of_numbers else "points"
    if rows:
        costs = f"{found.asked.target.close} of test error. Differences from the recommendation"
        if of_numbers:
            costs = f"{found.asked.target.close} of RMSE. It is, beside that of the recommendation"
        each = "; ".join(
            f"batch {k * found.choice.batch}: {estimate(row)} {unit}, {WORDS[row['verdict']]}"
            for k, row in rows.items()
        )
        shown = f"up to batch {holds * found.choice.batch}" if holds > 1 else "at no larger batch"
        said = [
            f"Shown {shown}: the rate times as large as the batch, after a gradual warm-up, costs at most "
            f"{costs}: {each}."
        ]
    if (slope := found.claim("B.linear")) is not None:
        said.append(
            f"Tuned at each batch, the best rate grows like the batch to the power {estimate(slope)} "
            "(1 is linear scaling, 0.5 the rule of the square root)."
        )
    return said


def critical_batch(found: Found) -> list[str]:
    """Up to which batch doubling it saves updates."""
    row, run = found.claim("A.critical"), sorted(found.choice.rates)
    noise = in_brief(search.noise_scales(found.asked), on_logarithms=True)
    said = [f"The gradient noise scale early in training is {noise} examples."]
    if row is None:
        return [*said, "The critical batch could not be fitted."]
    return [
        f"Critical batch {estimate(row)}: well below it, doubling the batch nearly halves the updates to "
        f"{goal_of(found)}; well above it, that mostly costs examples. The interval is over seeds, at the "
        "rates that the search chose.",
        *beyond(row["estimate"], run),
        *said,
    ]


def goal_of(found: Found) -> str:
    """The goal in words."""
    return found.asked.target.goal_in_words(found.choice.goal)


def beyond(critical: float, run: list[int]) -> list[str]:
    """What to make of a critical batch that lies outside the batches that were run."""
    if run[0] <= critical <= run[-1]:
        return []
    side = "above" if critical > run[-1] else "below"
    return [
        f"Only batches from {run[0]} to {run[-1]} were run: take it that the critical batch lies {side} them."
    ]


def twice_as_large(found: Found) -> list[str]:
    """What doubling the batch saves and costs."""
    batch = found.choice.pair
    updates, examples = found.claim("A.updates"), found.claim("A.examples")
    if batch is None or updates is None or examples is None:
        return []
    seconds = []
    for arm, size in (("one_to_goal", batch), ("double_to_goal", 2 * batch)):
        made = np.exp(np.log(observed.final(found.table, arm, "updates_to_test_goal")).mean())
        seconds.append(made * size * found.speed.of_one(size))
    ratio = seconds[1] / seconds[0] if seconds[0] else float("nan")
    memory = [found.memory(arm) for arm in ("one_to_goal", "double_to_goal")]
    to_goal = f"From batch {batch} to {2 * batch}, up to {goal_of(found)} of the test part"
    return [
        f"{to_goal}: {estimate(updates)} times the updates, {estimate(examples)} times the examples.",
        f"On this machine {seconds[1]:.3g} seconds in place of {seconds[0]:.3g} ({ratio:.2f} times), of one "
        "seed among those trained together; fitted to the times of all runs of the last stage, side by side.",
        f"Peak memory of the process {memory[1]:.0f} MiB in place of {memory[0]:.0f} MiB, with all seeds and "
        "libraries.",
    ]


def sharpness(found: Found) -> list[str]:
    """Whether larger batches end in sharper minima, and whether that goes with the test error."""
    traces = {arm: found.mean(arm, "scaled_hessian_trace") for arm in ("recommended", "default")}
    said = [
        "By the trace of the Hessian in units of each layer's own length, which rescaling of layers does not "
        f"change: {traces['recommended']}, of the default {traces['default']}."
    ]
    sharp, error = found.claim("A.sharp"), found.claim("A.error")
    if sharp is None or error is None:
        return [*said, "Whether it goes with the test error could not be judged."]
    rises = f"error by {estimate(error)} points per doubling"
    if found.asked.target is NUMBERS:
        rises = f"RMSE like the batch to the power {estimate(error)}"
    said.append(
        f"Under linear scaling this trace changes like the batch to the power {estimate(sharp)}, the test "
        f"{rises}."
    )
    signs = {np.sign(row["estimate"]) if row["low"] * row["high"] > 0 else 0 for row in (sharp, error)}
    verdict = {
        frozenset({1.0}): "Sharper goes with a higher error here.",
        frozenset({-1.0}): "Flatter goes with a lower error here.",
        frozenset({1.0, -1.0}): "The two go in opposite directions: here sharpness is no guide to the error.",
    }
    otherwise = "One of the two intervals, or both, contains 0: whether they go together is not settled."
    return [*said, verdict.get(frozenset(signs), otherwise)]


def unsettled(found: Found) -> list[str]:
    """What the budget did not settle, and what limits the rest."""
    asked, choice = found.asked, found.choice
    said = []
    edges = reading.at_edge(search.grid_tries(asked))
    if edges:
        listed = ", ".join(f"{batch} ({side}est)" for batch, side in edges.items())
        said.append(f"Best rate still at the edge of the grid, after it was widened, at batch {listed}.")
    (rates, name), lr = schedule_rates(asked, choice), choice.recipe["lr"]
    if name != "default" and lr in (min(rates), max(rates)):
        said.append(
            f"The rate {lr:g} is the {'lowest' if lr == min(rates) else 'highest'} tried with this schedule."
        )
    if choice.unreached:
        said.append(
            f"Batch {', '.join(map(str, choice.unreached))} did not reach the goal within its budget."
        )
    coarse = [b for b, updates in choice.updates.items() if updates * b < 2 * parts_in(asked, "grid").train]
    if coarse:
        said.append(
            f"Batch {', '.join(map(str, coarse))} reaches the goal within two epochs. Errors are evaluated "
            "once per epoch, so these counts of updates are coarse."
        )
    parts, whole = parts_in(asked, "grid"), parts_of(asked.images)
    if parts.train < whole.train:
        said.append(
            f"Only {parts.train} of {whole.train} training examples fit the minutes; with more of them, "
            "larger batches may do."
        )
    for id, row in found.claims.iterrows():
        if row["verdict"] not in (SUPPORTED, CONTRADICTED):
            said.append(f"{id}: {row['says']} {WORDS[row['verdict']].capitalize()}. {row['note']}")
    return [
        *said,
        "Batch, rate and schedule were chosen on validation parts, with three seeds. Unless the data hold "
        "out a test part, other seeds train on examples that a seed tests on.",
    ]


def schedule_rates(asked: Asked, choice: final.Choice) -> tuple[list[float], str]:
    arm = arms_in(asked, "halved")[choice.name]
    return arm.get("grid", {"lr": [arm.get("lr")]})["lr"], choice.name
