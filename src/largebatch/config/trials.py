"""What is tried before the first job of a run: its arms with nets, losses or data of the user's."""

from collections.abc import Collection
from typing import Any

from largebatch.config.arrays import SOURCE
from largebatch.config.imports import Imported
from largebatch.config.spec import Arm
from largebatch.config.study import Study

# Settings of an arm that decide whether a net can be trained so, beside its model and its data.
TOGETHER_WITH = ("loss", "ghost_batch_size", "precision", "gradient_penalty", "augment", "workers")


def trials(study: Study, runs: Collection[str] | None = None) -> list[dict[str, Any]]:
    """One for each net and what it is trained with, ready for JSON; of these runs, or of all.

    Of several arms that with the smallest batch, on which BatchNorm may fail.
    """
    found: dict[str, tuple[str, Arm]] = {}
    for e in study.experiments:
        for group in e.groups.values():
            for member in group.members:
                arm = member.arm
                imports = isinstance(arm.model, Imported) or isinstance(arm.loss, Imported)
                is_own = imports or arm.data.name in study.own_data
                if not is_own or (runs is not None and arm.id not in runs):
                    continue
                key = str([arm.model, arm.data, *(getattr(arm, name) for name in TOGETHER_WITH)])
                if key not in found or smallest_batch(arm) < smallest_batch(found[key][1]):
                    found[key] = f"{study.path}: {e.name}, arm {member.name}", arm
    return [
        {
            "where": where,
            "settings": arm.chosen() | {"workers": arm.workers},
            "examples": smallest_batch(arm),
            "sources": study.sources,
            "own": SOURCE.dump_python(study.own_data.get(arm.data.name)),
        }
        for where, arm in found.values()
    ]


def smallest_batch(arm: Arm) -> int:
    """Examples of its smallest update."""
    sizes = arm.batch_sizes()
    if arm.last_batch == "weigh":
        sizes = [*sizes, *(rest for size in sizes if (rest := arm.data.train % size))]
    return min(*sizes, arm.micro_batch_size or sizes[0])
