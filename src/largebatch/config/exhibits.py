"""Small studies in NumPy that train no arm: which there are, the arms each makes, the metrics each gives.

An exhibit's arms are named `<exhibit>.<arm>` in claims, figures and tables. Its settings stand under
`numbers.<experiment>.exhibits` of a scale file. A new one is an entry in EXHIBITS with its options, its
metrics in metrics.py, and a function of these options in primer/exhibits.py, without defaults of its own.
"""

import hashlib
import json
from typing import NamedTuple

from pydantic import create_model

from largebatch.config.settings import Count, Positive, Settings
from largebatch.config.surfaces import SURFACES
from largebatch.metrics import TIME_SPREAD


class Exhibit(NamedTuple):
    """arms: as the exhibit calls them; metrics: all that it gives of any arm; options: what can be chosen."""

    arms: tuple[str, ...]
    metrics: tuple[str, ...]
    options: type[Settings]


def options(name: str, **fields: tuple) -> type[Settings]:
    """Options of an exhibit: name -> (type, default)."""
    return create_model(name, __base__=Settings, **fields)


MINI = ("full", "mini_1024", "mini_256", "mini_32", "online")
RATES = ("constant", "constant_half", "constant_quarter", "inverse_sqrt", "inverse_time")
WALKS = tuple(f"{surface}_{way}" for surface in SURFACES for way in ("full", "mini", "online"))
SHUFFLES = ("never", "once", "every_epoch")

EXHIBITS = {
    # P5, P6: the numbers that the text works out by hand: there is nothing to choose.
    "worked": Exhibit(
        arms=("full", "pairs", "other_pairs", "online", "batch_of_two", "arithmetic"),
        metrics=("worked_value", "worked_error"),
        options=options("Worked"),
    ),
    # The update rule in NumPy against the engine.
    "rule": Exhibit(
        arms=("full", "mini", "online"),
        metrics=("rule_difference",),
        options=options("Rule", examples=(Count, 50), updates=(Count, 50), rate=(Positive, 0.1)),
    ),
    # P1, P2
    "noise": Exhibit(
        arms=tuple(
            f"{problem}_{manner}{theory}"
            for problem in ("regression", "mlp")
            for manner in ("with", "without")
            for theory in ("", "_theory")
        ),
        metrics=("gradient_variance", "gradient_bias"),
        options=options("Noise", examples=(Count, 256), draws=(Count, 200)),
    ),
    # P3, P4, P14
    "regression": Exhibit(
        arms=(
            *MINI,
            *("scaled_64", "scaled_128", "scaled_256", "lagging_256"),
            *("scaler_train", "scaler_all", "small_scaler_train", "small_scaler_all"),
        ),
        metrics=(
            *("regression_loss", "regression_seconds", "regression_loss_by_update", "test_r2"),
            *("updates_to_goal", "epochs_to_goal", "loss_gap_percent", "r2_change", TIME_SPREAD),
        ),
        options=options(
            "Regression",
            examples=(Count, 5000),
            features=(Count, 20),
            noise=(Positive, 20.0),
            rate=(Positive, 0.02),
            online_rate=(Positive, 0.0005),
            epochs=(Count, 4),
            updates=(Count, 300),
            goal_percent=(Positive, 1.0),
            scaling_rate=(Positive, 0.05),
            scaling_epochs=(Count, 3),
            small_examples=(Count, 50),
        ),
    ),
    # S5
    "rates": Exhibit(
        arms=(*RATES, *(f"flat_{name}" for name in RATES)),
        metrics=("excess_loss", "excess_loss_of_average", "noise_floor"),
        options=options(
            "RatesOptions",
            dimensions=(Count, 20),
            examples=(Count, 256),
            noise=(Positive, 1.0),
            constant=(Positive, 0.1),
            peak=(Positive, 0.5),
            delay=(Positive, 8.0),
            updates=(Count, 2500),
            repeats=(Count, 8),
        ),
    ),
    # S7
    "edge": Exhibit(
        arms=("too_small", "about_right", "too_large", "edge"),
        metrics=("quadratic_loss", "edge_ratio"),
        options=options(
            "Edge",
            dimensions=(Count, 10),
            condition=(Positive, 10.0),
            updates=(Count, 60),
            steps=(Count, 40),
        ),
    ),
    # P10
    "clipping": Exhibit(
        arms=("clipped", "unclipped"),
        metrics=("clipping_loss", "loss_after_spike", "clipping_final_loss", "clipped_cosine"),
        options=options(
            "Clipping",
            examples=(Count, 320),
            size=(Count, 32),
            rate=(Positive, 0.2),
            epochs=(Count, 20),
            spike_at=(Count, 100),
            spike=(Positive, 1000.0),
            norm=(Positive, 1.0),
        ),
    ),
    # P7
    "xor": Exhibit(
        arms=("batch_4", "batch_2", "batch_1", "one_run"),
        metrics=("xor_loss", "xor_loss_of_4", "xor_loss_of_2", "xor_loss_of_1", "rises_percent"),
        options=options("Xor", hidden=(Count, 4), rate=(Positive, 0.1), epochs=(Count, 200)),
    ),
    # P8
    "surfaces": Exhibit(
        arms=(*WALKS, "ravine_thrash", "saddle", "trap"),
        metrics=("path_x", "path_y", "surface_loss_at", "thrash_ratio", "escaped_percent"),
        options=options(
            "Surfaces",
            noise=(Positive, 2.0),
            rate=(Positive, 0.1),
            thrash_rate=(Positive, 1.8),
            updates=(Count, 200),
            every=(Count, 4),
            runs=(Count, 50),
            escape_updates=(Count, 300),
        ),
    ),
    # P9
    "shuffling": Exhibit(
        arms=(*SHUFFLES, *(f"digits_{name}" for name in SHUFFLES)),
        metrics=("shuffling_accuracy", "final_accuracy_percent", "shuffling_loss", "loss_oscillation"),
        options=options(
            "Shuffling",
            train=(Count, 900),
            test=(Count, 450),
            size=(Count, 20),
            rate=(Positive, 0.1),
            epochs=(Count, 8),
            every=(Count, 5),
        ),
    ),
    # P11, P12
    "speed": Exhibit(
        arms=("machine", "line"),
        metrics=(
            *("epoch_seconds", "update_seconds", "examples_per_second", "saturating_batch_size"),
            *("peak_memory_mib", "memory_growth", "fitting_batch_size", TIME_SPREAD),
        ),
        options=options(
            "Speed",
            examples=(Count, 1024),
            hidden=(Count, 64),
            rounds=(Count, 30),
            memory_mib=(Positive, 2.0),
        ),
    ),
    # P15
    "ring": Exhibit(
        arms=("ring", "theory"),
        metrics=("ring_sent_share", "ring_error"),
        options=options("Ring", values=(Count, 5040)),
    ),
    # P16
    "three_ways": Exhibit(
        arms=("ways",),
        metrics=("ways_difference",),
        options=options("ThreeWays", share=(Count, 32), workers=(Count, 4), rate=(Positive, 0.1)),
    ),
}

# The parts of the net that an exhibit trains as arms are: of registries, their code uses these alone.
ENGINE_PARTS = ("mlp", "sgd", "constant", "cross_entropy")

# The settings of each exhibit that a scale shows in an experiment.
Exhibits = create_model(
    "Exhibits", __base__=Settings, **{name: (e.options | None, None) for name, e in EXHIBITS.items()}
)
NO_EXHIBITS = Exhibits()

# <exhibit>.<arm> -> the exhibit
EXHIBIT_OF = {f"{name}.{arm}": name for name, exhibit in EXHIBITS.items() for arm in exhibit.arms}


def options_of(name: str, text: str) -> Settings:
    """The options of an exhibit from JSON; a ValueError if there is no such exhibit."""
    if name not in EXHIBITS:
        raise ValueError(f"exhibit must be one of {sorted(EXHIBITS)}; got {name!r}")
    return EXHIBITS[name].options.model_validate_json(text)


def exhibit_stem(name: str, options: Settings) -> str:
    """What an exhibit's file is called, without its ending: the name, and a digest of the chosen options."""
    text = json.dumps(options.chosen(), sort_keys=True)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
