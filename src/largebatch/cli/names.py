"""The names of all commands, and which modules they stand in; imports nothing, so that it costs nothing."""

# Jobs that rules call, by the libraries that their fork server has imported; see forkserver.LIBRARIES.
JOBS = {
    "torch": ["data", "trial", "train", "measure", "path", "exhibit"],
    "pandas": [
        *("aggregate", "take", "judge", "ledger", "draw", "animate", "tabulate", "robustness"),
        *("numbers", "report", "page"),
    ],
}
PEOPLE = [
    "advise",
    *("check", "plan", "register", "answers", "verdicts", "tally", "show", "diff", "cite", "compare"),
    "publish",
]
# command -> the kind of fork server that runs it
KINDS = {name: kind for kind, names in JOBS.items() for name in names}
# command -> the module that defines it
MODULES = {name: f"largebatch.cli.{kind}_jobs" for name, kind in KINDS.items()}
MODULES |= dict.fromkeys(PEOPLE, "largebatch.cli.people") | {"advise": "largebatch.cli.advising"}
