"""What a person may get wrong in the configuration is said in one line."""

import re
from pathlib import Path

import pytest
import yaml

from largebatch.config.study import ConfigError, load_study
from largebatch.config.uses import one_line
from tests.conftest import REPOSITORY
from tests.shared.config_files import ABSENT, CLAIM, GOYAL, KESKAR, SMOKE, K, complaint, spoil

SWEEP, TUNED = f"{K}/arms/sweep_sgd", "numbers/schedules/crossed/variants/small_tuned"
SWEEP_KEY, TUNED_KEY = "numbers.keskar.arms.sweep_sgd", "numbers.schedules.crossed.variants.small_tuned"

# file, {key: value}, what is said of it: … stands for anything
MISTAKES = {
    # pydantic's, in our words; more in test_checking.py
    "unknown key": (
        SMOKE,
        {"colour": "red"},
        "colour: wanted a key among ['arrays', 'base'…; got 'colour'",
    ),
    "unknown key of an item": (
        *(KESKAR, {f"{CLAIM}/a/metrc": "updates"}),
        "claims[K1].a.metrc: wanted a key among ['arm', 'at', 'metric']; got 'metrc'",
    ),
    "nothing": (SMOKE, {"seeds": ABSENT}, "seeds: wanted a value; got none"),
    "bad name": (SMOKE, {"scale": "My scale"}, "scale: wanted text like …; got 'My scale'"),
    "unknown name": (
        *(SMOKE, {"base/optimiser": {"name": "lamb"}}),
        "base.optimiser.name: wanted one of …'sgd', …; got 'lamb'",
    ),
    "empty list": (SMOKE, {"experiments": []}, "experiments: wanted at least 1 entries; got []"),
    "list for a mapping": (SMOKE, {"numbers": ["keskar"]}, "numbers: wanted keys and values; got ['keskar']"),
    "text for a mapping": (SMOKE, {"base/model": "mlp"}, "base.model: wanted keys and values; got 'mlp'"),
    # of a scale
    "unknown experiment": (
        *(SMOKE, {"experiments": ["keskr"]}),
        "experiments: wanted names among […'goyal', …'keskar'…]; got 'keskr'",
    ),
    "experiment twice": (
        *(SMOKE, {"experiments": ["keskar", "goyal", "keskar"]}),
        "experiments: wanted each name once; got ['keskar'] repeatedly",
    ),
    "no arm": (
        *(SMOKE, {"numbers/edge": {}, "experiments": ["edge"]}),
        "numbers.edge: wanted an arm or an exhibit; got none of this scale",
    ),
    "metric twice": (
        *("experiments/convex.yaml", {"tables/floors/metrics": lambda metrics: metrics * 2}),
        "tables[floors].metrics: wanted each once; got […] repeatedly",
    ),
    "list for a metric": (
        *("experiments/sam.yaml", {"claims": lambda claims: [claims[0] | {"fit": {"metric": []}}]}),
        "claims[…].fit.metric: wanted one of …; got []",
    ),
    "no numbers": (SMOKE, {K: ABSENT}, "numbers: wanted a key 'keskar', listed in experiments; got none"),
    "variable in a path": (
        *(SMOKE, {"folders": {"mine": {"path": "${DATA}/mine"}}}),
        "folders.mine.path: wanted a path without …; got '${DATA}/mine'",
    ),
    "folder with the name of a data set": (
        *(SMOKE, {"folders": {"mnist": {"path": "pictures"}}}),
        "folders: wanted other names than ['cifar10', …]; got ['mnist']",
    ),
    "images resized to no size": (
        *(SMOKE, {"folders": {"mine": {"path": "pictures", "resize": 200}}}),
        "folders.mine: wanted resize of at least size = None; got 200",
    ),
    "unknown data set": (
        *(SMOKE, {"base/data/name": "mnits"}),
        "base.data.name: wanted a data set that there is, or …, such as ['mnist', …]; got 'mnits'",
    ),
    # of an arm: the key is that of the layer that says it
    "setting of all": (SMOKE, {"base/epoch": 3}, "base.epoch: wanted a key among […'epochs'…]; got 'epoch'"),
    "setting of an experiment": (
        *(SMOKE, {f"{K}/base/lr": -0.1}),
        "numbers.keskar.base.lr: wanted greater than 0; got -0.1",
    ),
    "setting of an arm": (
        *(SMOKE, {f"{K}/arms/sb_adam_epochs/colour": "red"}),
        "numbers.keskar.arms.sb_adam_epochs.colour: wanted a key among …; got 'colour'",
    ),
    "setting of a crossed arm": (
        *(SMOKE, {f"{K}/crossed/arms/sgd/colour": "red"}),
        "numbers.keskar.crossed.arms.sgd.colour: wanted a key among …; got 'colour'",
    ),
    "setting of a variant": (
        *(SMOKE, {f"{K}/crossed/variants/small/batch_size": "4"}),
        "numbers.keskar.crossed.variants.small.batch_size: wanted a valid integer; got '4' (text: …)",
    ),
    "setting that no layer has": (
        *(SMOKE, {f"{K}/arms/sb_adam_epochs/lr": ABSENT, f"{K}/base/lr": ABSENT}),
        "numbers.keskar.arms.sb_adam_epochs.lr: wanted a value; got none",
    ),
    "settings that do not fit": (
        *(SMOKE, {f"{K}/arms/sb_adam_epochs/batch_size": 5000}),
        "numbers.keskar.arms.sb_adam_epochs: wanted batch_size of at most data.train = 256; got 5000",
    ),
    "settings of a crossed arm that do not fit": (
        *(SMOKE, {f"{K}/crossed/variants/full/batch_size": 512}),
        "numbers.keskar.crossed[adam.full]: wanted batch_size of at most data.train = 256; got 512",
    ),
    "value in each": (
        *(SMOKE, {SWEEP: {"each": [{"batch_size": 0}]}}),
        f"{SWEEP_KEY}.each.batch_size: wanted greater than or equal to 1; got 0",
    ),
    "value in a grid": (
        *(SMOKE, {f"{SWEEP}/grid/batch_size": [4, 0]}),
        f"{SWEEP_KEY}.grid.batch_size: wanted greater than or equal to 1; got 0",
    ),
    "unknown setting in each": (
        *(SMOKE, {f"{SWEEP}/each": [{"batch_size": 4}, {"colour": "red"}]}),
        f"{SWEEP_KEY}.each[1].colour: wanted one of 'data', 'model', …; got 'colour'",
    ),
    "two of each alike": (
        *(SMOKE, {f"{SWEEP}/each": [{"batch_size": 4}] * 2}),
        f"{SWEEP_KEY}.each: wanted different values; got [{{'batch_size': 4}}, {{'batch_size': 4}}]",
    ),
    "unknown setting in a grid": (
        *(SMOKE, {f"{SWEEP}/grid": {"size": [4, 26]}}),
        f"{SWEEP_KEY}.grid.size: wanted one of 'data', 'model', …; got 'size'",
    ),
    "grid of nothing": (
        SMOKE,
        {f"{SWEEP}/grid": None},
        f"{SWEEP_KEY}.grid: wanted keys and values; got None",
    ),
    "empty grid": (SMOKE, {f"{SWEEP}/grid": {}}, f"{SWEEP_KEY}.grid: wanted at least 1 entries; got {{}}"),
    "grid of no values": (
        *(SMOKE, {f"{SWEEP}/grid/batch_size": []}),
        f"{SWEEP_KEY}.grid.batch_size: wanted at least 1 entries; got []",
    ),
    "value twice in a grid": (
        *(SMOKE, {f"{SWEEP}/grid/batch_size": [4, 26, 4]}),
        f"{SWEEP_KEY}.grid.batch_size: wanted different values; got [4, 4]",
    ),
    "tuned on the test split": (
        *(SMOKE, {f"{TUNED}/tuned_on": "test_error_percent"}),
        f"{TUNED_KEY}.tuned_on: wanted one of 'validation_loss_nats', …; got 'test_error_percent'",
    ),
    "tuned without a grid": (
        *(SMOKE, {f"{TUNED}/grid": ABSENT}),
        f"{TUNED_KEY}.tuned_on: wanted a grid beside it; got 'validation_loss_nats' without one",
    ),
    "tuned without a validation part": (
        *(SMOKE, {"numbers/schedules/base/data": {"name": "digits", "train": 256, "test": 128}}),
        f"{TUNED_KEY}.tuned_on: wanted data.validation above 0 with tuned_on: validation_loss_nats; got 0",
    ),
    # of a question; what it says about arms is in test_references.py
    "wrong file name": (
        *(KESKAR, {"experiment": "kesker"}),
        "experiment: wanted 'keskar', the file's name; got 'kesker'",
    ),
    "a source that says nothing": (
        *(KESKAR, {f"{CLAIM}/source": ", "}),
        "claims[K1].source: wanted a text with a letter; got ', '",
    ),
    "unknown metric": (
        *(KESKAR, {f"{CLAIM}/metric": "test_accuracy"}),
        "claims[K1].metric: wanted a metric such as ['test_accuracy_percent', …]; got 'test_accuracy'",
    ),
    "both sides of a threshold": (
        *(KESKAR, {f"{CLAIM}/expect": {"above": 0.0, "below": 1.0}}),
        "claims[K1].expect: wanted exactly one of above, below, within; got ['above', 'below']",
    ),
    "bounds in the wrong order": (
        *(KESKAR, {f"{CLAIM}/expect": {"within": [1.0, -1.0]}}),
        "claims[K1].expect.within: wanted [low, high] with low below high; got [1.0, -1.0]",
    ),
    "ratio below 0": (
        *(KESKAR, {f"{CLAIM}/kind": "ratio", f"{CLAIM}/expect": {"within": [-0.5, 2.0]}}),
        "claims[K1]: wanted expect of what is judged on logarithms above 0; got -0.5",
    ),
    "two tiers of one statement": (
        *(KESKAR, {"claims/K7/tier": "sanity"}),
        "claims[K8].tier: wanted sanity, that of statement K7; got empirical",
    ),
    "a statement that leaves the claim it is called after": (
        *(KESKAR, {f"{CLAIM}/statement": "other"}),
        "claims[K1].statement: wanted K1, as others name it; got other",
    ),
    "two readings": (
        *(KESKAR, {f"{CLAIM}/a/at": {"share": 0.5, "median_of_last": 5}}),
        "claims[K1].a.at: wanted exactly one of share, …, value; got ['share', 'median_of_last']",
    ),
    "no reading": (KESKAR, {f"{CLAIM}/a/at": {}}, "claims[K1].a.at: wanted exactly one of share, …; got []"),
    "label of two lines": (
        *(KESKAR, {"figures/batch_sweep/lines": {"a\nb": "small"}}),
        r"figures[batch_sweep].lines.'a\nb': wanted a label of one line, …; got 'a\nb'",
    ),
}


@pytest.mark.parametrize(("file", "edits", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_file_key_wanted_and_got(folder, file, edits, line):
    spoil(folder / file, edits)
    text = complaint(folder)
    assert re.fullmatch(re.escape(f"{file}: {line}").replace("…", ".*") + r"( \(and \d+ more\))?", text), text


def test_a_claim_stands_in_one_experiment(folder):
    spoil(folder / GOYAL, {"claims/G1/id": "K1"})
    line = "smoke.yaml: experiments: wanted each claim's id in one of them; got ['K1'] repeatedly"
    assert complaint(folder) == line


@pytest.mark.parametrize("label", ["", " ", "linear ", "a\tb", "a  b", "a\x07"])
def test_a_label_is_one_line(label):
    with pytest.raises(ValueError, match="a label of one line, its words with single spaces between; got "):
        one_line(label)


def mappings(content, place=()):
    """The places of all mappings in a parsed file."""
    if isinstance(content, dict):
        yield place
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from mappings(value, (*place, key))


@pytest.mark.parametrize("file", [SMOKE, KESKAR, GOYAL, "experiments/schedules.yaml"])
def test_no_unknown_key_gets_through_anywhere(monkeypatch, file):
    config = REPOSITORY / "config"
    parsed = {path: yaml.safe_load(path.read_text(encoding="utf-8")) for path in config.rglob("*.yaml")}
    for module in ("study", "additions"):
        monkeypatch.setattr(f"largebatch.config.{module}.read_yaml", parsed.__getitem__)
    for place in [*mappings(parsed[config / file])]:
        if "marks" in place:  # their keys are free
            continue
        spoilt = parsed[config / file]
        for key in place:
            spoilt = spoilt[key]
        spoilt["zzz"] = 1
        asked = "keskar" if file == SMOKE else Path(file).stem
        if place[:1] == ("numbers",) and len(place) > 1:
            asked = place[1]
        with pytest.raises(ConfigError) as caught:
            load_study(config / SMOKE, {"experiments": asked})
        assert re.fullmatch(
            rf"{config / file}: .+: wanted .+; got .*zzz.*|{config / file}: .*zzz: wanted .+; got .+",
            str(caught.value).split("\n")[0],
        ), place
        del spoilt["zzz"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "wanted keys and values; got NoneType"),
        ("- keskar\n- goyal\n", "wanted keys and values; got list"),
        ("seeds\n", "wanted keys and values; got str"),
        (
            "scale: smoke\nexperiments: [keskar\nseeds: 3\n",
            "line 3: wanted valid YAML; got: expected ',' or ']', but got ':'",
        ),
        (
            "scale: smoke\n\tseeds: 3\n",
            r"line 2: wanted valid YAML; got: found character '\t' that cannot start any token",
        ),
        ("seeds: 3\nscale: smoke\nseeds: 4\n", "line 3: wanted valid YAML; got: the key 'seeds' twice"),
        ("seeds: 1\n2: 3\n", "line 2: wanted valid YAML; got: the key '2', which is no text"),
        ("seeds: 1\n~: 3\n", "line 2: wanted valid YAML; got: the key '~', which is no text"),
        ("seeds: 1\nx: [-.inf]\n", "line 2: wanted valid YAML; got: -.inf, which is no finite number"),
        ("x: 1e999\n", "line 1: wanted valid YAML; got: 1e999, which is no finite number"),
        ("scale: \x00\n", "wanted valid YAML; got: unacceptable character #x0000"),
    ],
)
def test_a_file_that_is_no_mapping(folder, text, wanted):
    (folder / SMOKE).write_text(text, encoding="utf-8")
    assert complaint(folder).startswith(f"smoke.yaml: {wanted}")


@pytest.mark.parametrize(
    ("content", "got"),
    [(b"scale: \xff\xfe", "0xff at position 7"), ("scale: smoke".encode("utf-16"), "0xff at position 0")],
    ids=["bytes", "UTF-16"],
)
def test_a_file_that_is_no_text(folder, content, got):
    (folder / SMOKE).write_bytes(content)
    assert complaint(folder) == f"smoke.yaml: wanted a text saved as UTF-8; got byte {got}"


def test_a_file_that_is_not_there(folder):
    assert (
        complaint(folder, "nope.yaml") == "nope.yaml: wanted a readable file; got No such file or directory"
    )
    assert complaint(folder, "experiments") == "experiments: wanted a readable file; got Is a directory"


def test_numbers_are_read_as_people_write_them(folder):
    """YAML 1.1 reads 010 as 8 and 1e-3 as text."""
    text = (folder / SMOKE).read_text(encoding="utf-8").replace("seeds: 3", "seeds: 010")
    (folder / SMOKE).write_text(text.replace("base: {lr: 0.05,", "base: {lr: 1e-3,"), encoding="utf-8")
    study = load_study(folder / SMOKE, {"experiments": "keskar"})
    arm = study.experiment("keskar").groups["sgd.small"].members[0].arm
    assert (study.seeds, arm.lr) == (10, 0.001)


def test_overrides_are_checked_as_the_file_is(folder):
    assert complaint(folder, overrides={"seeds": 1}).startswith("smoke.yaml: seeds: wanted greater")
    assert complaint(folder, overrides={"seed": 5}).startswith("smoke.yaml: seed: wanted a key among")
    assert "'nope'" in complaint(folder, overrides={"experiments": "keskar,nope"})
