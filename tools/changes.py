"""Derive from git what was claimed when observations were first published, and what changed afterwards.

python tools/changes.py writes, for every experiment that is published without a registration, registered.json
and amended.json beside its observations: the claims before the commit that first published numbers of it,
and each later difference. Claims are parsed, not compared as text, and found by the names of their
experiments, so files may move. The commits are those of the first parents.

python tools/changes.py --table prints all published amendments as the table of docs/method.md; it needs no
git. Those under earlier/ belong to observations that have been replaced. --holm digits prints which verdicts
the first correction would undo, and which it would add.
"""

import argparse
import ast
import csv
import io
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import starmap
from pathlib import Path

import pandas as pd
import yaml
from pydantic import TypeAdapter, ValidationError

from largebatch.config.claims import Claim
from largebatch.config.decision import LEVEL, RULE
from largebatch.config.differences import OF_ALL, differences
from largebatch.config.registration import AMENDED, REGISTERED, content_of, read_log, sealed
from largebatch.config.scale import merged
from largebatch.config.study import Study, load_study
from largebatch.files import write_json
from largebatch.judging.claims import CONTRADICTED, SUPPORTED, read_claims
from largebatch.judging.robustness import holm_in_each
from largebatch.seals import collected

PUBLISHED = Path("results/published")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# The function whose call corrects p-values -> the rule, as registrations say it; the first called counts.
CORRECTIONS = {
    "of_conditions": RULE["correction"],
    "false_discovery_control": "Benjamini-Hochberg over the ledger",
    "holm": "Holm in the experiment",
}
# Begin of a change -> what the table says of it: which statement and which control, claims.csv has.
IN_SHORT = {"statement ": "put into a statement with others", "control none ": "given a control"}
# What ends the training of an arm, in a scale file.
STOPPING = ("stop", "goal")


def git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, encoding="utf-8").stdout


def history() -> list[tuple[str, str]]:
    """(commit, time) of all first parents, the oldest first."""
    lines = git("log", "--first-parent", "--reverse", "--format=%H %cI").splitlines()
    return [tuple(line.split(" ")) for line in lines]


@cache
def blob(name: str) -> str:
    return git("cat-file", "blob", name)


def blobs(commit: str, *folders: str) -> Iterator[tuple[str, str]]:
    """(path, blob) of the files below these folders."""
    for line in git("ls-tree", "-r", "-z", commit, "--", *folders).split("\0")[:-1]:
        described, path = line.split("\t")
        yield path, described.split()[2]


@cache
def parsed(name: str) -> dict:
    return yaml.load(blob(name), LOADER) or {}


@cache
def configured(commit: str) -> tuple[dict[str, dict], dict[str, dict]]:
    """Experiment -> its file, and scale -> its file, wherever below config/ they lay."""
    contents = [parsed(name) for path, name in blobs(commit, "config") if path.endswith(".yaml")]
    questions = {c["experiment"]: c for c in contents if "claims" in c and "experiment" in c}
    return questions, {c["scale"]: c for c in contents if "scale" in c}


def whole(scale: str, scales: dict[str, dict]) -> dict:
    """A scale's file on top of those that it extends."""
    own = scales[scale]
    return merged(whole(own["extends"], scales), own) if own.get("extends") in scales else own


@cache
def measured(name: str) -> frozenset[str]:
    """The experiments of which a claims.csv has numbers."""
    rows = csv.DictReader(io.StringIO(blob(name)))
    return frozenset(row["experiment"] for row in rows if row.get("estimate"))


def published(commit: str) -> set[tuple[str, str]]:
    """(scale, experiment) with published numbers."""
    found = blobs(commit, PUBLISHED.as_posix())
    ledgers = {
        Path(path).parent.name: name for path, name in found if Path(path).match("published/*/claims.csv")
    }
    return {(scale, experiment) for scale, name in ledgers.items() for experiment in measured(name)}


@cache
def called(name: str) -> frozenset[str]:
    """The names of the functions that a module calls."""
    calls = [node.func for node in ast.walk(ast.parse(blob(name))) if isinstance(node, ast.Call)]
    return frozenset(getattr(call, "attr", getattr(call, "id", "")) for call in calls)


@cache
def correction(commit: str) -> str:
    """How p-values are corrected."""
    calls = {call for path, name in blobs(commit, "src") if path.endswith(".py") for call in called(name)}
    return next((words for call, words in CORRECTIONS.items() if call in calls), "none")


def normal(claim: dict) -> dict:
    """A claim as it is registered today; as it was written, if today's kinds do not know it."""
    try:
        return TypeAdapter(Claim).validate_python(claim).chosen()
    except ValidationError:
        return claim


def stops(numbers: dict) -> dict[str, list[str]]:
    """Arm -> what ends its training, of an experiment's numbers at a scale."""
    base, crossed = numbers.get("base", {}), numbers.get("crossed", {})
    arms = {name: settings or {} for name, settings in numbers.get("arms", {}).items()}
    for arm, own in crossed.get("arms", {}).items():
        variants = crossed.get("variants", {})
        arms |= {f"{arm}.{name}": (more or {}) | (own or {}) for name, more in variants.items()}
    return {arm: [f"{key} {(base | own).get(key)}" for key in STOPPING] for arm, own in arms.items()}


def reads(claim: dict) -> list[str]:
    """The arms that a claim reads; none of one that today's kinds do not know."""
    try:
        return sorted({use.arm for use in TypeAdapter(Claim).validate_python(claim).all_uses()})
    except ValidationError:
        return []


def state(commit: str, scale: str, experiment: str) -> dict | None:
    """What was claimed of an experiment at a commit, as a registration has it; None if nothing was."""
    questions, scales = configured(commit)
    if experiment not in questions or scale not in scales:
        return None
    settings = whole(scale, scales)
    numbers = settings.get("numbers", {}).get(experiment, {})
    claims = questions[experiment]["claims"]
    return {
        "scale": scale,
        "experiment": experiment,
        "seeds": numbers.get("seeds", settings.get("seeds")),
        "rule": RULE | {"correction": correction(commit)},
        "claims": {claim["id"]: normal(claim) for claim in claims},
        "reads": {claim["id"]: reads(claim) for claim in claims},
        "arms": stops(numbers),
    }


def changes(states: list[tuple[str, str, dict]]) -> tuple[dict, list[dict]]:
    """What was claimed, with commit and time, and the log of what differs: of (commit, time, state).

    The first is what stood before the numbers were published. Of arms only those are kept that end
    otherwise today: all other settings are in the names of runs, which old code alone could tell.
    """
    (before, when, then), *later = states
    last = states[-1][2]["arms"]
    then = then | {"arms": {arm: ends for arm, ends in then["arms"].items() if last.get(arm, ends) != ends}}
    log: list[dict] = []
    for commit, time, now in later:
        differs = differences(then, now)
        if differs != (log[-1]["differs"] if log else {}):
            log.append({"time": time, "commit": commit, "differs": differs})
    return {"registered": then, "commit": before, "time": when, "observed": []}, log


def as_asked(record: dict, written: dict, study: Study) -> dict:
    """The record with its claims as the scale asks them: today's, with what differed then.

    written: today's claims as their file has them. A scale leaves claims out, and gives its own numbers.
    """
    then = record["registered"]
    asked = content_of(study, study.experiment(then["experiment"]))["claims"]
    claims = {}
    for id, claim in then["claims"].items():
        differ = [
            key for key in claim | written.get(id, {}) if claim.get(key) != written.get(id, {}).get(key)
        ]
        shared = {key: value for key, value in asked.get(id, {}).items() if key not in differ}
        claims[id] = shared | {key: claim[key] for key in differ if key in claim}
    kept = {id: [arm for arm in arms if arm in then["arms"]] for id, arms in then["reads"].items()}
    return record | {"registered": then | {"claims": claims, "reads": kept}}


def write() -> None:
    """Write the registrations that the history of the repository holds."""
    commits = history()
    first: dict[tuple[str, str], int] = {}
    for place, (commit, _) in enumerate(commits):
        for one in published(commit):
            first.setdefault(one, place)
    for (scale, experiment), place in sorted(first.items()):
        folder = PUBLISHED / scale / experiment
        if (folder / REGISTERED).is_file():
            continue
        # An experiment that came in the commit of its first numbers is taken as it was there.
        known = [(*when, state(when[0], scale, experiment)) for when in commits[max(place - 1, 0) :]]
        record, log = changes([one for one in known if one[2]])
        study = load_study(Path(f"config/{scale}.yaml"))
        written = state("HEAD", scale, experiment)["claims"]
        write_json(folder / REGISTERED, sealed(as_asked(record, written, study)))
        write_json(folder / AMENDED, log)
    collected(PUBLISHED)  # no seals are committed


def table() -> Iterator[str]:
    """Every published amendment, one line for what changed in one commit in the same way."""
    found: dict[tuple, dict[str, list[str]]] = {}
    for folder in sorted(path.parent for path in PUBLISHED.glob(f"**/{AMENDED}")):
        before: dict[str, list[str]] = {}
        for entry in read_log(folder):
            for claim, part in new_parts(before, entry["differs"]):
                part = next((text for begin, text in IN_SHORT.items() if part.startswith(begin)), part)
                scale = " ".join(folder.parent.relative_to(PUBLISHED).parts)
                key = (entry["time"][:10], entry["time"], entry["commit"][:7], scale, part)
                found.setdefault(key, {}).setdefault(folder.name, []).append(claim)
            before = entry["differs"]
    yield "| date | commit | scale | claims | what changed |"
    yield "|---|---|---|---|---|"
    for (date, _, commit, scale, part), where in sorted(found.items()):
        yield f"| {date} | {commit} | {scale} | {'; '.join(starmap(claims_in, where.items()))} | {part} |"


def new_parts(before: dict[str, list[str]], after: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """(claim, what changed) between two entries of a log; what is no longer different is back."""
    for claim in sorted(before.keys() | after.keys()):
        then, now = before.get(claim, []), after.get(claim, [])
        yield from ((claim, part) for part in now if part not in then)
        keys = {part.split(" ")[0] for part in now}
        yield from ((claim, f"back: {part}") for part in then if part.split(" ")[0] not in keys)


def claims_in(experiment: str, claims: list[str]) -> str:
    """'keskar: K1, K2', or all of an experiment."""
    return f"all of {experiment}" if claims == [OF_ALL] else f"{experiment}: {', '.join(claims)}"


def by_the_first_rule(scale: str) -> tuple[list[str], list[str]]:
    """Claims that today's rule decides and Holm within the experiment would not, and the other way round."""
    claims = read_claims(PUBLISHED / scale / "claims.csv").dropna(subset="p_value")
    p_values = claims["p_value"].to_numpy()[:, None]
    holm = pd.Series(holm_in_each(p_values, claims["experiment"])[:, 0], claims.index)
    decided = claims["verdict"].isin([SUPPORTED, CONTRADICTED])
    first = claims["note"].str.contains("Only the correction over") | decided
    lost, won = decided & (holm >= LEVEL), ~decided & first & (holm < LEVEL)
    return claims.loc[lost, "id"].tolist(), claims.loc[won, "id"].tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--table", action="store_true", help="Print what is published; write nothing.")
    parser.add_argument("--holm", metavar="SCALE", help="Print what the first correction would undo and add.")
    given = parser.parse_args()
    if given.table:
        print("\n".join(table()))
    elif given.holm:
        print("\n".join(", ".join(ids) or "none" for ids in by_the_first_rule(given.holm)))
    else:
        write()


if __name__ == "__main__":
    main()
