"""Whether what a question names is there: arms, as many as its use needs, and the metric on them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from largebatch.question import END_ONLY, MEASURES, At, Claim, Figure, Question

if TYPE_CHECKING:
    from largebatch.config import Group, Measures


@dataclass(frozen=True)
class Use:
    """An arm that a question names, and what is needed of it.

    needs: one arm (a tuned group acts as one), or a grid over the named setting, or any. along: the
    metric is read along the run and not at its end only.
    """

    key: str
    arm: str
    metric: str | None = None
    needs: Literal["one", "any", "batch_size", "lr", "k"] = "one"
    along: bool = False


def mistakes(question: Question, groups: "dict[str, Group]", measures: "Measures") -> Iterator[str]:
    """'key: wanted ...; got ...' for everything in a question that its scale cannot answer."""
    for what in ("claims", "figures", "tables"):
        names = Counter(getattr(thing, "id", None) or thing.name for thing in getattr(question, what))
        if repeated := sorted(name for name, count in names.items() if count > 1):
            yield f"{what}: wanted each name once; got {repeated} repeatedly"
    for measure in question.measures:
        if getattr(measures, measure) is None:
            yield f"measures.{measure}: wanted settings for it under measures of the scale; got none"
    for use in uses(question):
        yield from mistakes_in(use, question, groups)
    for claim in question.claims:
        yield from mistakes_in_expectation(claim)
    for table in question.tables:
        if unknown := sorted(table.paper.keys() - table.rows.keys()):
            yield f"tables[{table.name}].paper: wanted labels of rows, {list(table.rows)}; got {unknown}"
        for label, numbers in table.paper.items():
            if unknown := sorted(numbers.keys() - set(table.metrics)):
                yield f"tables[{table.name}].paper.{label}: wanted metrics of the table; got {unknown}"


def mistakes_in(use: Use, question: Question, groups: "dict[str, Group]") -> Iterator[str]:
    """What stands in the way of one use of an arm."""
    if use.arm not in groups:
        near = get_close_matches(use.arm, groups, n=3, cutoff=0.0)
        yield f"{use.key}: wanted an arm that the scale has, such as {near}; got {use.arm!r}"
        return
    group = groups[use.arm]
    one = len(group.members) == 1 or group.tuned_on is not None
    if use.needs == "one" and not one:
        yield f"{use.key}: wanted one arm; got {use.arm!r}, a grid of {len(group.members)}"
    if use.needs not in ("one", "any"):
        values = Counter(getattr(member.arm, use.needs) for member in group.members)
        if one:
            yield f"{use.key}: wanted a grid of arms over {use.needs}; got {use.arm!r}, a single arm"
        elif max(values.values()) > 1:
            yield f"{use.key}: wanted one arm at each {use.needs}; got {use.arm!r}, with {dict(values)}"
    if use.along and use.metric in END_ONLY:
        yield f"{use.key}: wanted a metric that is known along the run; got {use.metric!r}, known at its end"
    for measure, metrics in MEASURES.items():
        if use.metric in metrics and use.arm not in question.measures.get(measure, []):
            yield f"{use.key}: wanted an arm listed in measures.{measure} for {use.metric}; got {use.arm!r}"


def mistakes_in_expectation(claim: Claim) -> Iterator[str]:
    """What makes a claim's threshold meaningless."""
    expect = claim.expect.chosen()
    (threshold,) = expect.values()
    key = f"claims[{claim.id}].expect"
    if claim.kind in ("ratio", "updates_to_target") and threshold <= 0:
        yield f"{key}: wanted a ratio above 0; got {threshold}"
    if claim.kind == "best_setting" and expect != {"below": claim.margin}:
        yield f"{key}: wanted {{below: {claim.margin}}}, the margin; got {expect}"


def uses(question: Question) -> Iterator[Use]:
    """Everything a question says about arms.

    A table's rows need no metric: what was not measured shows a dash.
    """
    for measure, arms in question.measures.items():
        yield from (Use(f"measures.{measure}", arm, needs="any") for arm in arms)
    for claim in question.claims:
        yield from uses_of_claim(claim, f"claims[{claim.id}]")
    for figure in question.figures:
        yield from uses_of_figure(figure, f"figures[{figure.name}]")
    for table in question.tables:
        key = f"tables[{table.name}]"
        yield from (Use(f"{key}.rows.{label}", arm) for label, arm in table.rows.items())
        yield from uses_of_at(table.at, f"{key}.at")


def uses_of_claim(claim: Claim, key: str) -> Iterator[Use]:
    """The arms of one claim."""
    match claim.kind:
        case "difference" | "ratio":
            for side in ("a", "b"):
                operand = getattr(claim, side)
                metric = operand.metric or claim.metric
                yield Use(f"{key}.{side}.arm", operand.arm, metric, along=along(operand.at))
                yield from uses_of_at(operand.at, f"{key}.{side}.at")
        case "rank_correlation":
            yield Use(f"{key}.arm", claim.arm, claim.metric, claim.setting, along(claim.at))
            yield from uses_of_at(claim.at, f"{key}.at")
        case "best_setting":
            yield from (Use(f"{key}.{s}", getattr(claim, s), claim.metric, claim.setting) for s in ("a", "b"))
        case "curve_gap" | "updates_to_target":
            yield from (Use(f"{key}.{s}", getattr(claim, s), claim.metric, along=True) for s in ("a", "b"))


def uses_of_figure(figure: Figure, key: str) -> Iterator[Use]:
    """The arms of one figure."""
    shown, at = getattr(figure, "y", None), getattr(figure, "at", None)
    for metric in shown if isinstance(shown, list) else [shown]:
        of_run = figure.kind == "curves" or along(at)
        needs = figure.x if figure.kind == "against_setting" else "one"
        for label, arm in figure.lines.items():
            yield Use(f"{key}.lines.{label}", arm, metric, needs, of_run)
        if figure.kind == "against_setting" and figure.baseline:
            yield Use(f"{key}.baseline", figure.baseline, metric, along=of_run)
    yield from uses_of_at(at, f"{key}.at")


def uses_of_at(at: At | None, key: str) -> Iterator[Use]:
    """The arm whose updates a reading goes by."""
    if at and at.same_updates_as:
        yield Use(f"{key}.same_updates_as", at.same_updates_as)


def along(at: At | None) -> bool:
    """Whether a reading lies along the run; the last evaluations are there for every metric."""
    return at is not None and at.median_of_last is None
