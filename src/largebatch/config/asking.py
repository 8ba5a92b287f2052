"""A question as one scale asks it: without the arms it leaves out, with its own remarks and paper's numbers.

Left out are the arms that the scale does not define, and those that it names itself. A claim about one stays,
and will not be run; figures and tables lose its lines and rows, and go when nothing is left of them.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from largebatch.config.claims import Claim
from largebatch.config.exhibits import EXHIBIT_OF
from largebatch.config.question import Question
from largebatch.config.settings import Settings
from largebatch.config.tables import Table
from largebatch.config.uses import ArmName, Name
from largebatch.metrics import Metric

Text = Annotated[str, StringConstraints(min_length=1)]


class LeftOut(Settings):
    """What a question names and the scale does not train or make, and why; claims that it cannot judge.

    An arm that is neither listed nor defined is left out too, without a reason.
    """

    arms: Annotated[list[ArmName], Field(min_length=1)]
    because: Text
    claims: dict[str, Text] = {}


class PaperNumbers(Settings):
    """The paper's numbers for another net or data set than the experiment's file gives: all others go.

    of: what they are of. values: claim id -> number; tables: name -> row label -> metric -> as printed.
    """

    of: Text
    values: dict[str, float] = {}
    tables: dict[Name, dict[str, dict[Metric, str]]] = {}


class Asking(Settings):
    """How a scale asks a question.

    question: the experiment whose question it is, where it is asked once more under another name,
    `<question>_<net>`; claims then end in the same `_<net>`. deviations: claim id -> how this scale departs
    from the source, in place of the experiment's text.
    """

    question: Name | None = None
    left_out: LeftOut | None = None
    deviations: dict[str, str] = {}
    paper: PaperNumbers | None = None


def absent_from(question: Question, asking: Asking, undefined: Collection[str] = ()) -> dict[str, str]:
    """Arm that is left out -> why; with the paths that begin or end at one.

    undefined: arms that the scale does not define.
    """
    absent = {arm: f"This scale does not define the arm {arm}." for arm in undefined}
    if asking.left_out:
        absent |= dict.fromkeys(asking.left_out.arms, asking.left_out.because)
    for name, path in question.paths.items():
        if name not in absent and (ends := [end for end in (path.start, path.end) if end in absent]):
            absent[name] = absent[ends[0]]
    return absent


def asked(question: Question, asking: Asking, name: str, absent: Mapping[str, str]) -> Question:
    """The question as the scale asks it, under this name, without what is absent from it."""
    measures = {m: [a for a in arms if a not in absent] for m, arms in question.measures.items()}
    exhibits = [name for name in question.exhibits if not all_absent(name, question, absent)]
    tables = [table_with(table, asking.paper) if asking.paper else table for table in question.tables]
    return question.model_copy(
        update={
            "experiment": name,
            "measures": {measure: arms for measure, arms in measures.items() if arms},
            "paths": {name: path for name, path in question.paths.items() if name not in absent},
            "exhibits": exhibits,
            "claims": [claim_as(claim, asking, absent, suffix(name, asking)) for claim in question.claims],
            "figures": [kept for figure in question.figures if (kept := figure.without(absent))],
            "tables": [kept for table in tables if (kept := table.without(absent))],
        }
    )


def all_absent(exhibit: str, question: Question, absent: Collection[str]) -> bool:
    """Whether all that a question names of an exhibit is left out: then the scale need not make it."""
    named = {use.arm for use in question.uses() if EXHIBIT_OF.get(use.arm) == exhibit}
    return bool(named) and named.issubset(absent)


def suffix(name: str, asking: Asking) -> str:
    """What the ids of claims end in where a question is asked once more."""
    return name.removeprefix(asking.question) if asking.question else ""


def claim_as(claim: Claim, asking: Asking, absent: Mapping[str, str], ending: str) -> Claim:
    """The claim with this scale's remark on it and the paper's number for it."""
    change: dict = {"id": claim.id + ending, "statement": claim.stated + ending} if ending else {}
    if claim.id in asking.deviations:
        change["deviation"] = asking.deviations[claim.id]
    if reasons := dict.fromkeys(why for arm, why in absent.items() if claim.needs([arm])):
        change |= {"not_run": " ".join(reasons), "deviation": ""}
    elif asking.left_out and claim.id in asking.left_out.claims:
        change |= {"not_run": asking.left_out.claims[claim.id], "deviation": ""}
    if asking.paper:
        change["paper_value"] = asking.paper.values.get(claim.id)
    return claim.model_copy(update=change)


def table_with(table: Table, paper: PaperNumbers) -> Table:
    """The table with these numbers of the paper in place of its own."""
    return table.model_copy(update={"paper": paper.tables.get(table.name, {}), "paper_of": paper.of})


def mistakes_in_asking(question: Question, asking: Asking, crossings: set[str], name: str) -> Iterator[str]:
    """'key: wanted ...; got ...' for names that leave nothing out, or that nothing has.

    crossings: what would be made of arms and variants, were nothing left out.
    """
    left_out = set(asking.left_out.arms) if asking.left_out else set()
    if unknown := sorted(left_out - crossings - {use.arm for use in question.uses()}):
        yield f"left_out.arms: wanted arms that the experiment names; got {unknown}"
    ids, paper = {claim.id for claim in question.claims}, asking.paper
    claims = asking.left_out.claims if asking.left_out else {}
    of_claims = {"deviations": asking.deviations, "left_out.claims": claims}
    for key, given in (of_claims | {"paper.values": paper.values if paper else {}}).items():
        if unknown := sorted(given.keys() - ids):
            yield f"{key}: wanted ids of the experiment's claims; got {unknown}"
    if paper and (unknown := sorted(paper.tables.keys() - {table.name for table in question.tables})):
        yield f"paper.tables: wanted names of the experiment's tables; got {unknown}"
    if asking.question and not name.startswith(f"{asking.question}_"):
        yield f"question: wanted the begin of the experiment's name, {name!r}; got {asking.question!r}"
