"""Nothing that no machine can compute, keep or write passes the check; each mistake is one line, at once."""

import re
import time

import pytest

from largebatch.config.checking import ConfigError, read_yaml
from largebatch.config.settings import LARGEST
from largebatch.config.spec import Arm
from largebatch.config.study import load_study
from tests.conftest import SMALL

HUGE, LONG = "1" + "0" * 30, "a" * 300
SMOKE, CONVEX = "smoke.yaml", "experiments/convex.yaml"


def aliases(first, one, joined):
    """Ten aliases of ten aliases ... of one thing: a million in few bytes."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {one % joined(f'*a{n - 1}')}" for n in range(1, 7)]
    return "\n".join(lines)


BOMBS = {
    "lists": aliases("[x]", "[%s]", lambda name: ",".join([name] * 10)),
    "mappings": aliases("{x: 1}", "{%s}", lambda name: ",".join(f"k{i}: {name}" for i in range(10))),
    "merged": aliases("{x: 1}", "{<<: [%s]}", lambda name: ",".join([name] * 10)),
    "itself": "a: &a [*a]",
    "brackets": f"a: {'[' * 20_000}",
    "braces": "a: " + "{a: " * 20_000,
    "open levels": "a: " + "[" * 60 + "]" * 60,
    "many": f"a: [{'1,' * 200_000}]",
    "long": f"a: {'b ' * 1_000_000}",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_file_that_is_too_much_is_one_line_soon(text, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    start = time.process_time()
    with pytest.raises(ConfigError) as said:
        read_yaml(path)
    assert time.process_time() - start < 5
    assert str(said.value).startswith(f"{path}: ") and "wanted" in str(said.value)
    assert "\n" not in str(said.value) and len(str(said.value)) < 500


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        *((SMOKE, f"{key}: {value}", f"{key}: {HUGE}") for key, value in {
            "draws": 5, "examples": 64, "iterations": 2, "points": 40, "steps": 8, "directions": 2,
            "probes": 2, "workers": 2, "updates": 4, "epochs": 6, "batch_size": 4, "plane_points": 5,
        }.items()),
        (SMOKE, "seeds: 3", f"seeds: {HUGE}"),
        (SMOKE, "seeds: 3", f"seeds: 3\nthreads: {HUGE}"),
        (SMOKE, "hidden: [16]", f"hidden: [{HUGE}]"),
        (SMOKE, "lr: 0.016}", "lr: 1.0e+308}"),
        (SMOKE, "low: -0.5", "low: -1.0e+308"),
        (SMOKE, "low: -0.5", "low: .nan"),
        (SMOKE, "scale: 0.005", "scale: .inf"),
        (SMOKE, "scale: 0.005", "scale: 1.0e+308"),
        (SMOKE, "scale: smoke", f"scale: {LONG}"),
        (SMOKE, "experiments: [", f"experiments: [{LONG}, "),
        (SMOKE, "      full: {lr: 0.016}", f"      full: {{lr: 0.016}}\n      {LONG}: {{lr: 0.5}}"),
        (CONVEX, "experiment: convex", f"experiment: {LONG}"),
        (CONVEX, "name: excess", f"name: {LONG}"),
        (CONVEX, "name: floors", f"name: {LONG}"),
        (CONVEX, "id: S5.floor", f"id: S5.{LONG}"),
        (CONVEX, "{below: 1.0}", "{below: .inf}"),
        (CONVEX, "{below: 1.0}", "{below: .nan}"),
        (CONVEX, "{below: 1.0}", "{below: 1.0e+300}"),
        (CONVEX, "[1.5, 2.6667]", "[1.5, .inf]"),
        (CONVEX, "paper_value: 2.0", "paper_value: 1.0e+300"),
    ],
)  # fmt: skip
def test_a_value_out_of_all_bounds_is_one_line(folder, file, old, new):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as said:
        load_study(folder / SMOKE)
    assert re.match(rf"{re.escape(str(path))}: .*wanted .*; got:? ", str(said.value)), said.value
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -float("inf"), 10 * LARGEST])
@pytest.mark.parametrize("key", ["lr", "weight_decay", "clip_norm"])
def test_a_job_takes_no_settings_out_of_bounds(key, value):
    """They may come from another place than a file."""
    with pytest.raises(ValueError, match=key):
        Arm.model_validate(SMALL | {key: value})
