"""An experiment at one scale: which of its question's files counts, and what is said of several mistakes."""

import shutil

from largebatch.config.study import load_study
from tests.shared.config_files import GOYAL, KESKAR, SMOKE, complaints, spoil


def test_experiments_are_found_beside_the_file_and_in_config(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder.parent)
    own = tmp_path / "mine"
    (own / "experiments").mkdir(parents=True)
    shutil.copy(folder / KESKAR, own / KESKAR)
    spoil(own / KESKAR, {"title": "Mine"})
    (own / "mine.yaml").write_text("extends: smoke\nexperiments: [keskar, goyal]\n", encoding="utf-8")
    keskar, goyal = load_study(own / "mine.yaml").experiments
    assert (keskar.path, keskar.question.title) == (own / KESKAR, "Mine")
    assert goyal.path.resolve() == folder / GOYAL


def test_mistakes_of_all_experiments_and_arms_are_said_at_once(folder):
    edits = {"numbers/keskar/arms/sweep_sgd/lr": -1.0, "numbers/keskar/arms/robust/epochs": 0}
    spoil(folder / SMOKE, edits | {"numbers/goyal/arms/baseline/momentum": 3})
    spoil(folder / "experiments/edge.yaml", {"colour": "red"})
    assert [line.partition(": wanted")[0] for line in complaints(folder)] == [
        "smoke.yaml: numbers.keskar.arms.sweep_sgd.lr",
        "smoke.yaml: numbers.keskar.arms.robust.epochs",
        "smoke.yaml: numbers.goyal.arms.baseline.momentum",
        "experiments/edge.yaml: colour",
    ]
