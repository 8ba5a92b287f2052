"""How what is claimed of an experiment now differs from what was registered, claim by claim, in words."""

import json
from collections.abc import Iterator

Differences = dict[str, list[str]]  # claim, or OF_ALL -> what differs, in words
OF_ALL = "*"
# Texts and the paper's own numbers: they enter no verdict on our effect.
WORDS = frozenset(
    {"id", "says", "source", "deviation", "no_control", "paper_value", "paper_sides", "paper_runs"}
)
CALLED = {"expect": "expectation"}
NONE = "none"
ADDED, REMOVED = "added", "removed"
# What the ledger says of a claim.
AS_REGISTERED, NOT_REGISTERED, EXPLORATORY = "as registered", "not registered", "exploratory"


def differences(registered: dict, current: dict) -> Differences:
    """What differs between two contents of a registration; empty if nothing does.

    Both have seeds, rule, claims (id -> settings), reads (id -> names), arms (name -> runs) and maybe
    seeds_of_arms (name -> seeds, where they are not the seeds of all). Arms that
    only one of them knows are not compared: a claim that reads another arm differs itself. Nor is what counts
    as robust, where it was not registered: no verdict depends on it.
    """
    then, now = registered["claims"], current["claims"]
    of_all = [*of_key("seeds", registered, current), *of_rule(registered["rule"], current["rule"])]
    of_all += of_key("robust", registered, current) if "robust" in registered else []
    found = {OF_ALL: of_all, **{claim: [REMOVED] for claim in then.keys() - now.keys()}}
    for claim in now:
        if claim not in then:
            found[claim] = [ADDED]
        else:
            found[claim] = [*of_claim(then[claim], now[claim]), *of_arms(claim, registered, current)]
    return {claim: parts for claim, parts in sorted(found.items()) if parts}


def of_rule(then: dict, now: dict) -> Iterator[str]:
    """How the rule of decision differs."""
    for key in sorted(then.keys() | now.keys()):
        yield from of_key(key, then, now)


def of_claim(then: dict, now: dict) -> Iterator[str]:
    """How a claim's settings differ, its words aside."""
    then, now = without_words(then), without_words(now)
    for key in sorted(then.keys() | now.keys()):
        yield from of_key(key, then, now)


def without_words(settings: dict) -> dict:
    """Settings and those below them, their words aside."""
    return {
        key: without_words(value) if isinstance(value, dict) else value
        for key, value in settings.items()
        if key not in WORDS
    }


def of_key(key: str, then: dict, now: dict) -> Iterator[str]:
    """'expectation below 0.3 -> below 0.5', if they differ."""
    if then.get(key) != now.get(key):
        yield f"{CALLED.get(key, key)} {shown(then.get(key))} -> {shown(now.get(key))}"


def of_arms(claim: str, registered: dict, current: dict) -> Iterator[str]:
    """Which arms of a claim have other settings, or seeds of their own that differ."""
    then, now = registered["arms"], current["arms"]
    own, ours = (content.get("seeds_of_arms", {}) for content in (registered, current))
    for arm in current["reads"][claim]:
        if arm in then and arm in now and then[arm] != now[arm]:
            yield f"settings of {arm}"
        before, after = own.get(arm, registered["seeds"]), ours.get(arm, current["seeds"])
        if own.get(arm) != ours.get(arm) and before != after:
            yield f"seeds of {arm} {shown(before)} -> {shown(after)}"


def shown(value: object) -> str:
    """A setting in words."""
    if value is None:
        return NONE
    if isinstance(value, dict):
        return " ".join(f"{key} {shown(each)}" for key, each in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def since(log: list[dict], claim: str) -> Iterator[str]:
    """What differs of a claim by the last entry of a log, and since when without a break.

    log: entries of time, commit and differs, the first first.
    """
    for part in parts_of(log[-1], claim) if log else ():
        first = log[-1]
        for entry in reversed(log):
            if part not in parts_of(entry, claim):
                break
            first = entry
        yield f"{part} (since {dated(first)})"


def parts_of(entry: dict, claim: str) -> list[str]:
    """What an entry says of a claim: that it was added, or what is its own and what is of all."""
    own = entry["differs"].get(claim, [])
    return own if own == [ADDED] else [*own, *entry["differs"].get(OF_ALL, [])]


def dated(entry: dict) -> str:
    """'2026-11-26, 95259d4' of an entry; a commit that is unknown is left out."""
    commit, plus, _ = entry["commit"].partition("+")
    return entry["time"][:10] + ("" if commit == "unknown" else f", {commit[:7]}{plus and '+changes'}")
