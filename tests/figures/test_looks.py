"""One look per condition."""

import pytest

from largebatch.config.study import load_study
from largebatch.figures.looks import DOT, LOOKS, dots, looks
from tests.conftest import REPOSITORY


def test_twelve_lines_look_different():
    found = looks([str(i) for i in range(12)])
    assert len(set(found.values())) == 12


def test_a_known_condition_has_its_look_and_others_get_what_is_left():
    found = looks(["gradual warm-up", "something", "baseline", "else"])
    assert found["gradual warm-up"] == LOOKS["gradual warm-up"] and found["baseline"] == LOOKS["baseline"]
    assert len({look.color for look in found.values()}) == 4


def test_dots_beside_labels_look_like_the_conditions_or_are_black_circles():
    both = ["small batch", "large batch"]
    assert dots(both) == {label: LOOKS[label] for label in both}
    assert set(dots(["small batch", "something"]).values()) == {DOT}
    assert (DOT.color, DOT.marker) == ("#000000", "o")


def figures_with_lines():
    for scale in sorted((REPOSITORY / "config").glob("*.yaml")):
        for experiment in load_study(scale).experiments:
            for figure in experiment.question.figures:
                if figure.kind in LINED:
                    labels = figure.labels if figure.kind == "walks" else list(figure.lines)
                    yield f"{scale.stem} {experiment.name}_{figure.name}", labels


LINED = ("against_setting", "curves", "rates", "profile", "walks")


def test_a_condition_looks_the_same_in_every_figure_and_scale_and_no_two_of_a_figure_alike():
    seen = {}
    for figure, labels in figures_with_lines():
        found = looks(labels)
        assert len(labels) > 6 or len(set(found.values())) == len(labels), figure
        for label, look in found.items():
            if label in LOOKS:
                assert seen.setdefault(label, look) == look, (figure, label)


@pytest.mark.parametrize("group", ["warm-up", "square root", "small batch", "large batch", "baseline"])
def test_what_many_figures_show_is_a_known_condition(group):
    shown = {label for _, labels in figures_with_lines() for label in labels if group in label}
    unknown = {label for label in shown - LOOKS.keys() if "rate" not in label and "+" not in label}
    assert shown and not unknown - {"+ warm-up", "warm-up + cosine"}
