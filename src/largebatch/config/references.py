"""Whether what a question names is there: arms and paths, as its use needs them, and the metric on them.

The arms of exhibits are among the arms.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from difflib import get_close_matches

from largebatch.config.exhibits import EXHIBIT_OF, EXHIBITS, NO_EXHIBITS, Exhibits
from largebatch.config.groups import Group
from largebatch.config.losses import called
from largebatch.config.measures import Measures
from largebatch.config.question import Question
from largebatch.config.spec import Arm
from largebatch.config.uses import Use
from largebatch.metrics import (
    END,
    EXHIBIT_METRICS,
    GOAL_METRICS,
    METRICS_OF,
    OF_CLASSES,
    PART_METRICS,
    PATH_METRICS,
    PROFILE,
    SETTINGS,
)


def mistakes(
    question: Question,
    groups: dict[str, Group],
    measures: Measures,
    absent: Collection[str] = (),
    exhibits: Exhibits = NO_EXHIBITS,
    unknown: Collection[str] = (),
) -> Iterator[str]:
    """'key: wanted ...; got ...' for everything in a question that its scale cannot answer.

    absent: arms and paths that the scale leaves out, unknown: metrics of measures that it leaves out; claims
    about them are not run. exhibits: the scale's settings of them for this question.
    """
    for what in ("claims", "figures", "tables"):
        names = Counter(reader.name for reader in getattr(question, what))
        if repeated := sorted(name for name, count in names.items() if count > 1):
            yield f"{what}: wanted each name once; got {repeated} repeatedly"
    yield from mistakes_in_statements(question)
    yield from mistakes_in_controls(question)
    for key, measure in settings_needed(question):
        if getattr(measures, measure) is None:
            yield f"{key}: wanted settings for it under measures.{measure} of the scale; got none"
    yield from mistakes_in_measured(question, groups)
    for use in (u for u in question.uses() if u.arm not in absent and u.metric not in unknown):
        yield from mistakes_in(use, question, groups)
    yield from mistakes_in_exhibits(question, groups, exhibits)
    yield from mistakes_in_paths(question, groups)
    yield from mistakes_in_snapshots(question, groups)
    for key, reader in question.readers():
        yield from (f"{key}.{mistake}" for mistake in reader.mistakes(question, groups, measures))


def mistakes_in_statements(question: Question) -> Iterator[str]:
    """Claims that share a statement across tiers; a statement called after a claim of another one."""
    tiers = {claim.stated: claim.tier for claim in reversed(question.claims)}
    for claim in question.claims:
        if claim.tier != tiers[claim.stated]:
            wanted = f"{tiers[claim.stated]}, that of statement {claim.stated}"
            yield f"claims[{claim.id}].tier: wanted {wanted}; got {claim.tier}"
        if claim.id in tiers and claim.stated != claim.id:
            yield f"claims[{claim.id}].statement: wanted {claim.id}, as others name it; got {claim.stated}"


def mistakes_in_controls(question: Question) -> Iterator[str]:
    """Empirical claims of closeness without a comparison where they must fail."""
    for claim in question.claims:
        if claim.tier == "empirical" and claim.is_close and not (claim.control or claim.no_control):
            wanted = "a comparison where it must fail, or no_control with the reason for none"
            why = f"{claim.kind} expected {claim.expect.chosen()} says that two things are about equal"
            yield f"claims[{claim.id}].control: wanted {wanted}, as {why}; got neither"


def undefined(question: Question, groups: dict[str, Group]) -> set[str]:
    """The names in a question that are none of its scale's arms, of its paths and of any exhibit's arms."""
    return {use.arm for use in question.uses()}.difference(groups, question.paths, EXHIBIT_OF)


def settings_needed(question: Question) -> Iterator[tuple[str, str]]:
    """(key of the question, field of Measures) for everything that the scale has to say how to measure."""
    yield from ((f"measures.{measure}", measure) for measure in question.measures)
    if question.paths:
        yield "paths", "path"


# What is known of full-batch descent alone; see Arm.stability_threshold.
OF_STABILITY = ("stability_threshold", "stability_ratio_by_epoch")
# Of a net or a loss of the user's the job says it.


def is_linear_regression(arm: Arm) -> bool:
    """Whether it is a linear net with squared error."""
    if arm.model.name == "imported" or not isinstance(arm.loss, str):
        return True
    return arm.loss == "squared_error" and arm.model.name == "mlp" and not arm.model.hidden


def can_be_rescaled(arm: Arm) -> bool:
    """Whether two linear layers have a ReLU alone between them."""
    model = arm.model
    if model.name != "mlp":
        return model.name == "imported"
    return bool(model.hidden) and model.activation == "relu" and not (model.batch_norm or model.dropout)


# Measure -> what it wants of every arm, and whether an arm is that.
SUITED = {
    "excess": ("arms with loss: squared_error and a linear net (mlp with hidden: [])", is_linear_regression),
    "rescaling": ("ReLU mlps with a hidden layer, without batch_norm and dropout", can_be_rescaled),
}


def mistakes_in_measured(question: Question, groups: dict[str, Group]) -> Iterator[str]:
    """Arms that cannot be measured as is asked."""
    for measure, names in question.measures.items():
        wanted, is_suited = SUITED.get(measure.removesuffix("_by_epoch"), ("", None))
        for name in names if is_suited else ():
            members = groups[name].members if name in groups else ()
            if wrong := [member.arm.id for member in members if not is_suited(member.arm)]:
                yield f"measures.{measure}: wanted {wanted}; got {name!r}, such as {wrong[0]}"


def mistakes_in(use: Use, question: Question, groups: dict[str, Group]) -> Iterator[str]:
    """What stands in the way of one use of an arm, a path or an arm of an exhibit."""
    if use.read == "if_there":
        use = replace(use, metric=None)
    if use.arm in groups:
        yield from mistakes_with_group(use, question, groups[use.arm])
    elif use.arm in question.paths:
        yield from mistakes_with_path(use, groups.get(question.paths[use.arm].start))
    elif EXHIBIT_OF.get(use.arm) in question.exhibits:
        yield from mistakes_with_exhibit(use, EXHIBIT_OF[use.arm])
    else:
        shown = [arm for arm, exhibit in EXHIBIT_OF.items() if exhibit in question.exhibits]
        near = get_close_matches(use.arm, [*groups, *question.paths, *shown], n=3, cutoff=0.0)
        yield f"{use.key}: wanted an arm that a scale defines, such as {near}; got {use.arm!r}"
        return
    if use.metric is not None:
        yield from mistakes_with_reading(use)


def mistakes_with_group(use: Use, question: Question, group: Group) -> Iterator[str]:
    """Whether a group is what its use needs, and the metric is measured on it."""
    one = len(group.arms) == 1
    if use.needs in ("one", "untuned") and not one:
        yield f"{use.key}: wanted one arm; got {use.arm!r}, a grid of {len(group.arms)}"
    elif use.needs == "untuned" and group.tuned_on is not None:
        yield f"{use.key}: wanted an arm that is not tuned; got {use.arm!r}, tuned on {group.tuned_on}"
    if use.needs == "many" and one:
        yield f"{use.key}: wanted several arms; got {use.arm!r}, a single arm"
    if use.needs in SETTINGS:
        yield from mistakes_with_grid(use, group, one)
    if use.metric in PART_METRICS:
        yield from mistakes_with_part(use, group)
    if use.metric in GOAL_METRICS and not all(m.arm.goal for m in group.members):
        yield f"{use.key}: wanted an arm with a goal for {use.metric}; got {use.arm!r}"
    if use.metric in OF_STABILITY and any(m.arm.stability_threshold is None for m in group.members):
        yield f"{use.key}: wanted full-batch SGD at a constant rate for {use.metric}; got {use.arm!r}"
    if use.metric in PATH_METRICS:
        yield f"{use.key}: wanted a path for {use.metric}; got {use.arm!r}, an arm"
    if use.metric in EXHIBIT_METRICS:
        yield f"{use.key}: wanted an arm of an exhibit for {use.metric}; got {use.arm!r}, which is trained"
    for measure, metrics in METRICS_OF.items():
        if use.metric in metrics and use.arm not in question.measures.get(measure, []):
            yield f"{use.key}: wanted an arm listed in measures.{measure} for {use.metric}; got {use.arm!r}"


def mistakes_with_part(use: Use, group: Group) -> Iterator[str]:
    """Whether the losses and the targets of a group's arms give them the metric."""
    arm = next((m.arm for m in group.members if use.metric not in m.arm.part_metrics), None)
    if arm is not None:
        near = get_close_matches(use.metric, arm.part_metrics, n=3, cutoff=0.0)
        why = f"loss: {called(arm.loss)} of targets that are {arm.data.targets}"
        yield f"{use.key}: wanted a metric that {use.arm!r} has ({why}), such as {near}; got {use.metric!r}"


def mistakes_with_grid(use: Use, group: Group, one: bool) -> Iterator[str]:
    """Whether a group is a grid with one arm at each value of the setting, which tuning leaves alone."""
    found = {name: {getattr(m.arm, use.needs) for m in members} for name, members in group.arms.items()}
    values = Counter(value for of_arm in found.values() for value in of_arm)
    if one:
        yield f"{use.key}: wanted a grid of arms over {use.needs}; got {use.arm!r}, a single arm"
    elif without := [name for name, of_arm in found.items() if any(map(math.isnan, of_arm))]:
        yield f"{use.key}: wanted arms that have a {use.needs}; got {without} without"
    elif tuned := [name for name, of_arm in found.items() if len(of_arm) > 1]:
        yield f"{use.key}: wanted a {use.needs} that is not tuned; got {tuned}, which choose theirs"
    elif max(values.values()) > 1:
        yield f"{use.key}: wanted one arm at each {use.needs}; got {use.arm!r}, with {dict(values)}"


def mistakes_with_path(use: Use, start: Group | None) -> Iterator[str]:
    """Whether a path, which begins at an arm of `start`, can stand where its use has it."""
    if use.needs in SETTINGS:
        yield f"{use.key}: wanted a grid of arms over {use.needs}; got {use.arm!r}, a path"
    elif use.needs != "one":
        yield f"{use.key}: wanted an arm; got {use.arm!r}, a path"
    if use.metric is not None and use.metric not in PATH_METRICS:
        near = get_close_matches(use.metric, sorted(PATH_METRICS), n=3, cutoff=0.0)
        yield f"{use.key}: wanted a metric of paths, such as {near}; got {use.metric!r}"
    if use.metric in OF_CLASSES and start and any(m.arm.data.targets != "classes" for m in start.members):
        yield f"{use.key}: wanted a path between nets of classes for {use.metric}; got {use.arm!r}"


def mistakes_with_exhibit(use: Use, exhibit: str) -> Iterator[str]:
    """Whether an arm of an exhibit can stand where its use has it, and the exhibit gives the metric."""
    if use.needs in SETTINGS:
        yield f"{use.key}: wanted a grid of arms over {use.needs}; got {use.arm!r}, of an exhibit"
    elif use.needs != "one":
        yield f"{use.key}: wanted arms that are trained; got {use.arm!r}, of an exhibit"
    metrics = EXHIBITS[exhibit].metrics
    if use.metric is not None and use.metric not in metrics:
        near = get_close_matches(use.metric, metrics, n=3, cutoff=0.0)
        yield f"{use.key}: wanted a metric of the exhibit {exhibit}, such as {near}; got {use.metric!r}"


def mistakes_with_reading(use: Use) -> Iterator[str]:
    """Whether the metric is of the kind that is read in the use's way."""
    profile = use.metric in PROFILE
    if use.read == "end" and profile:
        yield f"{use.key}: wanted at: {{value: ...}} for the profile {use.metric}; got a reading at its end"
    if use.read in ("value", "profile") and not profile:
        yield f"{use.key}: wanted a metric that is a profile; got {use.metric!r}"
    if use.read == "along" and profile:
        yield f"{use.key}: wanted a metric that is known along the run; got {use.metric!r}, a profile"
    if use.read in ("along", "positions") and use.metric in END:
        yield f"{use.key}: wanted a metric that is known along the run; got {use.metric!r}, known at its end"


def mistakes_in_exhibits(question: Question, groups: dict[str, Group], exhibits: Exhibits) -> Iterator[str]:
    """Whether the scale has settings for just these exhibits, and no arm has one of their names."""
    given = {name for name, options in exhibits if options is not None}
    for name in question.exhibits:
        if name not in given:
            yield f"exhibits: wanted settings for {name} under exhibits of the scale's numbers; got none"
    if more := sorted(given - set(question.exhibits)):
        yield f"exhibits: wanted each that the scale has settings for, {more} too; got {question.exhibits}"
    if taken := [arm for arm in groups if EXHIBIT_OF.get(arm) in question.exhibits]:
        yield f"exhibits: wanted names of their arms that no arm of the scale has; got {taken}"


def mistakes_in_paths(question: Question, groups: dict[str, Group]) -> Iterator[str]:
    """Whether each path has a name of its own and leads between runs of one net on the same data."""
    for name, path in question.paths.items():
        if name in groups:
            yield f"paths.{name}: wanted a name that no arm has; got {name!r}"
        ends = [groups.get(path.start), groups.get(path.end)]
        if None in ends or any(len(group.members) != 1 for group in ends):
            continue  # said where the ends are looked up
        start, end = (group.members[0].arm for group in ends)
        for setting in ("data", "model"):
            if getattr(start, setting) != getattr(end, setting):
                yield (
                    f"paths.{name}: wanted two arms with the same {setting}; "
                    f"got {path.start!r} and {path.end!r}, which differ"
                )
        if start.id == end.id:
            yield f"paths.{name}: wanted two different runs; got {path.start!r} and {path.end!r}, the same"


def mistakes_in_snapshots(question: Question, groups: dict[str, Group]) -> Iterator[str]:
    """Whether the arms that are measured along training keep snapshots of it."""
    named = [(m, name) for m, names in question.measures.items() if m.endswith("_by_epoch") for name in names]
    for measure, name in named:
        for member in groups[name].members if name in groups else ():
            if not (member.arm.snapshots_at_epochs or member.arm.snapshots_at_loss):
                yield (
                    f"measures.{measure}: wanted arms with snapshots_at_epochs or snapshots_at_loss; "
                    f"got {member.name!r} without"
                )
