"""What is published of observations: all that is judged, drawn or tabulated from them, and the ends of runs.

All of them take three times as many bytes, and can be gathered from the runs again.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from largebatch.config.experiment import Experiment
from largebatch.config.study import Study
from largebatch.figures import drawn
from largebatch.judging import judge
from largebatch.metrics import PROFILE
from largebatch.observations.aggregate import write_observations
from largebatch.observations.reading import read_of
from largebatch.page import page_line, page_plane
from largebatch.seals import verified

Reads = tuple[set[str], set[str]]  # groups, and the metrics that are read of each of them


def keep(observations: Path, study: Study, experiment: Experiment, kept: Path) -> None:
    """Write those observations of an experiment that are published."""
    verified(observations)
    write_observations(thinned(pd.read_parquet(observations), reads(study, experiment)), kept)


def reads(study: Study, experiment: Experiment) -> Iterator[Reads]:
    """What claims, figures, tables and the primer's page read of an experiment."""
    question = experiment.question
    yield from (read_of(claim.all_uses(), judge.BESIDE) for claim in question.claims)
    yield from (read_of(shown.uses(), drawn.BESIDE) for shown in [*question.figures, *question.tables])
    if study.line and study.line[0] == experiment.name:
        page = study.to_page()
        yield page_line.reads(page["line"])
        if page["plane"]:
            yield page_plane.reads(page["plane"])


def thinned(observations: pd.DataFrame, read: Iterable[Reads]) -> pd.DataFrame:
    """The rows that are read; of all other metrics, profiles aside, each seed's last value.

    Such a value has no position: who asks for its history later is told that it is not there.
    """
    finite = observations[np.isfinite(observations["value"])]
    wanted = pd.Series(False, index=finite.index)
    for groups, metrics in read:
        named = finite["group"].isin(groups) | finite["arm"].isin(groups)
        wanted |= named & finite["metric"].isin(metrics)
    others = finite[~wanted & ~finite["metric"].isin(PROFILE)].sort_values("at")
    ends = others.drop_duplicates(["group", "arm", "metric", "seed"], keep="last").assign(at=np.nan)
    return pd.concat([finite[wanted], ends])
