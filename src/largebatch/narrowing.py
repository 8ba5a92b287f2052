"""A question narrowed to what a scale can answer: arms that it leaves out, and its own remarks on claims.

A claim about an arm that is left out stays, and will not be run; figures and tables lose its lines and
rows, and go when nothing is left of them.
"""

from collections.abc import Iterator

from largebatch.question import Claim, Figure, Question, Table
from largebatch.references import Use, uses, uses_of_at, uses_of_claim, uses_of_figure


def absent_from(question: Question, left_out: list[str]) -> set[str]:
    """The arms left out, and the paths that begin or end at one."""
    ends = {name: {path.start, path.end} for name, path in question.paths.items()}
    return {*left_out, *(name for name, both in ends.items() if both & set(left_out))}


def narrowed(question: Question, absent: set[str], because: str, deviations: dict[str, str]) -> Question:
    """The question without these arms and paths; deviations: claim id -> what replaces its deviation."""
    measures = {m: [a for a in arms if a not in absent] for m, arms in question.measures.items()}
    return question.model_copy(
        update={
            "measures": {measure: arms for measure, arms in measures.items() if arms},
            "paths": {name: path for name, path in question.paths.items() if name not in absent},
            "claims": [remarked(claim, absent, because, deviations) for claim in question.claims],
            "figures": [kept for figure in question.figures if (kept := figure_without(figure, absent))],
            "tables": [kept for table in question.tables if (kept := table_without(table, absent))],
        }
    )


def remarked(claim: Claim, absent: set[str], because: str, deviations: dict[str, str]) -> Claim:
    """The claim with this scale's remark on it."""
    if needs_any(uses_of_claim(claim, ""), absent):
        return claim.model_copy(update={"deviation": because})
    return claim.model_copy(update={"deviation": deviations.get(claim.id, claim.deviation)})


def figure_without(figure: Figure, absent: set[str]) -> Figure | None:
    """The figure without these arms; None if it shows nothing else, or cannot do without."""
    less = {"lines": {label: arm for label, arm in figure.lines.items() if arm not in absent}}
    if not less["lines"]:
        return None
    if getattr(figure, "baseline", None) in absent:
        less["baseline"] = None
    if marks := getattr(figure, "marks", None):
        less["marks"] = {k: m for k, m in marks.items() if getattr(m, "arm", None) not in absent}
    kept = figure.model_copy(update=less)
    return None if needs_any(uses_of_figure(kept, ""), absent) else kept


def table_without(table: Table, absent: set[str]) -> Table | None:
    """The table without these arms; None if it has no other rows, or is read by one of them."""
    rows = {label: arm for label, arm in table.rows.items() if arm not in absent}
    if not rows or needs_any(uses_of_at(table.at, ""), absent):
        return None
    paper = {label: numbers for label, numbers in table.paper.items() if label in rows}
    return table.model_copy(update={"rows": rows, "paper": paper})


def needs_any(some: Iterator[Use], absent: set[str]) -> bool:
    """Whether any of these uses is of an arm left out."""
    return any(use.arm in absent for use in some)


def mistakes_in_narrowing(
    question: Question, groups: set[str], left_out: list[str], deviations: dict[str, str]
) -> Iterator[str]:
    """'key: wanted ...; got ...' for names that leave nothing out or remark on nothing."""
    if there := sorted(set(left_out) & groups):
        yield f"left_out.arms: wanted arms that the scale lacks; got {there}"
    if unknown := sorted(set(left_out) - {use.arm for use in uses(question)}):
        yield f"left_out.arms: wanted arms that the experiment names; got {unknown}"
    if unknown := sorted(deviations.keys() - {claim.id for claim in question.claims}):
        yield f"deviations: wanted ids of the experiment's claims; got {unknown}"
