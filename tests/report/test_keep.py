"""What is published of observations: nothing that is read is missing, and what is missing is said to be."""

import pandas as pd
import pytest
from pydantic import TypeAdapter

from largebatch.config.question import Figure
from largebatch.config.study import load_study
from largebatch.config.uses import At
from largebatch.figures.draw import table_of
from largebatch.figures.drawn import BESIDE
from largebatch.metrics import LINE_LOSSES, PLANE, PLANE_LOSSES
from largebatch.observations import reading
from largebatch.report.keep import keep, reads, thinned
from largebatch.seals import checksum
from tests.conftest import REPOSITORY
from tests.shared.figures import KINDS, asked

ERROR, LOSS, NOBODY = "test_error_percent", "train_loss_nats", [(set(), set())]


@pytest.fixture
def runs(helpers):
    """Seed 0 trains 4 epochs, seed 1 stops after 2 with a loss that is no number after 1."""
    along = {0.0: [10, 10], 1.0: [8, 7], 2.0: [6, 5], 4.0: [3, None]}
    loss = along | {2.0: [6, float("nan")]}
    more = {"diverged": [0, 1], "sharpness_percent": {1e-3: [1, 2], 5e-4: [3, 4]}}
    return pd.concat(helpers.arm(arm, {ERROR: along, LOSS: loss, **more}) for arm in "ab")


def values(rows, arm, metric):
    return (
        rows[(rows["arm"] == arm) & (rows["metric"] == metric)].set_index(["at", "seed"])["value"].to_dict()
    )


def test_what_is_read_stays_and_of_the_rest_the_last_value_of_each_seed(runs):
    kept = thinned(runs, [({"a"}, {ERROR, "sharpness_percent"}), ({"b"}, {LOSS})])
    for arm, metric in (("a", ERROR), ("a", "sharpness_percent"), ("b", LOSS)):
        whole = values(runs, arm, metric)
        assert values(kept, arm, metric) == {place: value for place, value in whole.items() if value == value}
    for arm, metric, ends in (("b", ERROR, [3, 5]), ("a", LOSS, [3, 7]), ("b", "diverged", [0, 1])):
        assert reading.final(kept, arm, metric).tolist() == ends
        assert len(values(kept, arm, metric)) == 2
    assert values(kept, "b", "sharpness_percent") == {}


def test_what_is_published_stays_as_it_is_when_it_is_published_again(runs):
    once = thinned(runs, [({"a"}, {ERROR})])
    again = thinned(once.sample(frac=1, random_state=0), [({"a"}, {ERROR})])
    order = ["arm", "metric", "seed", "at"]
    pd.testing.assert_frame_equal(*(rows.sort_values(order, ignore_index=True) for rows in (once, again)))


@pytest.mark.parametrize("at", [At(share=0.5), At(median_of_last=2), At(train_loss_nats=6.0)], ids=str)
def test_a_history_that_is_not_published_is_missing_and_not_read_as_its_end(runs, at):
    with pytest.raises(
        reading.Missing, match=rf"history of {ERROR} of arm a, of which only the end is known"
    ):
        reading.reading(thinned(runs, NOBODY), "a", ERROR, at)


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_is_drawn_the_same_from_what_is_published(rows, write_table, kind):
    figure = TypeAdapter(Figure).validate_python(asked(kind)["figure"])
    whole, _ = table_of(figure, write_table(rows))
    kept = thinned(rows, [reading.read_of(figure.uses(), BESIDE)])
    assert len(kept) < len(rows)
    pd.testing.assert_frame_equal(table_of(figure, write_table(kept))[0], whole)


def test_line_and_plane_of_the_primers_page_are_published():
    study = load_study(REPOSITORY / "config/digits.yaml")
    name, lines = study.line
    read = list(reads(study, study.experiment(name)))
    wanted = {*LINE_LOSSES.values(), "distance_between_minima"}
    for paths, metrics in ((set(lines.values()), wanted), ({"descent"}, {*PLANE, *PLANE_LOSSES.values()})):
        assert any(paths <= groups and metrics <= found for groups, found in read)


def test_keeping_writes_observations_that_every_stage_reads(helpers, write_table, tmp_path):
    study = load_study(REPOSITORY / "config/smoke.yaml")
    along = {0.0: [3, 4], 1.0: [1, 2]}
    whole = write_table(
        helpers.arm("adam.small", {"test_accuracy_percent": along, "validation_loss_nats": along})
    )
    keep(whole, study, study.experiment("keskar"), tmp_path / "kept.parquet")
    found = reading.read(
        tmp_path / "kept.parquet", {"adam.small"}, {"test_accuracy_percent", "validation_loss_nats"}
    )
    assert found["metric"].value_counts().to_dict() == {"test_accuracy_percent": 4, "validation_loss_nats": 2}
    assert checksum(whole) != checksum(tmp_path / "kept.parquet")
