"""A study for advice whose search found what a test says it found."""

import json

import numpy as np
import pandas as pd

from largebatch.advise import search
from largebatch.advise.files_of_study import Asked, arms_in, base_in, write
from largebatch.advise.plan import Budget, Speed
from largebatch.config.images import Images
from tests.shared.own import SEQUENTIAL
from tests.shared.own import write as write_net
from tests.shared.tables import arm_rows, write_rows

SEEDS = 3
BUDGET = Budget(1000.0, Speed(0.5, 1e-4, 1e-6))
SPREAD = np.array([-0.01, 0.0, 0.01])


def asked_in(tmp_path, **more):
    """What is asked of a net and data beside the study's folder."""
    write_net(tmp_path, SEQUENTIAL)
    given = {
        "model": {"import": "../my_net.py:net"},
        "data": {"arrays": {"path": "../data.npz"}},
        "images": Images(1600),
        "folder": tmp_path / "advice",
        "minutes": 10.0,
        "cores": 2,
    }
    return Asked(**given | more)


def finish(asked, name, stage, values):
    """Write a stage's file, and observations of its arms. values: (group, settings) -> {metric: number}."""
    write(asked, name, stage)
    frames = []
    for group, arm in arms_in(asked, name).items():
        every = [*points({**base_in(asked, name), **arm})]
        for number, settings in enumerate(every):
            found = values(group, settings)
            rate = settings["lr"] * rule(settings)
            metrics = {metric: value + SPREAD for metric, value in found.items()}
            metrics |= {"peak_learning_rate": [rate] * SEEDS, "diverged": [0.0] * SEEDS}
            label = f"{group}[{number}]" if len(every) > 1 else group
            frames.append(arm_rows(label, metrics, group=group, batch_size=settings["batch_size"], lr=rate))
    path = asked.observations(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, pd.concat(frames))


def points(arm):
    """The settings of each of a group's arms."""
    for entry in arm.get("each", [{}]):
        for lr in arm.get("grid", {}).get("lr", [None]):
            yield {**arm, **entry} | ({} if lr is None else {"lr": lr})


def rule(settings):
    k = settings["batch_size"] / settings.get("base_batch_size", settings["batch_size"])
    return k**0.5 if settings.get("lr_rule") == "sqrt" else 1.0


def off(rate, best):
    """How many doublings a rate lies from the best one, squared."""
    return float(np.log2(rate / best) ** 2)


def search_of(asked, best=lambda batch: 0.1 * batch / 32, recipe=("cosine", 0.2), critical=64.0):
    """Run the search on made-up results.

    best: the best rate at each batch. recipe: schedule and rate with the lowest validation error. critical:
    the critical batch.
    """
    record = asked.results / "search" / "data" / "mine.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"classes": list("abcdefghij")}), encoding="utf-8")

    def of_range(group, s):
        return {"validation_loss_nats": 0.5 + off(s["lr"], 0.1) + (0.1 if "adam" in group else 0.0)}

    def of_noise(group, s):
        return {"gradient_noise_scale_by_epoch": 64.0}

    def of_grid(group, s):
        at = s["lr"] * rule(s)
        worse = max(np.log2(s["batch_size"] / 32), 0) * 0.2
        loss = 0.5 + 0.1 * off(at, best(s["batch_size"])) + worse
        return {"validation_loss_nats": loss, "validation_error_percent": 10 * loss}

    def of_halved(group, s):
        if group == "cells":
            near = 1 + off(s["lr"], best(s["batch_size"]))
            return {"updates_to_validation_goal": 100 * (1 + critical / s["batch_size"]) * near}
        error = 5 + off(s["lr"], recipe[1]) + (0 if group == recipe[0] else 1)
        return {"validation_error_percent": error, "validation_loss_nats": error}

    found = {"range": of_range, "noise": of_noise, "grid": of_grid, "widened": of_grid, "halved": of_halved}
    stages = {"range": search.range_} | {name: getattr(search, name) for name in [*found][1:]}
    for name, values in found.items():
        stage = stages[name](asked, BUDGET)
        if stage is not None:
            finish(asked, name, stage, values)
    return asked
