"""Made-up observations for each kind of figure, and what the tests of figures share."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from scipy import stats

from largebatch.config.question import Figure
from largebatch.figures import style
from largebatch.figures.draw import KINDS, draw

ERROR, LOSS = "test_error_percent", "train_loss_nats"


def made_up(helpers):
    """Arms a and b along 4 epochs, a with a seed that stops early, and a sweep over batch sizes."""
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
    line = {at: rng.uniform(1, 2, 3) * (0.1 + at**2) for at in (-1.0, 0.0, 1.0, 2.0)}
    path = helpers.arm("path", {"path_loss_nats": line, "path_accuracy_percent": line})
    plane = helpers.arm("plane", plane_metrics(lambda x, y: [1 + x * x, 1 + y * y, 1.0]))
    sweep = helpers.group("sweep", "batch_size", sizes)
    ends = {"small": ([2, 2, 3], 4), "large": ([4, 5, 6], 1), "sam": ([3, 3, 3], 2), "longer": ([5, 5, 6], 8)}
    gap = [helpers.arm(arm, {ERROR: e, "train_seconds": [s] * 3}) for arm, (e, s) in ends.items()]
    cells = [cells_of(helpers, size, (0.0025, 0.005, 0.01, 0.02), rng) for size in (8, 16, 32, 64)]
    walks = [walk(helpers, way, far) for way, far in (("bowl_full", 0), ("bowl_mini", 0.5), ("trap_full", 1))]
    ways = helpers.arm("ways", ways_metrics())
    return pd.concat([arm("a", 8, 2), arm("b", 256, 4), sweep, path, plane, ways, *gap, *cells, *walks])


def walk(helpers, way, far, seeds=3):
    """An arm from (-2, 1) over (0, 1) to (far * seed, 0)."""
    ends = [far * seed for seed in range(seeds)]
    x = {0.0: [-2] * seeds, 4.0: [0] * seeds, 8.0: ends}
    y = {0.0: [1] * seeds, 4.0: [1] * seeds, 8.0: [0] * seeds}
    return helpers.arm(f"surfaces.{way}", {"path_x": x, "path_y": y})


def cells_of(helpers, size, ratios, rng):
    """A group over the rate: one batch size, a peak rate for each ratio of rate to batch."""
    return pd.concat(
        helpers.arm(
            f"cells_{size}[{ratio}]",
            {ERROR: rng.uniform(1, 2, 3), "hessian_trace": rng.uniform(1, 2, 3) / ratio**2},
            group=f"cells_{size}",
            batch_size=size,
            lr=0.1,
            lr_over_batch=ratio,
        )
        for ratio in ratios
    )


def plane_metrics(loss, side=(-1.0, 0.0, 1.0)):
    """The metrics of a grid of side x side points; loss: (x, y) -> (seeds,)."""
    points = list(enumerate(product(side, side)))
    seeds = len(loss(0.0, 0.0))
    return {
        "plane_x": {float(i): [x] * seeds for i, (x, _) in points},
        "plane_y": {float(i): [y] * seeds for i, (_, y) in points},
        "plane_loss_nats": {float(i): loss(x, y) for i, (x, y) in points},
    }


def ways_metrics(side=(-0.5, 0.0, 0.5, 1.0, 1.5), seeds=3):
    """Two ways from (0, 0), to (1, 0) and (0, 1), on a bowl around (1, 1)."""
    points = list(enumerate(product(side, side)))
    bowl = {
        "descent_x": {float(i): [x] * seeds for i, (x, _) in points},
        "descent_y": {float(i): [y] * seeds for i, (_, y) in points},
        "descent_loss_nats": {float(i): [(x - 1) ** 2 + (y - 1) ** 2] * seeds for i, (x, y) in points},
    }
    ways = {"start": ((0, 0), (0.5, 0.2), (1, 0)), "end": ((0, 0), (0.1, 0.5), (0, 1))}
    along = {
        f"descent_{run}_{axis}": {
            float(2 * i): [place["xy".index(axis)]] * seeds for i, place in enumerate(way)
        }
        for run, way in ways.items()
        for axis in "xy"
    }
    return bowl | along


FIGURES = {
    "against_setting": {
        "x": "batch_size",
        "y": [ERROR, "hessian_trace"],
        "lines": {"one": "sweep", "two": "sweep"},
    },
    "curves": {"x": "update", "y": [LOSS, ERROR], "log_y": True, "lines": {"one": "a", "two": "b"}},
    "rates": {"lines": {"one": "a", "two": "b"}},
    "finals": {"y": LOSS, "at": {"share": 0.5}, "lines": {"one": "a", "two": "b"}},
    "profile": {
        "y": ["path_loss_nats", "path_accuracy_percent"],
        "x_label": "α",
        "lines": {"one": "path"},
        "marks": {"start": 0.0, "end": 1.0},
        "log_y": True,
    },
    "surface": {"lines": {"one": "plane", "two": "plane"}},
    "heat_map": {
        "y": [ERROR, "hessian_trace"],
        "lines": {f"batch {size}": f"cells_{size}" for size in (8, 16, 32, 64)},
        "diagonals": True,
    },
    "gap_closed": {"y": ERROR, "small": "small", "large": "large", "lines": {"long": "longer", "SAM": "sam"}},
    "descent": {"path": "ways", "start": "small batch", "end": "large batch"},
    "walks": {
        "panels": {
            "trap": {"full batch": "surfaces.trap_full"},
            "bowl": {"mini-batch": "surfaces.bowl_mini", "full batch": "surfaces.bowl_full"},
        }
    },
}


def asked(kind, **changes):
    figure = {"name": "f", "caption": "What is drawn.", "kind": kind, **FIGURES[kind], **changes}
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
        canvas = KINDS[kind].picture(KINDS[kind].table(rows, figure), figure)
        canvas.draw_without_rendering()
    return canvas


def letters_of(canvas):
    return [text.get_text() for axes in canvas.axes for text in axes.texts if text.get_gid() == "letter"]


def texts_of(axes):
    """The texts in a panel but for its letter."""
    return [text for text in axes.texts if text.get_gid() != "letter"]
