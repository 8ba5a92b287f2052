"""A question as one scale asks it: without what it leaves out, with its own remarks and paper's numbers.

Left out are the arms that the scale does not define, and the arms and measures that it names itself. A claim
about one stays, and will not be run; figures and tables lose its lines, rows and metrics, and go when nothing
is left of them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal

from pydantic import model_validator

from largebatch.config.claim import Runs, Spread, means_of
from largebatch.config.claims import Claim
from largebatch.config.exhibits import EXHIBIT_OF
from largebatch.config.measures import Measures
from largebatch.config.question import Question
from largebatch.config.settings import Settings, Text
from largebatch.config.tables import Table
from largebatch.config.uses import ArmName, Name
from largebatch.metrics import METRICS_OF, PROFILE, Metric

MeasureName = Literal[tuple(Measures.model_fields)]


class LeftOut(Settings):
    """What a question names and the scale does not train or make, and why; claims that it cannot judge.

    An arm that is neither listed nor defined is left out too, without a reason. measures: those that are not
    made of any arm; path: what lies between minima. because: of arms and measures; each claim has its own.
    """

    arms: list[ArmName] = []
    measures: list[MeasureName] = []
    because: Text | None = None
    claims: dict[str, Text] = {}

    @model_validator(mode="after")
    def leaves_something_out(self):
        if not self.arms and not self.measures and not self.claims:
            raise ValueError("arms, measures or claims; got none of them")
        if bool(self.arms or self.measures) != (self.because is not None):
            raise ValueError(f"because beside arms or measures, and only there; got {self.because!r}")
        return self


class PaperNumbers(Settings):
    """The paper's numbers for another net or data set than the experiment's file gives: all others go.

    of: what they are of. values: claim id -> number; sides: claim id -> paper_sides, each over `runs` runs;
    tables: name -> row label -> metric -> as printed.
    """

    of: Text
    values: dict[str, float] = {}
    sides: dict[str, list[Spread]] = {}
    runs: Runs | None = None
    tables: dict[Name, dict[str, dict[Metric, str]]] = {}

    @model_validator(mode="after")
    def sides_of_runs(self):
        if bool(self.sides) != (self.runs is not None):
            raise ValueError(f"sides and runs together; got {sorted(self.chosen())}")
        return self


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

    @property
    def unknown(self) -> set[str]:
        """The metrics of the measures that are left out."""
        measures = self.left_out.measures if self.left_out else []
        return {metric for measure in measures for metric in METRICS_OF.get(measure, ())}


def absent_from(question: Question, asking: Asking, lacking: Mapping[str, str] = {}) -> dict[str, str]:
    """Arm that is left out -> why; with the paths that begin or end at one.

    lacking: arms and paths that are not there, with the reason.
    """
    absent = dict(lacking)
    if asking.left_out:
        absent |= dict.fromkeys(asking.left_out.arms, asking.left_out.because)
        if "path" in asking.left_out.measures:
            absent |= dict.fromkeys(question.paths, asking.left_out.because)
    for name, path in question.paths.items():
        if name not in absent and (ends := [end for end in (path.start, path.end) if end in absent]):
            absent[name] = absent[ends[0]]
    return absent


def asked(question: Question, asking: Asking, name: str, absent: Mapping[str, str]) -> Question:
    """The question as the scale asks it, under this name, without what is absent from it."""
    left_out = asking.left_out.measures if asking.left_out else []
    measures = {
        measure: [arm for arm in arms if arm not in absent]
        for measure, arms in question.measures.items()
        if measure not in left_out
    }
    exhibits = [name for name in question.exhibits if not all_absent(name, question, absent)]
    tables = [table_with(table, asking.paper) if asking.paper else table for table in question.tables]
    return question.model_copy(
        update={
            "experiment": name,
            "measures": {measure: arms for measure, arms in measures.items() if arms},
            "paths": {name: path for name, path in question.paths.items() if name not in absent},
            "exhibits": exhibits,
            "claims": [claim_as(claim, asking, absent, suffix(name, asking)) for claim in question.claims],
            "figures": shown_still(question.figures, absent, asking.unknown),
            "tables": shown_still(tables, absent, asking.unknown),
        }
    )


def shown_still(shown: Iterable, absent: Collection[str], unknown: Collection[str]) -> list:
    """The figures or tables without these arms and metrics, those with anything left."""
    less = (each.without(absent) for each in shown)
    return [kept for each in less if each and (kept := without_metrics(each, unknown))]


def without_metrics(shown, unknown: Collection[str]):
    """A figure or table without these metrics; None if it is about them, or cannot do without."""
    change: dict = {}
    for key in ("y", "metrics"):
        if isinstance(metrics := getattr(shown, key, None), list):
            change[key] = kept = [metric for metric in metrics if metric not in unknown]
            # what reads a profile at a value is about the profile
            if not kept or (PROFILE.isdisjoint(kept) and not PROFILE.isdisjoint(metrics)):
                return None
    if isinstance(shown, Table):
        change["paper"] = {
            row: {metric: text for metric, text in of_row.items() if metric not in unknown}
            for row, of_row in shown.paper.items()
        }
    kept = shown.model_copy(update=change)
    return None if any(use.metric in unknown for use in kept.uses()) else kept


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
    elif (left_out := asking.left_out) and claim.id in left_out.claims:
        change |= {"not_run": left_out.claims[claim.id], "deviation": ""}
    elif left_out and any(use.metric in asking.unknown for use in claim.uses()):
        change |= {"not_run": left_out.because, "deviation": ""}
    if control := claim.control:
        change["control"] = control.model_copy(update={"not_run": why_not(claim, asking, absent)})
    if asking.paper:
        sides = asking.paper.sides.get(claim.id, [])
        change |= {"paper_value": asking.paper.values.get(claim.id), "paper_sides": sides}
        change["paper_runs"] = asking.paper.runs if sides else None
    return claim.model_copy(update=change)


def why_not(claim: Claim, asking: Asking, absent: Mapping[str, str]) -> str:
    """Why the scale cannot judge a claim's control; empty if it can."""
    uses = list(claim.controlled().uses())
    reasons = [absent[use.arm] for use in uses if use.arm in absent]
    if asking.left_out and any(use.metric in asking.unknown for use in uses):
        reasons.append(asking.left_out.because)
    return " ".join(dict.fromkeys(reasons))


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
    of_paper = {"paper.values": paper.values, "paper.sides": paper.sides} if paper else {}
    for key, given in (of_claims | of_paper).items():
        if unknown := sorted(given.keys() - ids):
            yield f"{key}: wanted ids of the experiment's claims; got {unknown}"
    for claim in question.claims if paper else ():
        printed = [paper.values[claim.id]] if claim.id in paper.values else []
        printed += means_of(paper.sides.get(claim.id, []))
        if claim.on_logarithms and (wrong := [number for number in printed if number <= 0]):
            yield f"paper: wanted numbers above 0 of {claim.id}, judged on logarithms; got {wrong[0]}"
    if paper and (unknown := sorted(paper.tables.keys() - {table.name for table in question.tables})):
        yield f"paper.tables: wanted names of the experiment's tables; got {unknown}"
    if asking.question and not name.startswith(f"{asking.question}_"):
        yield f"question: wanted the begin of the experiment's name, {name!r}; got {asking.question!r}"
