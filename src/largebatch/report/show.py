"""The evidence for a claim, the settings of an arm, and how two runs differ, for a terminal."""

import textwrap
from pathlib import Path

import pandas as pd
import yaml
from tabulate import tabulate

from largebatch.config.study import Study, load_study
from largebatch.figures.drawn import summary
from largebatch.judging.claims import detectable, interval, number, read_claims
from largebatch.judging.robustness import CLAIM, ROBUSTNESS, read_robustness
from largebatch.metrics import METRICS
from largebatch.observations.runs import Asked, asked, called, finals, like, the_one
from largebatch.report.answers import effect, marked
from largebatch.report.evidence import to_report

WIDTH, LABEL = 110, 14
ABSENT = "–"
COMMANDS = ("rerun", "cite")


def show(name: str, scale: Path, results: Path) -> str:
    """A claim with its evidence, or an arm with its settings and numbers; ValueError if neither has the name.

    scale: the scale file that describes the results.
    """
    study = load_study(scale)
    behind = {id: (e, one) for e in to_report(study)["experiments"] for id, one in e["claims"].items()}
    if name in behind:
        return claim_text(name, *behind[name], row_of(name, results), results)
    if found := called(study, name):
        return arm_text(found, study, results)
    known = like(name, iter([*behind, *(n for each in asked(study) for n in each.names)]))
    raise ValueError(
        f"{scale}: wanted a claim's id or an arm, such as {', '.join(known) or 'K1'}; got {name!r}"
    )


def row_of(name: str, results: Path) -> pd.Series | None:
    """The claim as it was judged; None if the folder has no verdict on it."""
    path = results / "claims.csv"
    claims = read_claims(path).set_index("id") if path.is_file() else pd.DataFrame()
    return claims.loc[name] if name in claims.index else None


def claim_text(name: str, experiment: dict, behind: dict, row: pd.Series | None, results: Path) -> str:
    """A claim: what it says, its verdict, and where its evidence is."""
    said = yaml.safe_load(textwrap.dedent(behind["lines"]))[0]
    e = experiment["experiment"]
    facts = [("says", behind["says"]), ("source", said["source"]), *judged(row), *changed(name, results)]
    facts += [(f"arm {i}", arm_line(arm, experiment)) for i, arm in enumerate(behind["arms"], 1)]
    facts += [
        *(("figure", f"{results.as_posix()}/figures/{e}_{figure}.png") for figure in behind["figures"]),
        *(("table", f"{results.as_posix()}/tables/{e}_{table}.md") for table in behind["tables"]),
        ("written in", behind["file"]),
        ("rerun", behind["command"]),
        ("cite", f"largebatch cite {name} --results {results.as_posix()}"),
    ]
    verdict = "not judged yet" if row is None else marked(row["verdict"], row["robust"])
    return "\n".join([f"{name}  {verdict}  ({e})", *lines(facts)])


def judged(row: pd.Series | None) -> list[tuple[str, str]]:
    """Our number beside the paper's."""
    if row is None:
        return []
    return [
        ("tier", row["tier"]),
        ("statement", row["statement"] if row["statement"] != row.name else ""),
        ("metric", METRICS[row["metric"]]),
        ("expected", row["expect"]),
        ("paper", number(row["paper_value"])),
        ("replication", row["replication"]),
        ("ours", effect(row)),
        ("in training", row["fit"]),
        ("control", row["control"]),
        ("seeds", number(row["n"])),
        ("p", f"{number(row['p_value'])}; corrected {number(row['p_adjusted'])}" if row["n"] > 1 else ""),
        ("detectable", detectable(row)),
        ("registration", row["registered"]),
        ("note", row["note"]),
    ]


def changed(name: str, results: Path) -> list[tuple[str, str]]:
    """The single changes of the rule of decision that give a claim another verdict."""
    path = results / ROBUSTNESS
    found = read_robustness(path) if path.is_file() else pd.DataFrame({"of": [], "id": []})
    rows = found[(found["of"] == CLAIM) & (found["id"] == name)].to_dict("records")
    return [("changed by", row["changed_by"]) for row in rows]


def arm_line(arm: str, experiment: dict) -> str:
    """An arm with its runs and the line that configures it."""
    known = experiment["arms"].get(arm)
    if known is None:
        return f"{arm} (left out at this scale)"
    runs = ", ".join(run for _, run in known["runs"] if run)
    return " ".join(part for part in (arm, *known["lines"], runs) if part)


def lines(facts: list[tuple[str, str]]) -> list[str]:
    """Facts, one per line, without empty ones; a command stays on one line, to be copied."""
    wrap = {"break_long_words": False, "break_on_hyphens": False}
    indent = " " * (LABEL + 2)
    return [
        textwrap.fill(
            f"  {label:<{LABEL}}{text}",
            width=len(text) + len(indent) if label in COMMANDS else WIDTH,
            subsequent_indent=indent,
            **wrap,
        )
        for label, text in facts
        if text
    ]


def arm_text(found: list[Asked], study: Study, results: Path) -> str:
    """One run in full, or several by name."""
    runs = {each.arm.id: each for each in found}
    if len(runs) > 1:
        rows = [(f"{each.experiment}/{each.label}", run) for run, each in runs.items()]
        return f"{len(runs)} runs, each shown by its name:\n{tabulate(rows, tablefmt='plain')}"
    ((run, one),) = runs.items()
    everywhere = [each for each in asked(study) if each.arm.id == run]
    folder = results / "runs" / run
    facts = [
        ("asked for by", ", ".join(dict.fromkeys(f"{each.experiment}/{each.label}" for each in everywhere))),
        ("seeds", seeds_of(run, study)),
        ("files", ", ".join(path.as_posix() for path in sorted(folder.glob("*"))) or f"none in {folder}"),
    ]
    settings = yaml.safe_dump(one.arm.chosen(), sort_keys=False, allow_unicode=True).splitlines()
    numbers = [
        (METRICS[metric], *numbers_of(values)) for metric, values in finals(everywhere, results).items()
    ]
    table = tabulate(numbers, headers=["final", "mean", "95 %", "seeds"], disable_numparse=True)
    return "\n".join([run, *lines(facts), "", *settings, "", table if numbers else no_numbers(results)])


def seeds_of(run: str, study: Study) -> str:
    """'14 (20 to 33)' of a run, with the experiments that read fewer."""
    seeds = study.seeds_of_files[run]
    read = {e.name: e.seeds_of_files().get(run, seeds) for e in study.experiments}
    fewer = [f"{name} reads the first {count}" for name, count in read.items() if count < seeds]
    return "; ".join([f"{seeds} ({study.first_seed} to {study.last_seed(seeds)})", *fewer])


def numbers_of(values: pd.Series) -> tuple[str, str, str]:
    """Mean, interval and number of seeds."""
    found = summary(values)
    return number(found["mean"]), interval(found["low"], found["high"]), f"{found['n']:.0f}"


def no_numbers(results: Path) -> str:
    return f"{results}: no observations of it."


def diff(a: str, b: str, scale: Path, results: Path) -> str:
    """The settings that two runs differ in, and their final numbers with the difference paired by seed."""
    study = load_study(scale)
    sides = [the_one(study, name) for name in (a, b)]
    (one, other) = (side[0].arm for side in sides)
    if one.id == other.id:
        return f"{a} and {b} are one run: {one.id}"
    head = [f"a  {one.id}", f"b  {other.id}", ""]
    settings = tabulate(different(one, other), headers=["setting", "a", "b"], disable_numparse=True)
    ours, theirs = (finals(side, results) for side in sides)
    rows = [
        (
            METRICS[m],
            *numbers_of(ours[m])[:2],
            *numbers_of(theirs[m])[:2],
            *numbers_of(theirs[m] - ours[m])[:2],
        )
        for m in ours
        if m in theirs
    ]
    heads = ["final", "a", "95 %", "b", "95 %", "b - a", "95 %, paired"]
    numbers = tabulate(rows, headers=heads, disable_numparse=True) if rows else no_numbers(results)
    return "\n".join([*head, settings, "", numbers])


def different(one, other) -> list[tuple[str, str, str]]:
    """(setting, its value in the one, in the other) where they differ, defaults included."""
    ours, theirs = (flat(arm.model_dump(mode="json")) for arm in (one, other))
    keys = dict.fromkeys([*ours, *theirs])
    return [
        (key, str(ours.get(key, ABSENT)), str(theirs.get(key, ABSENT)))
        for key in keys
        if ours.get(key, ABSENT) != theirs.get(key, ABSENT)
    ]


def flat(settings: dict, above: str = "") -> dict[str, object]:
    """Dotted key -> value."""
    found: dict[str, object] = {}
    for key, value in settings.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found
