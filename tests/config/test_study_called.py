"""How a call names its study: a scale file, what it extends, and which of its experiments."""

import re
from pathlib import Path

import pytest

from largebatch.config.checking import ConfigError
from largebatch.config.study import called_study, load_study
from tests.conftest import REPOSITORY
from tests.shared.config_files import GOYAL, complaint, spoil
from tests.shared.own import write


def test_a_scale_extends_another_key_by_key(folder):
    """At every depth."""
    text = "extends: smoke\nscale: more\nnumbers: {keskar: {base: {epochs: 5}}}\n"
    write(folder, text, "more.yaml")
    below = load_study(folder / "smoke.yaml")
    study = load_study(folder / "more.yaml", {"seeds": 4, "experiments": "keskar"})
    assert (study.scale, study.seeds, below.seeds) == ("more", 4, 3)
    assert [e.name for e in study.experiments] == ["keskar"]
    arm, before = (s.experiment("keskar").groups["sb_adam_epochs"].members[0].arm for s in (study, below))
    assert (arm.epochs, before.epochs) == (5, 4)
    assert arm.model_copy(update={"epochs": 4}) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: smke\n", r"more.yaml: extends: wanted one of \[.*'smoke'.*\]; got 'smke'"),
        ("extends: [smoke]\n", r"more.yaml: extends: wanted one of \[.*\]; got \['smoke'\]"),
        ("extends: other\n", "more.yaml: extends: wanted a scale that extends none; got 'other'"),
    ],
)
def test_a_scale_extends_one_that_is_there_and_whole(text, message, folder):
    write(folder, "extends: smoke\n", "other.yaml")
    write(folder, text, "more.yaml")
    assert re.fullmatch(message, complaint(folder, "more.yaml"))


@pytest.mark.parametrize(
    ("files", "settings", "scale", "seeds"),
    [
        ([], {}, "digits", 14),
        ([], {"seeds": 5}, "digits", 5),
        ([], {"scale": "smoke"}, "smoke", 3),
        (["config/smoke.yaml"], {"seeds": 5}, "smoke", 5),
        (["config/smoke.yaml"], {"scale": "other"}, "other", 3),
    ],
)
def test_a_call_chooses_its_scale(folder, monkeypatch, files, settings, scale, seeds):
    """By --configfile, whose paths Snakemake makes absolute, or by --config scale=<name>."""
    monkeypatch.chdir(folder.parent)
    study = called_study([Path(file).absolute() for file in files], settings | {"experiments": "goyal"})
    assert (study.scale, study.seeds) == (scale, seeds)


@pytest.mark.parametrize(
    ("files", "settings", "said"),
    [
        (
            [],
            {"scale": "smok"},
            r"--config: scale: wanted one of \[.*'smoke'.*\], or --configfile .*; got 'smok'",
        ),
        ([], {"scale": 3}, r"--config: scale: wanted one of \[.*; got 3"),
        (
            ["config/smoke.yaml", "more.yaml"],
            {},
            "--configfile: wanted one file, maybe with `extends: <scale>`; got config/smoke.yaml more.yaml",
        ),
        (["config/smoke.yaml"], {"seed": 3}, "config/smoke.yaml: seed: wanted a key among .*"),
    ],
)
def test_a_call_that_cannot_be_meant(folder, monkeypatch, files, settings, said):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(ConfigError) as caught:
        called_study([Path(file).absolute() for file in files], settings)
    assert re.fullmatch(said, str(caught.value))


def test_a_scale_file_may_lie_anywhere(folder, monkeypatch, tmp_path):
    """It takes experiments beside it and those of config/, and extends the scales there."""
    monkeypatch.chdir(folder.parent)
    write(tmp_path, "extends: smoke\nscale: mine\nseeds: 5\nexperiments: [goyal]\n", "mine.yaml")
    assert load_study(tmp_path / "mine.yaml").seeds == 5
    (tmp_path / "experiments").mkdir()
    own = (folder / GOYAL).read_text(encoding="utf-8").replace("Up to which batch", "Until which batch")
    (tmp_path / GOYAL).write_text(own, encoding="utf-8")
    study = load_study(tmp_path / "mine.yaml")
    assert study.experiments[0].question.question.startswith("Until which batch")


def test_a_call_of_one_experiment_follows_runs_as_the_whole_study_does():
    """Else its shared runs would train again, and again with the next call."""
    digits = load_study(REPOSITORY / "config" / "digits.yaml")
    for name in ("sharpness", "goyal"):
        one = load_study(REPOSITORY / "config" / "digits.yaml", {"experiments": name})
        assert {run: one.followed[run] for run in one.arms} == {run: digits.followed[run] for run in one.arms}


def test_a_broken_experiment_does_not_stop_a_call_of_another(folder):
    (folder / GOYAL).write_text("experiment: goyal\n", encoding="utf-8")
    assert complaint(folder).startswith(GOYAL)
    one = load_study(folder / "smoke.yaml", {"experiments": ["keskar"]})
    assert one.followed.keys() >= one.arms.keys()


@pytest.mark.parametrize("names", [3, [3], [["goyal"]], ["unheard-of"]])
def test_a_call_of_one_experiment_needs_no_list_of_others(folder, names):
    spoil(folder / "smoke.yaml", {"experiments": names})
    one = load_study(folder / "smoke.yaml", {"experiments": "keskar"})
    assert [e.name for e in one.experiments] == ["keskar"]
