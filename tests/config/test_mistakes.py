"""What a person may get wrong in the configuration is said in one line."""

import re
from pathlib import Path

import pytest
import yaml

from largebatch.config.study import ConfigError, load_study
from tests.conftest import REPOSITORY
from tests.shared.config_files import ABSENT, CLAIM, GOYAL, KESKAR, SMOKE, G, K, P, complaint, spoil

# file, {key: value}, the key that is named, what is wanted, what is got (both as regular expressions)
MISTAKES = {
    # scale file
    "unknown key": (SMOKE, {"colour": "red"}, "colour", r"a key among \['base', 'experiments'.*", "'colour'"),
    "no seeds": (SMOKE, {"seeds": ABSENT}, "seeds", "a value", "none"),
    "one seed": (SMOKE, {"seeds": 1}, "seeds", "greater than or equal to 2", "1"),
    "quoted seeds": (SMOKE, {"seeds": "3"}, "seeds", "a valid integer", r"'3' \(text: take off the quotes\)"),
    "seeds with an exponent": (
        SMOKE,
        {"seeds": "2e1"},
        "seeds",
        "a valid integer",
        r"20\.0",
    ),
    "seeds as a list": (SMOKE, {"seeds": [0, 1]}, "seeds", "a valid integer", r"\[0, 1\]"),
    "a bad name": (SMOKE, {"scale": "My scale"}, "scale", "text like .*", "'My scale'"),
    "two mistakes": (
        SMOKE,
        {"seeds": 1, "threads": 0},
        "seeds",
        "greater than or equal to 2",
        r"1 \(and 1 more\)",
    ),
    "no experiments": (SMOKE, {"experiments": []}, "experiments", "at least 1 entries", r"\[\]"),
    "an unknown experiment": (
        SMOKE,
        {"experiments": ["keskr"]},
        "experiments",
        r"names among \[.*'goyal', .*'keskar'.*\]",
        "'keskr'",
    ),
    "an experiment twice": (
        SMOKE,
        {"experiments": ["keskar", "goyal", "keskar"]},
        "experiments",
        "each name once",
        r"\['keskar'\] repeatedly",
    ),
    "no numbers": (SMOKE, {K: ABSENT}, "numbers", "a key 'keskar', listed in experiments", "none"),
    "numbers as a list": (SMOKE, {"numbers": ["keskar"]}, "numbers", "keys and values", r"\['keskar'\]"),
    "an unknown key of an experiment": (
        SMOKE,
        {f"{K}/arm": {}},
        "numbers.keskar.arm",
        r"a key among \['arms', 'base', 'crossed', .*'exhibits', .*\]",
        "'arm'",
    ),
    "an unknown exhibit": (
        SMOKE,
        {f"{P}/exhibits/wroked": {}},
        "numbers.primer.exhibits.wroked",
        r"a key among \[.*'worked'.*\]",
        "'wroked'",
    ),
    "an unknown option of an exhibit": (
        SMOKE,
        {f"{P}/exhibits/worked/colour": "red"},
        "numbers.primer.exhibits.worked.colour",
        r"a key among \[\]",
        "'colour'",
    ),
    "an arm with a bad name": (
        SMOKE,
        {f"{K}/arms/Small": {}},
        "numbers.keskar.arms.Small",
        "text like .*",
        "'Small'",
    ),
    "each that is no list": (
        SMOKE,
        {f"{K}/arms/sweep_sgd/each": {"batch_size": 4}},
        "numbers.keskar.arms.sweep_sgd.each",
        "a list of different settings of an arm",
        r"\{'batch_size': 4\}",
    ),
    "each with an unknown setting": (
        SMOKE,
        {f"{K}/arms/sweep_sgd/each": [{"batch_size": 4}, {"colour": "red"}]},
        "numbers.keskar.arms.sweep_sgd.each",
        "a list of different settings of an arm",
        r"\[\{'colour': 'red'\}\]",
    ),
    "each with a wrong value": (
        SMOKE,
        {f"{K}/arms/sweep_sgd": {"each": [{"batch_size": 0}]}},
        "numbers.keskar.arms.sweep_sgd.each.batch_size",
        "greater than or equal to 1",
        "0",
    ),
    "an arm that is a list": (
        SMOKE,
        {f"{K}/arms/sweep_sgd": [4, 26]},
        "numbers.keskar.arms.sweep_sgd",
        "keys and values",
        r"\[4, 26\]",
    ),
    "arms without variants": (
        SMOKE,
        {f"{K}/crossed/variants": {}},
        "numbers.keskar.crossed.variants",
        "at least 1 entries",
        r"\{\}",
    ),
    "an unknown measure in the scale": (
        SMOKE,
        {"measures/sharpness": {}},
        "measures.sharpness",
        r"a key among \['agreement', 'ball', .*'curvature', .*\]",
        "'sharpness'",
    ),
    "a measure that is a number": (
        SMOKE,
        {"measures/curvature": 3},
        "measures.curvature",
        "keys and values",
        "3",
    ),
    # settings of arms: the key is that of the layer that says it
    "an unknown setting of all": (
        SMOKE,
        {"base/epoch": 3},
        "base.epoch",
        r"a key among \[.*'epochs'.*",
        "'epoch'",
    ),
    "an unknown setting of an experiment": (
        SMOKE,
        {f"{K}/base/rate": 0.1},
        "numbers.keskar.base.rate",
        r"a key among \[.*'lr'.*",
        "'rate'",
    ),
    "an unknown setting of an arm": (
        SMOKE,
        {f"{K}/arms/sb_adam_epochs/colour": "red"},
        "numbers.keskar.arms.sb_adam_epochs.colour",
        "a key among .*",
        "'colour'",
    ),
    "an unknown setting of a crossed arm": (
        SMOKE,
        {f"{K}/crossed/arms/sgd/colour": "red"},
        "numbers.keskar.crossed.arms.sgd.colour",
        "a key among .*",
        "'colour'",
    ),
    "an unknown setting of a variant": (
        SMOKE,
        {f"{K}/crossed/variants/small/colour": "red"},
        "numbers.keskar.crossed.variants.small.colour",
        "a key among .*",
        "'colour'",
    ),
    "no rate": (
        SMOKE,
        {f"{K}/arms/sb_adam_epochs/lr": ABSENT, f"{K}/base/lr": ABSENT},
        "numbers.keskar.arms.sb_adam_epochs.lr",
        "a value",
        "none",
    ),
    "a quoted rate": (
        SMOKE,
        {f"{K}/base/lr": "0.05"},
        "numbers.keskar.base.lr",
        "a valid number",
        r"'0\.05' \(text: take off the quotes\)",
    ),
    "a rate in words": (
        SMOKE,
        {f"{K}/base/lr": "small"},
        "numbers.keskar.base.lr",
        "a valid number",
        "'small'",
    ),
    "a negative rate": (
        SMOKE,
        {f"{K}/base/lr": -0.1},
        "numbers.keskar.base.lr",
        "greater than 0",
        r"-0\.1",
    ),
    "a quoted batch": (
        SMOKE,
        {f"{K}/crossed/variants/small/batch_size": "4"},
        "numbers.keskar.crossed.variants.small.batch_size",
        "a valid integer",
        r"'4' \(text: take off the quotes\)",
    ),
    "no epochs at all": (
        SMOKE,
        {f"{K}/base/epochs": 0},
        "numbers.keskar.base.epochs",
        "greater than or equal to 1",
        "0",
    ),
    "half an epoch": (
        SMOKE,
        {f"{K}/base/epochs": 0.5},
        "numbers.keskar.base.epochs",
        "a valid integer",
        r"0\.5",
    ),
    "a batch beyond the training part": (
        SMOKE,
        {f"{K}/arms/sb_adam_epochs/batch_size": 5000},
        "numbers.keskar.arms.sb_adam_epochs",
        "batch_size of at most data.train = 256",
        "5000",
    ),
    "a crossed batch beyond the training part": (
        SMOKE,
        {f"{K}/crossed/variants/full/batch_size": 512},
        "numbers.keskar.crossed[adam.full]",
        "batch_size of at most data.train = 256",
        "512",
    ),
    "scaling without a base batch": (
        SMOKE,
        {f"{G}/base/base_batch_size": ABSENT},
        "numbers.goyal.arms.base_lr_large",
        "base_batch_size with lr_rule: linear",
        "none",
    ),
    "an unknown model": (
        SMOKE,
        {"base/model": {"name": "transformer"}},
        "base.model.name",
        "one of 'mlp', 'cnn', 'resmlp', 'keskar_cnn', 'vgg', 'resnet', 'resnet50'",
        "'transformer'",
    ),
    "a model without a name": (SMOKE, {"base/model": {"hidden": [8]}}, "base.model.name", "a value", "none"),
    "a model that is a text": (SMOKE, {"base/model": "mlp"}, "base.model", "keys and values", "'mlp'"),
    "an mlp without layers": (SMOKE, {"base/model": {"name": "mlp"}}, "base.model.hidden", "a value", "none"),
    "an mlp with a setting of a cnn": (
        SMOKE,
        {"base/model/channels": [8]},
        "base.model.channels",
        r"a key among \['activation', 'batch_norm', 'dropout', 'hidden', 'name'\]",
        "'channels'",
    ),
    "a layer of no units": (
        SMOKE,
        {"base/model/hidden": [16, 0]},
        "base.model.hidden[1]",
        "greater than or equal to 1",
        "0",
    ),
    "an unknown activation": (
        SMOKE,
        {"base/model/activation": "gelu"},
        "base.model.activation",
        "one of 'relu' or 'tanh'",
        "'gelu'",
    ),
    "an unknown schedule": (
        SMOKE,
        {"numbers/schedules/crossed/arms/cosine/schedule/name": "cos"},
        "numbers.schedules.crossed.arms.cosine.schedule.name",
        "one of 'constant', 'step', .*",
        "'cos'",
    ),
    "an unknown optimiser": (
        SMOKE,
        {"base/optimiser": {"name": "lamb"}},
        "base.optimiser.name",
        "one of 'sgd', 'adam', 'lars'",
        "'lamb'",
    ),
    "an unknown setting of an optimiser": (
        SMOKE,
        {"base/optimiser/beta1": 0.9},
        "base.optimiser.beta1",
        r"a key among \['momentum', 'name', 'nesterov'\]",
        "'beta1'",
    ),
    "nesterov without momentum": (
        SMOKE,
        {f"{G}/base/optimiser/momentum": 0},
        "numbers.goyal.base.optimiser",
        "a momentum above 0 with nesterov: true",
        "momentum 0",
    ),
    "an unknown data set": (
        SMOKE,
        {"base/data/name": "mnits"},
        "base.data.name",
        r"a data set that there is, or one of folders, such as \['mnist', .*\]",
        "'mnits'",
    ),
    "an unknown folder": (
        SMOKE,
        {"base/data/name": "mine2", "folders": {"mine": {"path": "pictures"}}},
        "base.data.name",
        r"a data set that there is, or one of folders, such as \['mine', .*\]",
        "'mine2'",
    ),
    "an unknown data set of one arm": (
        SMOKE,
        {f"{K}/arms/sb_adam_epochs/data": {"name": "minst", "train": 256, "test": 8}},
        "numbers.keskar.arms.sb_adam_epochs.data.name",
        r"a data set that there is, .*'mnist'.*\]",
        "'minst'",
    ),
    "a data set with a bad name": (
        SMOKE,
        {"base/data/name": "My pictures"},
        "base.data.name",
        "text like .*",
        "'My pictures'",
    ),
    "a split of more images than there are": (
        SMOKE,
        {"base/data/test": 5000},
        "base.data",
        r"train \+ validation \+ test of at most the 1797 images of digits",
        "5320",
    ),
    "a test part of more images than are held out": (
        SMOKE,
        {"base/data": {"name": "mnist", "train": 256, "validation": 64, "test": 10_001}},
        "base.data",
        "test of at most the 10000 images held out by mnist",
        "10001",
    ),
    # paths
    "a variable in sources": (
        SMOKE,
        {"sources": "$HOME/data"},
        "sources",
        "a path without .*",
        r"'\$HOME/data'",
    ),
    "sources that are nothing": (SMOKE, {"sources": None}, "sources", "a valid string", "None"),
    "a variable in a folder's path": (
        SMOKE,
        {"folders": {"mine": {"path": "${DATA}/mine"}}},
        "folders.mine.path",
        "a path without variables .*",
        r"'\$\{DATA\}/mine'",
    ),
    # folders of images
    "a folder with the name of a data set": (
        SMOKE,
        {"folders": {"mnist": {"path": "pictures"}}},
        "folders",
        r"other names than \['cifar10', .*\]",
        r"\['mnist'\]",
    ),
    "a folder with a bad name": (SMOKE, {"folders": {"Mine": {}}}, "folders.Mine", "text like .*", "'Mine'"),
    "a folder without a path": (SMOKE, {"folders": {"mine": {}}}, "folders.mine.path", "a value", "none"),
    "a folder that is a text": (
        SMOKE,
        {"folders": {"mine": "pictures"}},
        "folders.mine",
        "keys and values",
        "'pictures'",
    ),
    "an unknown key of a folder": (
        SMOKE,
        {"folders": {"mine": {"path": "pictures", "crop": 224}}},
        "folders.mine.crop",
        r"a key among \['path', 'resize', 'size'\]",
        "'crop'",
    ),
    "images of no size": (
        SMOKE,
        {"folders": {"mine": {"path": "pictures", "size": 0}}},
        "folders.mine.size",
        "greater than or equal to 1",
        "0",
    ),
    "images resized to less than their size": (
        SMOKE,
        {"folders": {"mine": {"path": "pictures", "size": 224, "resize": 200}}},
        "folders.mine",
        "resize of at least size = 224",
        "200",
    ),
    "images resized to no size": (
        SMOKE,
        {"folders": {"mine": {"path": "pictures", "resize": 200}}},
        "folders.mine",
        "resize of at least size = None",
        "200",
    ),
    # grids
    "a grid that is no list": (
        SMOKE,
        {f"{K}/arms/sweep_sgd/grid/batch_size": 4},
        "numbers.keskar.arms.sweep_sgd.grid",
        "settings of an arm, each with a list of different values",
        r"\{'batch_size': 4\}",
    ),
    "a grid of an unknown setting": (
        SMOKE,
        {f"{K}/arms/sweep_sgd/grid": {"size": [4, 26]}},
        "numbers.keskar.arms.sweep_sgd.grid",
        "settings of an arm, .*",
        r"\{'size': \[4, 26\]\}",
    ),
    "an empty grid": (
        SMOKE,
        {f"{K}/arms/sweep_sgd/grid": {}},
        "numbers.keskar.arms.sweep_sgd.grid",
        "settings of an arm, .*",
        r"\{\}",
    ),
    "a grid of nothing": (
        SMOKE,
        {f"{K}/arms/sweep_sgd/grid": None},
        "numbers.keskar.arms.sweep_sgd.grid",
        "settings of an arm, .*",
        "None",
    ),
    "a grid of no values": (
        SMOKE,
        {f"{K}/arms/sweep_sgd/grid/batch_size": []},
        "numbers.keskar.arms.sweep_sgd.grid",
        "settings of an arm, .*",
        r"\{'batch_size': \[\]\}",
    ),
    "a grid with a value twice": (
        SMOKE,
        {f"{K}/arms/sweep_sgd/grid/batch_size": [4, 26, 4]},
        "numbers.keskar.arms.sweep_sgd.grid",
        "settings of an arm, .*",
        r"\{'batch_size': \[4, 26, 4\]\}",
    ),
    "a grid in a variant": (
        SMOKE,
        {f"{G}/crossed/variants/sweep/grid": 32},
        "numbers.goyal.crossed.variants.sweep.grid",
        "settings of an arm, .*",
        "32",
    ),
    "a wrong value in a grid": (
        SMOKE,
        {f"{K}/arms/sweep_sgd/grid/batch_size": [4, 0]},
        "numbers.keskar.arms.sweep_sgd.grid.batch_size",
        "greater than or equal to 1",
        "0",
    ),
    "tuned on the test split": (
        SMOKE,
        {"numbers/schedules/crossed/variants/small_tuned/tuned_on": "test_error_percent"},
        "numbers.schedules.crossed.variants.small_tuned.tuned_on",
        r"one of \('validation_loss_nats', .*, 'updates_to_validation_goal'\) beside a grid",
        "'test_error_percent'",
    ),
    "tuned without a grid": (
        SMOKE,
        {"numbers/schedules/crossed/variants/small_tuned/grid": ABSENT},
        "numbers.schedules.crossed.variants.small_tuned.tuned_on",
        "one of .* beside a grid",
        "'validation_loss_nats' without one",
    ),
    "tuned without a validation part": (
        SMOKE,
        {"numbers/schedules/base/data": {"name": "digits", "train": 256, "test": 128}},
        "numbers.schedules.crossed.variants.small_tuned.tuned_on",
        "data.validation above 0 with tuned_on: validation_loss_nats",
        "0",
    ),
    # experiment files
    "an unknown key of a question": (
        KESKAR,
        {"claim": []},
        "claim",
        r"a key among \['claims', .*",
        "'claim'",
    ),
    "no figures": (KESKAR, {"figures": ABSENT}, "figures", "a value", "none"),
    "the wrong file name": (
        KESKAR,
        {"experiment": "kesker"},
        "experiment",
        "'keskar', the file's name",
        "'kesker'",
    ),
    "claims as a mapping": (KESKAR, {"claims": {"K1": {}}}, "claims", "a valid list", r"\{'K1': \{\}\}"),
    "an unknown measure": (
        KESKAR,
        {"measures": {"sharpness": ["sweep_sgd"]}},
        "measures.sharpness",
        "one of 'curvature', .*",
        "'sharpness'",
    ),
    "an unknown key of a claim": (
        KESKAR,
        {f"{CLAIM}/colour": "red"},
        "claims[K1].colour",
        r"a key among \['a', 'b', 'deviation', .*",
        "'colour'",
    ),
    "an unknown key of an operand": (
        KESKAR,
        {f"{CLAIM}/a/metrc": "updates"},
        "claims[K1].a.metrc",
        r"a key among \['arm', 'at', 'metric'\]",
        "'metrc'",
    ),
    "a claim of an unknown kind": (
        KESKAR,
        {f"{CLAIM}/kind": "differnce"},
        "claims[K1].kind",
        "one of 'difference', 'ratio', .*",
        "'differnce'",
    ),
    "a claim of no kind": (KESKAR, {f"{CLAIM}/kind": ABSENT}, "claims[K1].kind", "a value", "none"),
    "a claim without a side": (KESKAR, {f"{CLAIM}/b": ABSENT}, "claims[K1].b", "a value", "none"),
    "an unknown metric": (
        KESKAR,
        {f"{CLAIM}/metric": "test_accuracy"},
        "claims[K1].metric",
        r"a metric such as \['test_accuracy_percent', .*\]",
        "'test_accuracy'",
    ),
    "a bad id": (KESKAR, {f"{CLAIM}/id": "first"}, "claims[first].id", "text like .*", "'first'"),
    "a claim that is a text": (
        KESKAR,
        {CLAIM: "small is better"},
        "claims[0]",
        "keys and values",
        "'small is better'",
    ),
    "a threshold as a text": (
        KESKAR,
        {f"{CLAIM}/expect/above": "1.5.2"},
        "claims[K1].expect.above",
        "a valid number",
        r"'1\.5\.2' \(text: write a number as 1000, 0\.001 or 1e-3\)",
    ),
    "both sides of a threshold": (
        KESKAR,
        {f"{CLAIM}/expect": {"above": 0.0, "below": 1.0}},
        "claims[K1].expect",
        "exactly one of above, below, within",
        r"\['above', 'below'\]",
    ),
    "no side of a threshold": (
        KESKAR,
        {f"{CLAIM}/expect": {}},
        "claims[K1].expect",
        "exactly one of above, below, within",
        r"\[\]",
    ),
    "bounds in the wrong order": (
        KESKAR,
        {f"{CLAIM}/expect": {"within": [1.0, -1.0]}},
        "claims[K1].expect.within",
        r"\[low, high\] with low below high",
        r"\[1.0, -1.0\]",
    ),
    "one bound": (
        KESKAR,
        {f"{CLAIM}/expect": {"within": [1.0]}},
        "claims[K1].expect.within",
        r"\[low, high\] with low below high",
        r"\[1.0\]",
    ),
    "a path without an end": (
        KESKAR,
        {"paths": {"line": {"start": "adam.small"}}},
        "paths.line.end",
        "a value",
        "none",
    ),
    "an unknown key of a path": (
        KESKAR,
        {"paths": {"line": {"start": "adam.small", "end": "adam.large", "to": "adam.full"}}},
        "paths.line.to",
        r"a key among \['end', 'start'\]",
        "'to'",
    ),
    "a path with a bad name": (KESKAR, {"paths": {"a.b": {}}}, "paths.a.b", "text like .*", "'a.b'"),
    "an unknown setting": (
        KESKAR,
        {"figures/0/x": "epochs"},
        "figures[batch_sweep].x",
        "one of 'batch_size', 'lr', 'k', 'lr_over_batch', 'growth_epoch', 'train_images' or 'width'",
        "'epochs'",
    ),
    "an unknown setting of a measure": (
        SMOKE,
        {"measures/keskar": {"examples": 64, "epsilons": [0.1]}},
        "measures.keskar.epsilons",
        r"a key among \['epsilon', 'examples', 'iterations'\]",
        "'epsilons'",
    ),
    "two readings": (
        KESKAR,
        {f"{CLAIM}/a/at": {"share": 0.5, "median_of_last": 5}},
        "claims[K1].a.at",
        "exactly one of share, same_updates_as, train_loss_nats, median_of_last, value",
        r"\['share', 'median_of_last'\]",
    ),
    "no reading": (KESKAR, {f"{CLAIM}/a/at": {}}, "claims[K1].a.at", "exactly one of share, .*", r"\[\]"),
    "a figure of an unknown kind": (
        KESKAR,
        {"figures/0/kind": "bars"},
        "figures[batch_sweep].kind",
        "one of 'against_setting', .*",
        "'bars'",
    ),
    **{
        f"a label {what}": (
            KESKAR,
            {"figures/0/lines": {label: "small"}},
            f"figures[batch_sweep].lines.{shown or label}",
            "a label of one line, its words with single spaces between",
            re.escape(repr(label)),
        )
        for what, label, shown in (
            ("of nothing", "", "''"),
            ("of a space", " ", "' '"),
            ("that ends in a space", "linear ", ""),
            ("of two lines", "a\nb", r"'a\nb'"),
            ("with a tab", "a\tb", r"'a\tb'"),
            ("with two spaces", "a  b", ""),
            ("with a bell", "a\x07", r"'a\x07'"),
        )
    },
    "a label of spaces in a table": (
        KESKAR,
        {"tables/0/rows": {"  ": "small"}},
        "tables[sharpness].rows.'  '",
        "a label of one line, .*",
        "'  '",
    ),
    "a figure of no lines": (
        KESKAR,
        {"figures/0/lines": {}},
        "figures[batch_sweep].lines",
        "at least 1 entries",
        r"\{\}",
    ),
    "a figure of three panels": (
        KESKAR,
        {"figures/0/y": ["updates", "diverged", "test_error_percent"]},
        "figures[batch_sweep].y",
        "at most 2 entries",
        r"\[.*\]",
    ),
    "an unknown metric of a table": (
        KESKAR,
        {"tables/0/metrics/0": "speed"},
        "tables[sharpness].metrics[0]",
        "a metric such as .*",
        "'speed'",
    ),
    # what a question says about the scale's arms; the rest is in test_references.py
    "a claim about an unknown arm": (
        KESKAR,
        {f"{CLAIM}/a/arm": "adam.smal"},
        "claims[K1].a.arm",
        r"an arm that the scale has, such as \['adam.small', .*",
        "'adam.smal'",
    ),
    "a claim in two experiments": (
        GOYAL,
        {f"{CLAIM}/id": "K1"},
        None,
        "each claim's id in one of them",
        r"\['K1'\] repeatedly",
    ),
}


@pytest.mark.parametrize(("file", "edits", "key", "wanted", "got"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_file_key_wanted_and_got(folder, file, edits, key, wanted, got):
    spoil(folder / file, edits)
    where = re.escape(f"{file}: {key}" if key else "smoke.yaml: experiments")
    text = complaint(folder)
    assert re.fullmatch(rf"{where}: wanted {wanted}; got {got}( \(and \d+ more\))?", text), text


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
    monkeypatch.setattr("largebatch.config.study.read_yaml", parsed.__getitem__)
    every = ",".join(sorted(path.stem for path in (config / "experiments").glob("*.yaml")))
    asked = every if file == SMOKE else Path(file).stem
    for place in [*mappings(parsed[config / file])]:
        if "marks" in place:  # their keys are free
            continue
        spoilt = parsed[config / file]
        for key in place:
            spoilt = spoilt[key]
        spoilt["zzz"] = 1
        with pytest.raises(ConfigError) as caught:
            load_study(config / SMOKE, {"experiments": asked})
        assert re.fullmatch(
            rf"{config / file}: .+: wanted .+; got .*zzz.*|{config / file}: .*zzz: wanted .+; got .+",
            str(caught.value),
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
        ("x: .nan\n", "line 1: wanted valid YAML; got: .nan, which is no finite number"),
        ("x: 1e999\n", "line 1: wanted valid YAML; got: 1e999, which is no finite number"),
        ("scale: \x00\n", "wanted valid YAML; got: unacceptable character #x0000"),
    ],
    ids=[
        "empty",
        "list",
        "text",
        "bracket",
        "tab",
        "key twice",
        "key 2",
        "null key",
        "inf",
        "nan",
        "1e999",
        "zero",
    ],
)
@pytest.mark.parametrize("file", [SMOKE, KESKAR])
def test_a_file_that_is_no_mapping(folder, file, text, wanted):
    (folder / file).write_text(text, encoding="utf-8")
    assert complaint(folder).startswith(f"{file}: {wanted}")


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


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "seeds: 3",
            "seeds: 1:30",
            "seeds: wanted a valid integer; got '1:30' (text: write a number as 1000, ",
        ),
        (
            "seeds: 3",
            "seeds: 1_0",
            "seeds: wanted a valid integer; got '1_0' (text: write a number as 1000, ",
        ),
        (
            "seeds: 3",
            "seeds: 0b11",
            "seeds: wanted a valid integer; got '0b11' (text: write a number as 1000, ",
        ),
        ("seeds: 3", "seeds: 2026-10-12", "seeds: wanted a valid integer; got '2026-10-12' (text: write "),
        ("seeds: 3", "seeds: 3.0", "seeds: wanted a valid integer; got 3.0"),
        ("seeds: 3", "seeds: yes", "seeds: wanted a valid integer; got 'yes'"),
        ("seeds: 3", "seeds: true", "seeds: wanted a valid integer; got True"),
    ],
)
def test_what_yaml_1_1_takes_for_a_number_is_refused(folder, old, new, wanted):
    text = (folder / SMOKE).read_text(encoding="utf-8")
    (folder / SMOKE).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert complaint(folder).startswith(f"smoke.yaml: {wanted}")


def test_numbers_are_read_as_people_write_them(folder):
    """YAML 1.1 reads 010 as 8 and 1e-3 as text."""
    text = (folder / SMOKE).read_text(encoding="utf-8").replace("seeds: 3", "seeds: 010")
    (folder / SMOKE).write_text(text.replace("base: {lr: 0.05,", "base: {lr: 1e-3,"), encoding="utf-8")
    study = load_study(folder / SMOKE, {"experiments": "keskar"})
    arm = study.experiment("keskar").groups["sgd.small"].members[0].arm
    assert (study.seeds, arm.lr) == (10, 0.001)


def test_a_long_value_is_cut(folder):
    spoil(folder / SMOKE, {"seeds": list(range(1000))})
    assert complaint(folder).endswith("...")


def test_overrides_are_checked_as_the_file_is(folder):
    assert complaint(folder, overrides={"seeds": 1}).startswith("smoke.yaml: seeds: wanted greater")
    assert complaint(folder, overrides={"seed": 5}).startswith("smoke.yaml: seed: wanted a key among")
    assert "'nope'" in complaint(folder, overrides={"experiments": "keskar,nope"})
