"""What the report is told about a study: for each claim its arms, figures, configuration and command."""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from largebatch.config.claims import Claim
from largebatch.config.exhibits import EXHIBIT_OF
from largebatch.config.experiment import Experiment
from largebatch.config.study import Study
from largebatch.config.uses import Use

MOST_FIGURES = 3
MOST_FILES = 12  # at most, to be named one by one in a command
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same line numbers, ten times as fast
Lines = tuple[int, int]
Shown = set[tuple[str, str]]  # (run, metric)


def to_report(study: Study) -> dict:
    """What the report shall show, for JSON."""
    where = lines_of(study.path) if not study.below else lines_of(study.below) | lines_of(study.path)
    return {
        "scale": study.scale,
        "seeds": study.numbers_of_seeds,
        "papers": [paper.model_dump() for paper in study.papers],
        "experiments": [experiment_of(study, e, where) for e in study.experiments],
    }


def experiment_of(study: Study, e: Experiment, where: dict[str, tuple[Path, Lines]]) -> dict:
    """One experiment: its texts, figures and tables, its arms, and the evidence for its claims."""
    question = e.question
    return {
        "experiment": e.name,
        "asks": e.written.experiment,
        "title": question.title,
        "question": question.question,
        "figures": [figure.name for figure in question.figures],
        "tables": [table.name for table in question.tables],
        "arms": {name: arms_of(name, study, e, where) for name in (*e.groups, *question.paths, *e.exhibits)},
        "pace": {arm: pace for group in e.groups.values() for arm, pace in paces(group)},
        "claims": dict(claims_of(study, e, where)),
    }


def arms_of(name: str, study: Study, e: Experiment, where: dict[str, tuple[Path, Lines]]) -> dict:
    """Where an arm, path or exhibit is configured, its runs (what differs, name), what they share."""
    own = {"seeds": e.seeds_of(name)} if e.seeds_of(name) != study.seeds else {}
    if name in e.question.paths:
        path = e.question.paths[name]
        return {"lines": [], "runs": [[f"from {path.start} to {path.end}", ""]], "common": ""}
    if name in e.exhibits:
        options = e.exhibits[name].chosen()
        lines = places(where, f"numbers.{e.name}.exhibits.{name}")
        return {"lines": lines, "runs": [[name, e.exhibit_stems()[name]]], "common": settings(options | own)}
    arm, _, variant = name.partition("[")[0].partition(".")
    keys = [f"crossed.arms.{arm}", f"crossed.variants.{variant}"] if variant else [f"arms.{name}"]
    runs = [(m.name.removeprefix(name) or name, m.arm) for m in e.groups[name].members]
    first = runs[0][1].chosen()
    shared = {
        key: value for key, value in first.items() if all(run.chosen().get(key) == value for _, run in runs)
    }
    return {
        "lines": places(where, *(f"numbers.{e.name}.{key}" for key in keys)),
        "runs": [[label, run.id] for label, run in runs],
        "common": settings(shared | own),
    }


def settings(chosen: dict) -> str:
    """Settings as in YAML, on one line."""
    return yaml.safe_dump(chosen, default_flow_style=True, sort_keys=False, width=10**6).strip().strip("{}")


def places(where: dict[str, tuple[Path, Lines]], *keys: str) -> list[str]:
    """'config/digits.yaml:63' of those keys that a file has."""
    found = [where[key] for key in keys if key in where]
    return [f"{path.as_posix()}:{first}" for path, (first, _) in found]


def paces(group) -> Iterator[tuple[str, list[int]]]:
    """(arm, [updates per epoch, epochs]) if all its runs have the same and no batch grows."""
    for arm, members in group.arms.items():
        runs = [m.arm for m in members]
        found = {(run.batches_of(run.batch_size), run.epochs) for run in runs}
        if len(found) == 1 and not any(run.schedule.grows_batch for run in runs):
            yield arm, list(found.pop())


def claims_of(
    study: Study, e: Experiment, of_scale: dict[str, tuple[Path, Lines]]
) -> Iterator[tuple[str, dict]]:
    """(id, evidence) of each claim; of_scale: where the keys of the scale file are."""
    own = f"questions.{e.written.experiment}."
    where = lines_of(e.path) | {
        key.removeprefix(own): place for key, place in of_scale.items() if key.startswith(own)
    }
    texts: dict[Path, list[str]] = {}
    figures, tables = (
        {each.name: shown_by(each.uses(), e) for each in shown}
        for shown in (e.question.figures, e.question.tables)
    )
    for claim, written in zip(e.question.claims, e.written.claims, strict=True):
        path, (first, last) = where[f"claims[{written.id}]"]
        if path not in texts:
            texts[path] = path.read_text(encoding="utf-8").splitlines()
        yield (
            claim.id,
            {
                "says": claim.says,
                "file": f"{path.as_posix()}:{first}-{last}",
                "lines": "\n".join(texts[path][first - 1 : last]),
                "arms": list(dict.fromkeys(listed(use.arm, e) for use in claim.all_uses())),
                "figures": figures_of(claim, e, figures),
                "tables": tables_of(claim, e, tables),
                "command": "" if claim.not_run else command(study, e, claim),
            },
        )


def listed(arm: str, e: Experiment) -> str:
    """The name under which an arm is listed: for an arm of an exhibit, the exhibit's."""
    return EXHIBIT_OF[arm] if EXHIBIT_OF.get(arm) in e.exhibits else arm


def figures_of(claim: Claim, e: Experiment, shown: dict[str, Shown]) -> list[str]:
    """The figures that show the claim's metric for its runs; else its runs; else its exhibits."""
    own = shown_by(claim.uses(), e)
    looks = (lambda run, metric: (run, metric), lambda run, metric: run, lambda run, metric: listed(run, e))
    for look in looks:
        wanted = {look(*pair) for pair in own}
        score = {
            name: sum(look(*pair) in wanted for pair in pairs) / len(pairs) for name, pairs in shown.items()
        }
        if any(score.values()):
            return [n for n in sorted(score, key=score.get, reverse=True) if score[n]][:MOST_FIGURES]
    return []


def tables_of(claim: Claim, e: Experiment, shown: dict[str, Shown]) -> list[str]:
    """The tables that show the claim's metric for its runs."""
    own = shown_by(claim.uses(), e)
    return [name for name, pairs in shown.items() if own & pairs]


def shown_by(uses: Iterable[Use], e: Experiment) -> Shown:
    """(run, metric) of everything that is read."""
    return {(run, kin(use.metric)) for use in uses if use.metric for run in runs_of(use.arm, e)}


def runs_of(arm: str, e: Experiment) -> list[str]:
    """The names of an arm's runs: two arms may be one run. Paths and exhibits have their own names."""
    return [m.arm.id for m in e.groups[arm].members] if arm in e.groups else [arm]


def kin(metric: str) -> str:
    """A metric, its complement and the same along training are one, since the same figures show them."""
    return metric.removesuffix("_by_epoch").replace("accuracy", "error")


def command(study: Study, e: Experiment, claim: Claim) -> str:
    """The command that makes the claim's numbers again, from training to its verdict."""
    files = dict.fromkeys(file for use in claim.all_uses() for file in files_of(use.arm, study, e))
    again = list(files) if len(files) <= MOST_FILES else ["train"]
    words = ["snakemake", "--cores", "all", e.name, "--forcerun", *again]
    return shlex.join([*words, "--configfile", study.path.as_posix()])


def files_of(arm: str, study: Study, e: Experiment) -> Iterator[str]:
    """The first files that are made for an arm."""
    results = f"results/{study.scale}"
    if arm in e.groups:
        yield from (f"{results}/runs/{m.arm.id}/history.parquet" for m in e.groups[arm].members)
    elif arm in e.question.paths:
        ends = e.question.paths[arm]
        yield from (file for end in (ends.start, ends.end) for file in files_of(end, study, e))
    else:
        yield f"{results}/exhibits/{e.exhibit_stems()[EXHIBIT_OF[arm]]}.parquet"


def lines_of(path: Path) -> dict[str, tuple[Path, Lines]]:
    """Key -> (file, its first and last line) for every mapping in a YAML file; items of lists by their id."""
    text = path.read_text(encoding="utf-8")
    found: dict[str, tuple[Path, Lines]] = {}

    def visit(node: yaml.Node, key: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                inner = f"{key}.{name.value}".removeprefix(".")
                found[inner] = (path, (name.start_mark.line + 1, last_line(value, lines)))
                visit(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                named = (
                    {n.value: v.value for n, v in item.value} if isinstance(item, yaml.MappingNode) else {}
                )
                if "id" in named:
                    found[f"{key}[{named['id']}]"] = (
                        path,
                        (item.start_mark.line + 1, last_line(item, lines)),
                    )

    lines = text.splitlines()
    visit(yaml.compose(text, LOADER), "")
    return found


def last_line(node: yaml.Node, lines: list[str]) -> int:
    """The last line of a node that is not empty or a comment: a block ends where the next one begins."""
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    last = node.end_mark.line + (not block and node.end_mark.column > 0)
    while last > node.start_mark.line + 1 and not says_something(lines[last - 1]):
        last -= 1
    return last


def says_something(line: str) -> bool:
    """Whether a line is neither empty nor a comment."""
    return bool(line.strip()) and not line.lstrip().startswith("#")
