"""What is right in the configuration makes the study. Mistakes: test_mistakes.py."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from largebatch.config.claims import Claim
from largebatch.config.experiment import named
from largebatch.config.papers import with_paper
from largebatch.config.question import Figure
from largebatch.config.spec import Arm
from largebatch.config.study import Study, load_study
from largebatch.config.tables import Table
from tests.conftest import REPOSITORY
from tests.shared.config_files import ABSENT, CLAIM, KESKAR, SMOKE, K, complaint, spoil
from tests.shared.own import write


@pytest.fixture(scope="module")
def smoke() -> Study:
    return load_study(REPOSITORY / "config" / "smoke.yaml")


@pytest.fixture(scope="module")
def digits() -> Study:
    return load_study(REPOSITORY / "config" / "digits.yaml")


@pytest.fixture(params=["smoke", "digits"])
def study(request) -> Study:
    return request.getfixturevalue(request.param)


def test_every_claim_of_the_issue_is_asked(study):
    ids = [claim.id for e in study.experiments for claim in e.question.claims]
    stems = {claim.partition(".")[0] for claim in ids}
    keskar = {"K1", "K2", "K6", "K9", "K12"}
    goyal = {f"G{i}" for i in range(1, 7)}
    schedules = {"S1", "S2", "S3", "S4", "S7", "S8"}
    assert keskar | goyal | schedules <= stems
    assert len(set(ids)) == len(ids)


def test_both_scales_have_the_same_groups(smoke, digits):
    assert [e.name for e in smoke.experiments] == [e.name for e in digits.experiments]
    for small, large in zip(smoke.experiments, digits.experiments, strict=True):
        tuned = [{name: group.tuned_on for name, group in e.groups.items()} for e in (small, large)]
        assert tuned[0] == tuned[1]


def test_arms_fit_the_data_set(study):
    """1,797 images; whole batches at every power of two are what 1,024 is for."""
    for arm in study.arms.values():
        assert arm.data.train + arm.data.validation + arm.data.test <= 1797
        assert arm.batch_size <= arm.data.train


def test_experiments_may_be_given_as_a_text(smoke):
    """As in snakemake --config experiments=keskar,goyal."""
    path = REPOSITORY / "config" / "smoke.yaml"
    study = load_study(path, {"experiments": "goyal, keskar"})
    assert [e.name for e in study.experiments] == ["goyal", "keskar"]
    assert study.experiment("keskar") == smoke.experiment("keskar")
    assert load_study(path, {"experiments": "keskar", "seeds": 7}).seeds == 7


def test_an_arm_may_learn_any_folder(folder):
    """How many images it has is not known before it is read."""
    settings = {"path": "pictures", "size": 8}
    spoil(folder / SMOKE, {"folders": {"mine": settings}})
    spoil(folder / SMOKE, {"base/data": {"name": "mine", "train": 256, "validation": 64, "test": 10**6}})
    study = load_study(folder / SMOKE)
    assert "mine" in {arm.data.name for arm in study.arms.values()}
    assert study.own_data["mine"].chosen() == settings


def test_later_layers_win(folder):
    """base < the experiment's base < arm < variant; a key is replaced whole."""
    scale = folder / SMOKE
    for key, value, epochs in [
        ("base/epochs", 2, 2),
        (f"{K}/base/epochs", 3, 3),
        (f"{K}/crossed/arms/sgd/epochs", 5, 5),
        (f"{K}/crossed/variants/small/epochs", 7, 7),
    ]:
        if key == "base/epochs":
            spoil(scale, {f"{K}/base/epochs": ABSENT, f"{K}/crossed/variants/small/epochs": ABSENT})
            spoil(scale, {f"{K}/crossed/variants/{v}/epochs": ABSENT for v in ("large", "full")})
        spoil(scale, {key: value})
        ((member,),) = [[*group_of(scale, "sgd.small").members]]
        assert member.arm.epochs == epochs
    spoil(scale, {f"{K}/crossed/arms/sgd/model": {"name": "mlp", "hidden": []}})
    assert group_of(scale, "sgd.small").members[0].arm.model.hidden == []
    assert group_of(scale, "adam.small").members[0].arm.model.hidden == [16]


def group_of(scale: Path, name: str):
    return load_study(scale, {"experiments": "keskar"}).experiment("keskar").groups[name]


def test_every_crossed_arm_is_there_in_every_variant(smoke):
    groups = smoke.experiment("keskar").groups
    crossed = {f"{arm}.{variant}" for arm in ("adam", "sgd") for variant in ("small", "large", "full")}
    assert {name for name in groups if "." in name} == crossed
    assert groups.keys() >= {"sb_adam_epochs", "lb_adam_epochs", "sweep_adam", "sweep_sgd"}


def test_a_crossing_that_is_left_out_is_not_made(folder):
    names = ["sgd.full", "sgd.small"]
    spoil(folder / SMOKE, {f"{K}/left_out": {"arms": names, "because": "Too long."}})
    groups = load_study(folder / SMOKE, {"experiments": "keskar"}).experiment("keskar").groups
    assert "sgd.large" in groups and groups.keys().isdisjoint(names)


def test_an_arm_that_only_another_scale_defines_is_left_out(folder):
    """By that scale's arms, or by those it crosses."""
    larger = "{larger: {batch_size: 64}}"
    numbers = f"{{keskar: {{arms: {larger}, crossed: {{variants: {larger}}}}}}}"
    write(folder, f"extends: smoke\nscale: large\nnumbers: {numbers}\n", "large.yaml")
    for arm in ("larger", "sgd.larger"):
        lines = {"larger": arm, "small": "adam.small"}
        spoil(folder / KESKAR, {f"{CLAIM}/a": {"arm": arm}, "figures/accuracy/lines": lines})
        studies = (load_study(folder / f"{name}.yaml") for name in ("smoke", "large"))
        here, there = (study.experiment("keskar") for study in studies)
        assert arm not in there.absent
        assert here.absent[arm] == f"This scale does not define the arm {arm}."
        claims = [named("claim", e.question.claims, "K1").not_run for e in (here, there)]
        assert claims == [here.absent[arm], ""]
        figures = [named("figure", e.question.figures, "accuracy").lines for e in (here, there)]
        assert figures == [{"small": "adam.small"}, lines]
    spoil(folder / KESKAR, {f"{CLAIM}/a": {"arm": "sgd.lager"}})
    wanted = "claims[K1].a.arm: wanted an arm that a scale defines, such as ['sgd.large"
    for scale in ("smoke.yaml", "large.yaml"):
        assert complaint(folder, scale).startswith(f"experiments/keskar.yaml: {wanted}")


def test_groups_that_ask_for_the_same_settings_share_the_run(smoke):
    """In smoke, Goyal's `large` and `beyond` are one batch, and one of the sweep."""
    goyal = smoke.experiment("goyal")
    large, beyond, sweep = (goyal.groups[f"fixed.{v}"] for v in ("large", "beyond", "sweep"))
    assert large.members[0].arm.id == beyond.members[0].arm.id == sweep.members[1].arm.id
    ids = [member.arm.id for group in goyal.groups.values() for member in group.members]
    assert len(ids) > len(set(ids)) == len(goyal.arms)
    assert {arm.id for arm in goyal.arms} <= smoke.arms.keys()
    assert all(arm.id == name for name, arm in smoke.arms.items())


def test_measured_arms_are_measured_once(smoke):
    measured = [(measure, arm.id) for measure, arm in smoke.experiment("keskar").measured()]
    assert measured and len(set(measured)) == len(measured)
    assert {measure for measure, _ in measured} == set(smoke.experiment("keskar").question.measures)
    assert list(smoke.experiment("goyal").measured()) == []


def path_folder(folder):
    """A keskar question with two paths that share a run, at a scale that measures them."""
    ends = {"start": "adam.small", "end": "adam.large"}
    paths = {"between_adam": ends, "between_sgd": ends, "back": {"start": "adam.large", "end": "adam.small"}}
    others = lambda figures: [figure for figure in figures if figure["kind"] != "descent"]  # noqa: E731
    spoil(folder / KESKAR, {"paths": paths, "figures": others})
    spoil(folder / SMOKE, {"measures/path": {"points": 25}})
    return load_study(folder / SMOKE, {"experiments": "keskar"})


def test_paths_are_measured_once_and_named_by_their_ends(folder):
    study = path_folder(folder)
    keskar = study.experiment("keskar")
    small, large = (keskar.groups[f"adam.{size}"].members[0].arm for size in ("small", "large"))
    assert keskar.paths() == study.paths() == [(small, large), (large, small)]
    line, back = f"{small.id}_to_{large.id}", f"{large.id}_to_{small.id}"
    assert again(keskar.to_aggregate())["paths"] == {"between_adam": line, "between_sgd": line, "back": back}


def test_an_experiment_may_have_settings_of_its_own_for_a_measure(folder):
    spoil(folder / SMOKE, {"numbers/edge/measures": {"curvature_by_epoch": {"examples": 7}}})
    study = load_study(folder / SMOKE)
    edge, keskar = study.experiment("edge"), study.experiment("keskar")
    assert edge.measures.curvature_by_epoch.examples == 7
    for e, examples in ((edge, 7), (keskar, keskar.measures.curvature_by_epoch.examples)):
        measured = [(measure, arm.id) for measure, arm in e.measured() if measure == "curvature_by_epoch"]
        assert measured and {study.measures[of_arm].examples for of_arm in measured} == {examples}
    assert examples != 7 and edge.measures.curvature == keskar.measures.curvature


def test_experiments_that_measure_the_same_agree_how(folder):
    """The minima of Keskar's question and of that on sharpness are the same runs."""
    spoil(folder / SMOKE, {"numbers/sharpness/measures": {"curvature": {"examples": 7}}})
    line = complaint(folder)
    assert "numbers.sharpness.measures.curvature: wanted those of the other experiment that measures " in line


def test_the_page_is_asked_for_the_line_between_minima_where_a_figure_draws_it(digits):
    asked = again(digits.to_page())
    assert asked["claims"]["K7"].startswith("On the line through both minima")
    assert digits.line[0] == "keskar"
    assert asked["line"] == [
        {"label": "Adam", "path": "between_adam", "small": 4, "large": 102},
        {"label": "plain SGD", "path": "between_sgd", "small": 4, "large": 102},
    ]
    primer = load_study(REPOSITORY / "config" / "digits.yaml", {"experiments": "primer"})
    assert asked["plane"] == {"path": "descent", "small": 4, "large": 102}
    mnist = load_study(REPOSITORY / "config" / "mnist.yaml").to_page()
    assert mnist["line"] and mnist["plane"] is None  # its arms are left out there
    assert primer.line is None and primer.to_page()["line"] is primer.to_page()["plane"] is None
    assert "P8" in primer.to_page()["claims"] and "K7" not in primer.to_page()["claims"]


def test_exhibits_are_made_once_with_their_options(smoke):
    primer = smoke.experiment("primer")
    assert primer.arms == [] and primer.exhibits.keys() == set(primer.question.exhibits)
    stems = primer.to_aggregate()["exhibits"]
    assert [smoke.exhibits[stem] for stem in stems.values()] == [*primer.exhibits.items()]
    assert smoke.experiment("keskar").to_aggregate()["exhibits"] == {}


def again(payload):
    """What is read of a payload that went through the command line."""
    return json.loads(json.dumps(payload, allow_nan=False))


def test_what_stages_are_asked_is_json_and_valid_again(study):
    for experiment in study.experiments:
        question = experiment.question
        claims = again(experiment.to_judge())["claims"]
        assert TypeAdapter(list[Claim]).validate_python(claims) == question.claims
        for figure in question.figures:
            asked = again(experiment.to_draw(figure.name))["figure"]
            assert TypeAdapter(Figure).validate_python(asked) == with_paper(figure, question.claims)
        for table in question.tables:
            assert Table.model_validate(again(experiment.to_tabulate(table.name))["table"]) == table
        asked = again(experiment.to_aggregate())
        assert asked["groups"].keys() == experiment.groups.keys()
        members = [m for group in asked["groups"].values() for m in group["members"]]
        assert {member["run"] for member in members} == {arm.id for arm in experiment.arms}
        for arm in experiment.arms:
            assert Arm.model_validate(again(arm.chosen())) == arm


def test_what_an_aggregate_is_asked_names_every_measure_of_a_run(smoke):
    groups = smoke.experiment("keskar").to_aggregate()["groups"]
    wanted = ["curvature", "keskar", "keskar_subspace", "keskar_relative", "scaled_curvature", "ball"]
    assert groups["adam.small"]["members"][0]["measures"] == wanted
    # shares the run of the sweep
    assert groups["sb_adam_epochs"]["members"][0]["measures"] == ["curvature", "keskar"]
    assert groups["adam.small"]["tuned_on"] is None


GAP = {"name": "gap", "caption": "c", "kind": "gap_closed", "y": "test_error_percent"}
GAP |= {"small": "adam.small", "large": "adam.large", "lines": {"line": "sgd.large"}}


@pytest.mark.parametrize(
    "edits",
    [
        {f"{CLAIM}/metric": "train_seconds"},
        {f"{CLAIM}/a/metric": "train_seconds"},
        {"figures/batch_sweep/y": ["train_seconds"]},
        {"tables/sharpness/metrics": lambda metrics: [*metrics, "train_seconds"]},
        {"figures/batch_sweep": GAP},
    ],
    ids=["claim", "operand", "figure", "table", "gap_closed"],
)
def test_training_times_are_taken_where_a_question_shows_them(folder, edits):
    """Never else: they make tables that no other run has byte by byte."""
    spoil(folder / KESKAR, {f"{CLAIM}/expect": {"above": 1.0}, f"{CLAIM}/fit": ABSENT} | edits)
    study = load_study(folder / SMOKE, {"experiments": "keskar,goyal"})
    assert study.experiment("keskar").to_aggregate()["timed"] is True
    assert study.experiment("goyal").to_aggregate()["timed"] is False


def test_an_unknown_name_is_answered_with_the_known_ones(smoke):
    keskar = smoke.experiment("keskar")
    for ask, message in [
        (smoke.experiment, r"experiment must be one of \[.*'goyal', .*'keskar'.*\]; got 'nope'"),
        (keskar.to_draw, r"figure must be one of \[.*'batch_sweep', 'convergence'.*\]; got 'nope'"),
        (keskar.to_tabulate, r"table must be one of \['convergence'.*\]; got 'nope'"),
    ]:
        with pytest.raises(ValueError, match=message):
            ask("nope")


def test_a_run_is_followed_where_something_reads_it_along(digits):
    """Curves, medians of the last evaluations and loss levels are; what is read at its end is not."""

    def parts(experiment, group):
        members = digits.experiment(experiment).groups[group].members
        return {tuple(digits.followed[member.arm.id]) for member in members}

    assert parts("goyal", "baseline") == {("test", "train")}
    assert parts("goyal", "base_lr_large") <= {(), ("test", "train")}  # some are arms of the sweeps
    assert parts("schedules", "cosine.large_tuned") <= {("test",), ("test", "train")}
    assert parts("edge", "fast") == {("train",)}
    assert parts("shallue", "sweep") == {()}
