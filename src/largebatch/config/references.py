"""Whether what a question names is there: arms and paths, as its use needs them, and the metric on them.

The arms of exhibits are among the arms.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from largebatch.config.exhibits import EXHIBIT_OF, EXHIBITS, NO_EXHIBITS, Exhibits
from largebatch.config.question import (
    At,
    Claim,
    Curves,
    Descent,
    Figure,
    GapClosed,
    HeatMap,
    Operand,
    Question,
    Table,
)
from largebatch.metrics import (
    END,
    EXHIBIT_METRICS,
    GOAL_METRICS,
    MEASURES,
    PATH_METRICS,
    PLANE,
    PROFILE,
    SETTINGS,
    TRAIN_SECONDS,
)

if TYPE_CHECKING:
    from largebatch.config.groups import Group
    from largebatch.config.measures import Measures


@dataclass(frozen=True)
class Use:
    """An arm or path that a question names, and what is needed of it.

    needs: one arm (a tuned group acts as one), one that was not tuned, a grid over the named setting,
    many arms, or any. read: how the metric is read: one number at the end of the run, along the run, one
    number at a position of a profile, the whole profile, or whatever positions it has.
    """

    key: str
    arm: str
    metric: str | None = None
    needs: Literal["one", "untuned", "many", "any", *SETTINGS] = "one"
    read: Literal["end", "along", "value", "profile", "positions"] = "end"


def mistakes(
    question: Question,
    groups: "dict[str, Group]",
    measures: "Measures",
    absent: set[str] = frozenset(),
    exhibits: Exhibits = NO_EXHIBITS,
) -> Iterator[str]:
    """'key: wanted ...; got ...' for everything in a question that its scale cannot answer.

    absent: arms and paths that the scale leaves out; claims about them are not run. exhibits: the scale's
    settings of them for this question.
    """
    for what in ("claims", "figures", "tables"):
        names = Counter(getattr(thing, "id", None) or thing.name for thing in getattr(question, what))
        if repeated := sorted(name for name, count in names.items() if count > 1):
            yield f"{what}: wanted each name once; got {repeated} repeatedly"
    for key, measure in settings_needed(question):
        if getattr(measures, measure) is None:
            yield f"{key}: wanted settings for it under measures.{measure} of the scale; got none"
    for use in (use for use in uses(question) if use.arm not in absent):
        yield from mistakes_in(use, question, groups)
    yield from mistakes_in_exhibits(question, groups, exhibits)
    yield from mistakes_in_paths(question, groups)
    yield from mistakes_in_snapshots(question, groups)
    for claim in question.claims:
        yield from mistakes_in_expectation(claim)
    for figure in question.figures:
        if figure.kind == "heat_map":
            yield from mistakes_in_cells(figure, groups)
        if figure.kind == "descent":
            yield from mistakes_in_descent(figure, question, groups, measures)
    for table in question.tables:
        yield from mistakes_in_table(table, question)


def settings_needed(question: Question) -> Iterator[tuple[str, str]]:
    """(key of the question, field of Measures) for everything that the scale has to say how to measure."""
    yield from ((f"measures.{measure}", measure) for measure in question.measures)
    if question.paths:
        yield "paths", "path"


def mistakes_in(use: Use, question: Question, groups: "dict[str, Group]") -> Iterator[str]:
    """What stands in the way of one use of an arm, a path or an arm of an exhibit."""
    if use.arm in groups:
        yield from mistakes_with_group(use, question, groups[use.arm])
    elif use.arm in question.paths:
        yield from mistakes_with_path(use)
    elif EXHIBIT_OF.get(use.arm) in question.exhibits:
        yield from mistakes_with_exhibit(use, EXHIBIT_OF[use.arm])
    else:
        shown = [arm for arm, exhibit in EXHIBIT_OF.items() if exhibit in question.exhibits]
        near = get_close_matches(use.arm, [*groups, *question.paths, *shown], n=3, cutoff=0.0)
        yield f"{use.key}: wanted an arm that the scale has, such as {near}; got {use.arm!r}"
        return
    if use.metric is not None:
        yield from mistakes_with_reading(use)


def mistakes_with_group(use: Use, question: Question, group: "Group") -> Iterator[str]:
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
    if use.metric == "train_squared_error" and any(m.arm.loss != "squared_error" for m in group.members):
        yield f"{use.key}: wanted an arm with loss: squared_error for {use.metric}; got {use.arm!r}"
    if use.metric in GOAL_METRICS and not all(m.arm.goal for m in group.members):
        yield f"{use.key}: wanted an arm with a goal for {use.metric}; got {use.arm!r}"
    if use.metric in PATH_METRICS:
        yield f"{use.key}: wanted a path for {use.metric}; got {use.arm!r}, an arm"
    if use.metric in EXHIBIT_METRICS:
        yield f"{use.key}: wanted an arm of an exhibit for {use.metric}; got {use.arm!r}, which is trained"
    for measure, metrics in MEASURES.items():
        if use.metric in metrics and use.arm not in question.measures.get(measure, []):
            yield f"{use.key}: wanted an arm listed in measures.{measure} for {use.metric}; got {use.arm!r}"


def mistakes_with_grid(use: Use, group: "Group", one: bool) -> Iterator[str]:
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


def mistakes_with_path(use: Use) -> Iterator[str]:
    """Whether a path can stand where its use has it."""
    if use.needs in SETTINGS:
        yield f"{use.key}: wanted a grid of arms over {use.needs}; got {use.arm!r}, a path"
    elif use.needs != "one":
        yield f"{use.key}: wanted an arm; got {use.arm!r}, a path"
    if use.metric is not None and use.metric not in PATH_METRICS:
        near = get_close_matches(use.metric, sorted(PATH_METRICS), n=3, cutoff=0.0)
        yield f"{use.key}: wanted a metric of paths, such as {near}; got {use.metric!r}"


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


def mistakes_in_exhibits(question: Question, groups: "dict[str, Group]", exhibits: Exhibits) -> Iterator[str]:
    """Whether the scale has settings for just these exhibits, and no arm has one of their names."""
    given = {name for name, options in exhibits if options is not None}
    for name in question.exhibits:
        if name not in given:
            yield f"exhibits: wanted settings for {name} under exhibits of the scale's numbers; got none"
    if more := sorted(given - set(question.exhibits)):
        yield f"exhibits: wanted each that the scale has settings for, {more} too; got {question.exhibits}"
    if taken := [arm for arm in groups if EXHIBIT_OF.get(arm) in question.exhibits]:
        yield f"exhibits: wanted names of their arms that no arm of the scale has; got {taken}"


def mistakes_in_paths(question: Question, groups: "dict[str, Group]") -> Iterator[str]:
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


def mistakes_in_snapshots(question: Question, groups: "dict[str, Group]") -> Iterator[str]:
    """Whether the arms that are measured along training keep snapshots of it."""
    named = [(m, name) for m, names in question.measures.items() if m.endswith("_by_epoch") for name in names]
    for measure, name in named:
        for member in groups[name].members if name in groups else ():
            if not (member.arm.snapshots_at_epochs or member.arm.snapshots_at_loss):
                yield (
                    f"measures.{measure}: wanted arms with snapshots_at_epochs or snapshots_at_loss; "
                    f"got {member.name!r} without"
                )


def mistakes_in_expectation(claim: Claim) -> Iterator[str]:
    """What makes the bounds of a claim's effect meaningless."""
    wrong = [bound for bound in claim.expect.bounds if bound <= 0]
    on_logs = claim.kind in ("ratio", "updates_to_target") or getattr(claim, "show", "") == "critical_batch"
    if on_logs and wrong:
        yield f"claims[{claim.id}].expect: wanted a ratio above 0; got {wrong[0]}"


def mistakes_in_cells(figure: HeatMap, groups: "dict[str, Group]") -> Iterator[str]:
    """Whether no two arms of a heat map share a place."""
    of_lines = [groups[name] for name in figure.lines.values() if name in groups]
    if tuned := [group.name for group in of_lines if group.tuned_on]:
        yield f"figures[{figure.name}].lines: wanted arms that are not tuned; got {tuned}"
    found = [member.arm for group in of_lines for member in group.members]
    cells = Counter((arm.batch_size, float(f"{arm.peak_lr:.9g}")) for arm in found)
    if repeated := sorted(cell for cell, count in cells.items() if count > 1):
        key = f"figures[{figure.name}].lines"
        yield f"{key}: wanted one arm at each (batch size, peak rate); got more at {repeated}"


def mistakes_in_descent(
    figure: Descent, question: Question, groups: "dict[str, Group]", measures: "Measures"
) -> Iterator[str]:
    """Whether the plane of a path is measured, and both runs kept where they began."""
    key = f"figures[{figure.name}].path"
    if measures.path and not measures.path.plane_points:
        yield f"{key}: wanted plane_points under measures.path of the scale; got none"
    path = question.paths.get(figure.path)
    for end in (path.start, path.end) if path else ():
        members = groups[end].members if end in groups else ()
        if without := [member.name for member in members if 0 not in member.arm.snapshots_at_epochs]:
            yield f"{key}: wanted runs with snapshots_at_epochs from 0 on; got {without}"


def mistakes_in_table(table: Table, question: Question) -> Iterator[str]:
    """What a table shows that it cannot: numbers of a paper without a place, profiles without a position."""
    key = f"tables[{table.name}]"
    if table.over and table.paper:
        yield f"{key}.paper: wanted none beside over, which makes rows of its own; got {sorted(table.paper)}"
    elif unknown := sorted(table.paper.keys() - table.rows.keys()):
        yield f"{key}.paper: wanted labels of rows, {list(table.rows)}; got {unknown}"
    for label, numbers in table.paper.items():
        if unknown := sorted(numbers.keys() - set(table.metrics)):
            yield f"{key}.paper.{label}: wanted metrics of the table; got {unknown}"
    for label, row in table.rows.items():
        if row in question.paths and PATH_METRICS.isdisjoint(table.metrics):
            yield f"{key}.rows.{label}: wanted a path's row beside a metric of paths; got {table.metrics}"
        exhibit = EXHIBIT_OF.get(row)
        if exhibit in question.exhibits and set(EXHIBITS[exhibit].metrics).isdisjoint(table.metrics):
            yield f"{key}.rows.{label}: wanted a row of {exhibit} beside its metrics; got {table.metrics}"
    yield from mistakes_in_positions(table, key)


def mistakes_in_positions(table: Table, key: str) -> Iterator[str]:
    """Profiles of a table without a position, and positions without a row or a profile."""
    profiles = [metric for metric in table.metrics if metric in PROFILE]
    everywhere = way_of_reading(table.at) == "value"
    if unknown := sorted(table.positions.keys() - table.rows.keys()):
        yield f"{key}.positions: wanted labels of rows, {list(table.rows)}; got {unknown}"
    if table.over and table.positions:
        yield f"{key}.positions: wanted none beside over; got {sorted(table.positions)}"
    if profiles and not everywhere and table.rows.keys() - table.positions.keys():
        got = table.at.chosen() if table.at else "none"
        yield f"{key}.at: wanted {{value: ...}} for {profiles}, which are profiles; got {got}"
    for where in ("at",) * everywhere + ("positions",) * bool(table.positions):
        if not profiles:
            yield f"{key}.{where}: wanted a metric that is a profile; got {table.metrics}"


def uses(question: Question) -> Iterator[Use]:
    """Everything a question says about arms and paths.

    A table's rows need no metric: what was not measured shows a dash.
    """
    for measure, arms in question.measures.items():
        yield from (Use(f"measures.{measure}", arm, needs="any") for arm in arms)
    for name, path in question.paths.items():
        yield Use(f"paths.{name}.start", path.start, needs="untuned")
        yield Use(f"paths.{name}.end", path.end, needs="untuned")
    for claim in question.claims:
        yield from uses_of_claim(claim, f"claims[{claim.id}]")
    for figure in question.figures:
        yield from uses_of_figure(figure, f"figures[{figure.name}]")
    for table in question.tables:
        key = f"tables[{table.name}]"
        needs = table.over or "one"
        yield from (Use(f"{key}.rows.{label}", arm, needs=needs) for label, arm in table.rows.items())
        yield from uses_of_at(table.at, f"{key}.at")


def uses_of_claim(claim: Claim, key: str) -> Iterator[Use]:
    """The arms of one claim."""
    match claim.kind:
        case "difference" | "ratio":
            yield from uses_of_operand(claim.a, claim, f"{key}.a")
            yield from uses_of_operand(claim.b, claim, f"{key}.b")
        case "level":
            yield from uses_of_operand(claim.a, claim, f"{key}.a")
        case "contrast":
            for side in "abcd":
                yield from uses_of_operand(getattr(claim, side), claim, f"{key}.{side}")
        case "rank_correlation":
            needs = "many" if claim.within else claim.setting
            yield Use(f"{key}.arm", claim.arm, claim.metric, needs, way_of_reading(claim.at))
            if claim.minus:
                yield Use(f"{key}.minus", claim.minus, claim.metric, needs, way_of_reading(claim.at))
            yield from uses_of_at(claim.at, f"{key}.at")
        case "slope" if claim.setting:
            yield Use(f"{key}.arm", claim.arm, claim.metric, claim.setting)
        case "slope":
            yield Use(f"{key}.arm", claim.arm, claim.metric, read="positions")
        case "growth_law":
            yield Use(f"{key}.arm", claim.arm, claim.metric, read="along")
            yield Use(f"{key}.arm", claim.arm, "updates", read="along")
        case "hyperbola":
            yield Use(f"{key}.arm", claim.arm, claim.metric, "batch_size")
            if claim.over:
                yield from uses_of_operand(claim.over, claim, f"{key}.over")
        case "best_setting":
            yield from (Use(f"{key}.{s}", getattr(claim, s), claim.metric, claim.setting) for s in ("a", "b"))
        case "curve_gap" | "updates_to_target":
            yield from (Use(f"{key}.{s}", getattr(claim, s), claim.metric, read="along") for s in ("a", "b"))
            if claim.kind == "updates_to_target":
                yield from (Use(f"{key}.{s}", getattr(claim, s), "updates", read="along") for s in ("a", "b"))


def uses_of_operand(operand: Operand, claim: Claim, key: str) -> Iterator[Use]:
    """The arms of one side of a claim."""
    yield Use(f"{key}.arm", operand.arm, operand.metric or claim.metric, read=way_of_reading(operand.at))
    if operand.at and operand.at.same_updates_as:
        yield Use(f"{key}.arm", operand.arm, "updates", read="along")
    if operand.at and operand.at.train_loss_nats is not None:
        yield Use(f"{key}.arm", operand.arm, "train_loss_nats", read="along")
    yield from uses_of_at(operand.at, f"{key}.at")


# How figures that show more than one number a run read it: the metrics of kinds that name none, the way.
WHOLE = {
    "curves": ((), "along"),
    "rates": (("learning_rate",), "along"),
    "profile": ((), "profile"),
    "surface": (("plane_loss_nats",), "profile"),
    "walks": (("path_x", "path_y"), "profile"),
    "descent": (tuple(PLANE), "profile"),
}


def uses_of_figure(figure: Figure, key: str) -> Iterator[Use]:
    """The arms of one figure."""
    at = getattr(figure, "at", None)
    own, read = WHOLE.get(figure.kind, ((), way_of_reading(at)))
    named = getattr(figure, "y", own)
    named = [named] if isinstance(named, str) else named
    beside_profile = read == "value" and not PROFILE.isdisjoint(named)
    needs = {"against_setting": getattr(figure, "x", ""), "heat_map": "any"}.get(figure.kind, "one")
    for metric in named:
        read = way_of_reading(at.of(metric)) if beside_profile else read
        for place, arm in figure.shown.items():
            yield Use(f"{key}.{place}", arm, metric, needs, read)
        if figure.kind == "against_setting" and figure.baseline:
            yield Use(f"{key}.baseline", figure.baseline, metric, read=read)
    if figure.kind == "against_setting":
        for label, mark in figure.marks.items():
            metric = mark.metric or figure.y[0]
            yield Use(f"{key}.marks.{label}.arm", mark.arm, metric, read=way_of_reading(mark.at))
            yield from uses_of_at(mark.at, f"{key}.marks.{label}.at")
    if figure.kind == "gap_closed":
        yield from uses_of_gap(figure, key)
    if figure.kind == "curves":
        yield from uses_of_curves(figure, key)
    if figure.kind == "rates" and figure.images_per_update:
        yield from (
            Use(f"{key}.{place}", arm, "updates", read="along") for place, arm in figure.shown.items()
        )
    yield from uses_of_at(at, f"{key}.at")


def uses_of_curves(figure: Curves, key: str) -> Iterator[Use]:
    """The level of each line, and what tells its places on the axis where that is not the epoch."""
    places = {"update": "updates", "train_loss_nats": "train_loss_nats"}.get(figure.x)
    if places:
        yield from (Use(f"{key}.{place}", arm, places, read="along") for place, arm in figure.shown.items())
    for label, arm in figure.lines.items():
        if figure.level:
            yield Use(f"{key}.lines.{label}", arm, figure.level)


def uses_of_gap(figure: GapClosed, key: str) -> Iterator[Use]:
    """The arms between which the gap lies, and all whose training time a figure of the gap compares."""
    for side in ("small", "large"):
        yield Use(f"{key}.{side}", getattr(figure, side), figure.y)
    yield Use(f"{key}.large", figure.large, TRAIN_SECONDS)
    yield from (Use(f"{key}.lines.{label}", arm, TRAIN_SECONDS) for label, arm in figure.lines.items())


def uses_of_at(at: At | None, key: str) -> Iterator[Use]:
    """The arm whose updates a reading goes by."""
    if at and at.same_updates_as:
        yield Use(f"{key}.same_updates_as", at.same_updates_as, "updates")


def way_of_reading(at: At | None) -> str:
    """How a metric is read; the last evaluations are there for every metric that is no profile."""
    if at is None or at.median_of_last is not None:
        return "end"
    return "along" if at.value is None else "value"
