"""What claims, figures and tables read, as each of them says it: of which arm which metric, read where."""

import unicodedata
from abc import abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from largebatch.config.images import PARTS
from largebatch.config.settings import LONGEST_NAME, Count, Positive, Settings, Share
from largebatch.metrics import HISTORY, PROFILE, SETTINGS, Metric

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)]
# An arm, or one of a grid as observations name it: sweep[batch_size=8].
ArmName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]*(\[.+\])?$", max_length=6 * LONGEST_NAME)
]
Setting = Literal[tuple(SETTINGS)]


def one_line(label: str) -> str:
    """Text that every figure, table and page can show as it is written."""
    if "" in label.split(" ") or any(unicodedata.category(letter) in UNSEEN for letter in label):
        raise ValueError(f"a label of one line, its words with single spaces between; got {label!r}")
    return label


# Control characters, line and paragraph separators, halves of pairs: Unicode's general categories.
UNSEEN = ("Cc", "Zl", "Zp", "Cs")
Label = Annotated[str, AfterValidator(one_line)]
Lines = Annotated[dict[Label, ArmName], Field(min_length=1)]  # label shown -> arm or path


@dataclass(frozen=True)
class Use:
    """An arm or path that a question names, and what is needed of it.

    needs: one arm (a tuned group acts as one), one that was not tuned, a grid over the named setting,
    many arms, or any. read: how the metric is read: one number at the end of the run, along the run, one
    number at a position of a profile, the whole profile, whatever positions it has, or what there is, which
    may be nothing. several: whether that takes more than its last evaluation.
    """

    key: str
    arm: str
    metric: str | None = None
    needs: Literal["one", "untuned", "many", "any", *SETTINGS] = "one"
    read: Literal["end", "along", "value", "profile", "positions", "if_there"] = "end"
    several: bool = False

    @property
    def part(self) -> str | None:
        """The part of the data whose means it takes along the run, if it does."""
        along = self.several or self.read == "along"
        part = self.metric.partition("_")[0] if along and self.metric in HISTORY else None
        return part if part in PARTS else None

    def below(self, key: str) -> "Use":
        """The same use of what stands under this key."""
        return replace(self, key=f"{key}.{self.key}")


class Reader(Settings):
    """A claim, figure or table: it alone says what it reads, and what is left of it without some arms."""

    @abstractmethod
    def uses(self) -> Iterator[Use]:
        """Everything that it shows or judges; keys are those below its own."""

    def all_uses(self) -> Iterator[Use]:
        """Everything that it reads, for a claim with what stands beside it."""
        return self.uses()

    def needs(self, arms: Collection[str]) -> bool:
        """Whether it reads any of these arms."""
        return any(use.arm in arms for use in self.uses())

    def mistakes(self, question, groups, measures) -> Iterator[str]:
        """'key: wanted ...; got ...' for what is wrong although each of its uses is right.

        Of its Question, on the scale's groups, name -> Group, with the scale's settings of Measures.
        """
        return iter(())


class At(Settings):
    """Where a metric is read; exactly one key.

    Along a run: share: at this share of the epochs; same_updates_as: where this arm had made as many
    updates as the named one made in all (linear between evaluations); train_loss_nats: where the
    seed's training loss first is at or below this level (linear in its logarithm between the
    evaluations around it); median_of_last: the median of the last so many evaluations (Goyal 2017,
    section 5.1, takes 5). Of a profile: value: at this position.
    """

    share: Share | None = None
    same_updates_as: ArmName | None = None
    train_loss_nats: Positive | None = None
    median_of_last: Count | None = None
    value: float | None = None

    @model_validator(mode="after")
    def one_key(self):
        given = [key for key, value in self if value is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(type(self).model_fields)}; got {given}")
        return self

    def of(self, metric: str) -> "At | None":
        """Where this metric is read: only a profile has positions; beside it stand the ends of runs."""
        return None if self.value is not None and metric not in PROFILE else self

    @property
    def read(self) -> str:
        """How a metric is read here; the last evaluations are there for every metric that is no profile."""
        if self.median_of_last is not None:
            return "end"
        return "along" if self.value is None else "value"

    @property
    def goes_by(self) -> list[str]:
        """The metrics of the same arm that tell where this is."""
        given = {"updates": self.same_updates_as, "train_loss_nats": self.train_loss_nats}
        return [metric for metric, value in given.items() if value is not None]

    def uses(self) -> Iterator[Use]:
        """The arm whose updates it goes by."""
        if self.same_updates_as:
            yield Use("at.same_updates_as", self.same_updates_as, "updates")


def uses_at(key: str, arm: str, metric: str, at: At | None, needs: str = "one") -> Iterator[Use]:
    """What it takes to read a metric of an arm where `at` says, at the end without; see At.uses, too."""
    yield Use(key, arm, metric, needs, at.read if at else "end", bool(at and at.value is None))
    yield from (Use(key, arm, other, needs, "along") for other in (at.goes_by if at else ()))


class Operand(Settings):
    """A metric of one arm or path, read at the end of its run unless `at` says otherwise."""

    arm: ArmName
    at: At | None = None
    metric: Metric | None = None

    def uses(self, metric: str) -> Iterator[Use]:
        """What it reads; metric: the one that is read where it names none."""
        yield from uses_at("arm", self.arm, self.metric or metric, self.at)
        yield from self.at.uses() if self.at else ()
