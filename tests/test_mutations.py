"""Configurations with a mistake somewhere: each is refused in one line, or runs to its report.

LARGEBATCH_FAULTS=<seed> tries 2,000 of them from there, see shared/faults.py.
"""

import copy
import math
import os
import shutil
import signal
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from largebatch.config import commands, costs
from largebatch.config.study import ConfigError, load_study
from tests.conftest import REPOSITORY
from tests.shared.faults import FIRST, TOLD, seeds
from tests.shared.jobs import ask, called, shown

EXPERIMENTS = ("convex", "edge", "sam", "full_batch", "primer")
COUNT = len(seeds(quick=60, full=2000))
SCALE, RESULTS = Path("config/mutated.yaml"), Path("results/mutated")
# What a person may write where something else is wanted, and what nobody would.
ODD = [
    *(0, 1, 2, 3, -1, 7, 64, 1000, 10**9, 10**30, 0.5, 0.1, -0.5, 1e-12, 1e30, math.inf, math.nan),
    *("", "x", "é", "a b", "../x", "{x}", "$HOME", "1e-3", "no", "constant", "adam", "K1", "a" * 300),
    *(None, True, False, [], {}, [1], [1, 2], ["x"], [[]], {"name": "x"}, {"x": 1}),
]
# On a processor; a job that takes longer is of settings that are right and large.
LONG_SECONDS = 8.0


class TooLong(BaseException):
    """What a job is stopped with; no Exception, which a command would tell as its own."""


def places(content, way=()):
    """The way to each value in nested mappings and lists."""
    if way:
        yield way
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items if isinstance(content, dict | list) else ():
        if isinstance(value, dict | list):
            yield from places(value, (*way, key))
        else:
            yield (*way, key)


def at(content, way):
    for key in way:
        content = content[key]
    return content


def mutated(content, draw):
    """The content with one value changed, taken away, moved or doubled."""
    content, ways = copy.deepcopy(content), [*places(content)]
    *up, last = draw(st.sampled_from(ways))
    above = at(content, up)
    kind = draw(st.sampled_from(["odd", "odd", "near", "swap", "absent", "key", "double"]))
    if kind == "odd":
        above[last] = draw(st.sampled_from(ODD))
    elif kind == "near" and isinstance(above[last], int | float):
        above[last] = above[last] * draw(st.sampled_from([0, -1, 0.5, 2, 10, 1e9]))
    elif kind == "swap":
        above[last] = copy.deepcopy(at(content, draw(st.sampled_from(ways))))
    elif kind == "double" and isinstance(above, list):
        above.append(copy.deepcopy(above[last]))
    elif kind == "key" and isinstance(above, dict):
        above[draw(st.sampled_from([str(last) + "s", "x", "name", "arms", 1, None]))] = above.pop(last)
    else:
        del above[last]
    return content


class Runner:
    """Runs what was not run before with the same settings and inputs."""

    def __init__(self):
        self.done, self.counts = {}, Counter()
        self.whole = yaml.safe_load((REPOSITORY / "config/smoke.yaml").read_text(encoding="utf-8"))

    def files(self, name: str) -> tuple[dict, dict]:
        """The scale with one experiment alone, and the experiment."""
        scale = self.whole | {"scale": "mutated", "experiments": [name], "seeds": 2}
        scale["numbers"] = {n: v for n, v in self.whole["numbers"].items() if n == name}
        used = (REPOSITORY / f"config/experiments/{name}.yaml").read_text(encoding="utf-8")
        return scale, yaml.safe_load(used)

    def run(self, words: str) -> None:
        key = words, *(digest(Path(word)) for word in words.split() if Path(word).is_file())
        if key in self.done:
            for path, content in self.done[key].items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return
        began = time.time_ns()
        signal.setitimer(signal.ITIMER_PROF, LONG_SECONDS)
        try:
            code, log = called(words)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        assert code == 0, f"{words}\n{log}"
        made = [p for p in RESULTS.rglob("*") if p.is_file() and p.stat().st_mtime_ns >= began]
        self.done[key] = {path: path.read_bytes() for path in made}

    def all_of(self, study) -> None:
        """Every job of a study, unless its settings are large ones."""
        seconds = sum(costs.costs(study, study.arms).values())
        if seconds > LONG_SECONDS or len(study.arms) > 40 or max(study.seeds_of_files.values()) > 5:
            raise TooLong
        ask(study, RESULTS)
        for words in commands.planned(study):
            self.run(words.removeprefix("largebatch "))
        for e in study.experiments:
            for words in shown(study, e, RESULTS):
                self.run(words)


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def stop(number, frame):
    raise TooLong


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    folder, before = tmp_path_factory.mktemp("mutated"), Path.cwd()
    shutil.copytree(REPOSITORY / "config", folder / "config")
    os.chdir(folder)
    handler = signal.signal(signal.SIGPROF, stop)
    made = Runner()
    yield made
    signal.signal(signal.SIGPROF, handler)
    os.chdir(before)
    TOLD.append(f"seed {FIRST or 0}: {made.counts.total()} configurations: {dict(made.counts)}")


def write(path: Path, content) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


@pytest.mark.timeout(7200)
@seeded(int(FIRST or 0))
@settings(
    max_examples=COUNT,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[*HealthCheck],
)
@given(data=st.data())
def test_what_is_accepted_runs_and_what_is_refused_is_one_line(runner, data):
    draw = data.draw
    name = draw(st.sampled_from(EXPERIMENTS))
    scale, experiment = runner.files(name)
    if draw(st.booleans()):
        scale = mutated(scale, draw)
    else:
        experiment = mutated(experiment, draw)
    write(SCALE, scale)
    write(Path(f"config/experiments/{name}.yaml"), experiment)
    shutil.rmtree(RESULTS, ignore_errors=True)
    try:
        study = load_study(SCALE)
    except ConfigError as error:
        assert all(line and len(line) < 700 for line in str(error).split("\n")), error
        runner.counts["refused"] += 1
        return
    try:
        runner.all_of(study)
        runner.counts["ran"] += 1
    except TooLong:
        runner.counts["accepted, too long to run"] += 1
