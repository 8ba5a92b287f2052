"""What will be claimed of an experiment, written down before any of its arms trains.

results/<scale>/<experiment>/registered.json holds the claims, their arms, the seeds and the rule of decision,
with a digest, the commit and the time. It stays as it is while there are observations of the experiment.
amended.json beside it is a log: what differed from the registration when a later run started. If observations
of the experiment have been published at this scale, the published registration is the one that holds.

Nothing here is an input of a job: arms are shared, and an arm would train again whenever another experiment
that shares it is added. Instead a run registers all its experiments before its first job.
"""

import json
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from largebatch.config.checking import ConfigError
from largebatch.config.claims import Claim
from largebatch.config.decision import RULE, WHEN_ROBUST
from largebatch.config.differences import (
    AS_REGISTERED,
    EXPLORATORY,
    NOT_REGISTERED,
    differences,
    since,
)
from largebatch.config.exhibits import EXHIBIT_OF
from largebatch.config.experiment import Experiment
from largebatch.config.published import PUBLISHED
from largebatch.config.study import Study
from largebatch.files import read_json, write_json
from largebatch.provenance import commit
from largebatch.seals import Damaged

REGISTERED, AMENDED = "registered.json", "amended.json"
PUT_BACK = "Put it back, or remove it with all runs and observations of its experiment."


class Standing(NamedTuple):
    """How an experiment's claims stand to what was registered, and what a run writes before its first job."""

    texts: dict[str, str]  # claim -> as registered, exploratory or not registered, for the ledger
    removed: list[str]  # claims that were registered and are no longer there
    files: dict[Path, Any]

    def told(self, experiment: str) -> Iterator[str]:
        """Lines on what has changed since the registration."""
        if changed := [claim for claim, text in self.texts.items() if text.startswith(EXPLORATORY)]:
            yield f"{experiment}: exploratory, since changed or observed before: {', '.join(changed)}"
        if self.removed:
            yield f"{experiment}: registered, then removed: {', '.join(self.removed)}"


def register(standings: dict[str, Standing]) -> list[str]:
    """Write the registrations of a run, before anything trains; what to tell the person who started it."""
    for one in standings.values():
        for path, content in one.files.items():
            write_json(path, content)
    return [line for name, one in standings.items() for line in one.told(name)]


def standings_of(study: Study) -> dict[str, Standing]:
    """Experiment -> how its claims stand; writes nothing."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {e.name: standing_of(study, e, now) for e in study.experiments}


def standing_of(study: Study, e: Experiment, now: str) -> Standing:
    """How one experiment's claims stand."""
    folder, current = Path("results", study.scale, e.name), content_of(study, e)
    record, log, files = registration_of(study, e, current, now)
    if record is None:
        return Standing({claim.id: NOT_REGISTERED for claim in e.question.claims}, [], {})
    differs = differences(record["registered"], current)
    if differs != (log[-1]["differs"] if log else {}):
        log = [*log, {"time": now, "commit": commit(), "differs": differs}]
        files = files | {folder / AMENDED: log}
    late = observed_too_early(record, e)
    texts = {claim.id: text_of(claim.id, log, late.get(claim.id)) for claim in e.question.claims}
    removed = sorted(record["registered"]["claims"].keys() - texts.keys())
    return Standing(texts, removed, files)


def registration_of(
    study: Study, e: Experiment, current: dict, now: str
) -> tuple[dict | None, list[dict], dict[Path, Any]]:
    """The registration that holds, if any, its log, and the files that are to be written for it."""
    own = Path("results", study.scale, e.name)
    published = e.published.parent if e.published else PUBLISHED / study.scale / e.name
    # the observations of the extended scale may stand in
    scales = [study.scale, *([study.extends] if study.extends else [])]
    if (own / REGISTERED).is_file():
        record = read_registration(own / REGISTERED, scales, e.name)
        kept = record["registered"] == current or observed(study, e, record["registered"])
        if kept or (published / REGISTERED).is_file():
            return record, read_log(own), {}
    if (published / REGISTERED).is_file():
        record, log = read_registration(published / REGISTERED, scales, e.name), read_log(published)
        return record, log, {own / REGISTERED: record} | ({own / AMENDED: log} if log else {})
    if study.observations == "published" or observations_of(study, e).is_file():
        return None, [], {}
    record = sealed(
        {"registered": current, "commit": commit(), "time": now, "observed": sorted(observed(study, e))}
    )
    return record, [], {own / REGISTERED: record, own / AMENDED: []}


def content_of(study: Study, e: Experiment) -> dict:
    """What is registered of an experiment: claims, the runs of their arms, seeds, rule, what is robust.

    seeds_of_arms: of arms and paths that have other seeds than the experiment; left out if none has.
    """
    runs = {name: [m.arm.id for m in group.members] for name, group in e.groups.items()}
    for name, path in e.question.paths.items():
        runs[name] = [*runs[path.start], *runs[path.end]]
    stems = e.exhibit_stems()
    claims = {claim.id: claim.chosen() for claim in e.question.claims}

    def words_of(seeds: int) -> int | str:
        return study.in_words(seeds) if study.first_seed else seeds

    own = {name: words_of(e.seeds_of(name)) for name in runs if e.seeds_of(name) != e.seeds}
    return {
        "scale": study.scale,
        "experiment": e.name,
        "seeds": words_of(e.seeds),
        "rule": RULE,
        "robust": WHEN_ROBUST,
        "claims": claims,
        "reads": {claim.id: sorted(set(arms_read(claim, e))) for claim in e.question.claims},
        "arms": runs | {name: [stem] for name, stem in stems.items()},
        **({"seeds_of_arms": own} if own else {}),
    }


def arms_read(claim: Claim, e: Experiment) -> Iterator[str]:
    """The arms, paths and exhibits that a claim reads, less those that the scale leaves out."""
    for use in claim.all_uses():
        if use.arm in e.groups or use.arm in e.question.paths:
            yield use.arm
        else:
            yield from (exhibit for exhibit in e.exhibits if exhibit == EXHIBIT_OF.get(use.arm))


def observed(study: Study, e: Experiment, registered: dict | None = None) -> set[str]:
    """What there is already of the runs and exhibits of an experiment, and of those that were registered."""
    root = Path("results", study.scale)
    wanted = [*content_of(study, e)["arms"].values(), *(registered or {"arms": {}})["arms"].values()]
    names = {name for some in wanted for name in some}
    found = {n for n in names if (root / "runs" / n).exists() or (root / f"exhibits/{n}.parquet").exists()}
    return found | ({"observations"} if observations_of(study, e).is_file() else set())


def observations_of(study: Study, e: Experiment) -> Path:
    """The file of an experiment's observations."""
    return Path("results", study.scale, e.name, "observations.parquet")


def observed_too_early(record: dict, e: Experiment) -> dict[str, str]:
    """Claim -> what to say of it, if runs that it reads were there before it was registered."""
    registered, there = record["registered"], set(record["observed"])
    found = {}
    for claim, arms in registered["reads"].items():
        runs = {run for arm in arms for run in registered["arms"][arm]}
        if early := runs & there:
            found[claim] = f"registered when {len(early)} of its {len(runs)} runs had been trained"
    return found


def text_of(claim: str, log: list[dict], late: str | None) -> str:
    """What the ledger says of a claim's registration."""
    parts = [*([late] if late else []), *since(log, claim)]
    return f"{EXPLORATORY}: {'; '.join(parts)}" if parts else AS_REGISTERED


def sealed(record: dict) -> dict:
    """A record with its digest."""
    return record | {"digest": digest_of(record)}


def digest_of(record: dict) -> str:
    """sha256 of a record as JSON with sorted keys and no spaces, less its digest."""
    bare = {key: value for key, value in record.items() if key != "digest"}
    return sha256(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_registration(path: Path, scales: Collection[str], experiment: str) -> dict:
    """A registration as it was written, and of this experiment; else a ConfigError that says what to do."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))  # it holds its own digest
        digest, of = record["digest"], (record["registered"]["scale"], record["registered"]["experiment"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: wanted a registration; got {error!r}") from error
    if digest != (found := digest_of(record)):
        raise ConfigError(
            f"{path}: wanted the registration as it was written, digest {digest}; got {found}. {PUT_BACK}"
        )
    if of not in [(scale, experiment) for scale in scales]:
        wanted = " or ".join(f"{scale}/{experiment}" for scale in scales)
        raise ConfigError(f"{path}: wanted the registration of {wanted}; got {'/'.join(of)}")
    return record


def read_log(folder: Path) -> list[dict]:
    """What differed from the registration at later starts, the first first."""
    path = folder / AMENDED
    try:
        return read_json(path) if path.is_file() else []
    except (Damaged, ValueError) as error:
        raise ConfigError(
            f"{path}: wanted what was amended as it was written; got another. {PUT_BACK}"
        ) from error
