"""Made-up observations for each kind of figure, and what the tests of figures share."""

from importlib import import_module
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from scipy import stats

from largebatch.config.question import Figure
from largebatch.figures import style
from largebatch.figures.draw import draw, module_of

ERROR, LOSS = "test_error_percent", "train_loss_nats"
KINDS = [
    kind for of in get_args(get_args(Figure)[0]) for kind in get_args(of.model_fields["kind"].annotation)
]


def of_kind(kind):
    """The tests of figures of this kind: EXAMPLE is one; example_rows(helpers) what only it reads."""
    return import_module(f"tests.figures.test_draw_{kind}")


def made_up(helpers):
    """Arms a and b along 4 epochs, a with a seed that stops early, a sweep over batch sizes, and more."""
    rng = np.random.default_rng(0)

    def arm(name, updates_each, stop):
        loss, updates, rate = {}, {}, {}
        for e in range(5):
            alive = [True, True, e <= stop]
            loss[float(e)] = [rng.uniform(0.5, 1) / (1 + e) if on else None for on in alive]
            updates[float(e)] = [e * updates_each if on else None for on in alive]
            rate[e / 2] = [0.1 * (1 - e / 4)] * 3
        error = {at: [v and 10 * v for v in values] for at, values in loss.items()} | {4.0: [0.0, 0.0, 0.0]}
        return helpers.arm(name, {LOSS: loss, "updates": updates, "learning_rate": rate, ERROR: error})

    sizes = {s: {ERROR: rng.uniform(1, 2, 3) * s, "hessian_trace": rng.uniform(1, 2, 3)} for s in (4, 8, 16)}
    sweep = helpers.group("sweep", "batch_size", sizes)
    own = [make(helpers) for kind in KINDS if (make := getattr(of_kind(kind), "example_rows", None))]
    return pd.concat([arm("a", 8, 2), arm("b", 256, 4), sweep, *own])


def asked(kind, **changes):
    figure = {"name": "f", "caption": "What is drawn.", "kind": kind, **of_kind(kind).EXAMPLE, **changes}
    return {"experiment": "e", "figure": figure}


@pytest.fixture
def csv_of(write_table, tmp_path):
    """Draws a figure as tmp_path/f.*, and reads the data that it shows."""

    def csv_of(kind, rows, **changes):
        draw(asked(kind, **changes), write_table(rows), tmp_path / "f")
        return pd.read_csv(tmp_path / "f.csv")

    return csv_of


def same_interval(row, values):
    """Whether a row holds the t interval of values, or on a logarithmic axis that of the mean's logarithm."""
    mean, interval = np.mean(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    ends = [interval.low, interval.high]
    if row.get("axis") == "log" and mean > 0:
        ends = [mean * np.exp(end / mean - 1) for end in ends]
    assert row[["n", "mean", "low", "high"]].tolist() == pytest.approx([len(values), mean, *ends])


def canvas_of(kind, rows, **changes):
    """The figure, laid out."""
    figure = TypeAdapter(Figure).validate_python(asked(kind, **changes)["figure"])
    with style.paper_style():
        canvas = module_of(kind).picture(module_of(kind).table(rows, figure), figure)
        canvas.draw_without_rendering()
    return canvas


def letters_of(canvas):
    return [text.get_text() for axes in canvas.axes for text in axes.texts if text.get_gid() == "letter"]


def texts_of(axes):
    """The texts in a panel but for its letter."""
    return [text for text in axes.texts if text.get_gid() != "letter"]
