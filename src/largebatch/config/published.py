"""What published observations hold of an experiment, where they stand in for a run."""

from collections.abc import Mapping
from pathlib import Path

from largebatch.config.checking import ConfigError
from largebatch.config.groups import Group
from largebatch.config.question import Question
from largebatch.files import read_columns
from largebatch.seals import Damaged

PUBLISHED = Path("results/published")


def not_published(path: Path, question: Question, groups: Mapping[str, Group]) -> dict[str, str]:
    """Arm or path that published observations lack, or have with other settings -> what to say of it.

    Nothing if there is no such file: that is said when it is looked for.
    """
    if not path.is_file():
        return {}
    runs: dict[str, set[str]] = {}
    try:
        columns = read_columns(path, ("group", "arm", "run"))
    except (OSError, ValueError, Damaged) as error:
        raise ConfigError(f"{path}: wanted observations of an experiment; got {error}") from error
    for group, arm, run in set(zip(*columns, strict=True)):
        for name in (group.removesuffix(".tried"), *([arm] if "[" in arm else [])):
            runs.setdefault(name, set()).add(run)
    missing = {}
    for name, group in groups.items():
        if name not in runs:
            missing[name] = f"{path.as_posix()} has no arm {name}."
        elif not as_asked(runs[name], group):
            missing[name] = f"{path.as_posix()} has other settings of the arm {name}."
    missing |= {
        name: f"{path.as_posix()} has no path {name}." for name in question.paths.keys() - runs.keys()
    }
    return missing


def as_asked(runs: set[str], group: Group) -> bool:
    """Whether the observations of a group are of just the runs that it asks for.

    Of one arm of a tuned grid they are of the tries that some seed chose.
    """
    wanted = {member.arm.id for member in group.members}
    return runs <= wanted if "[" in group.name else runs == wanted
