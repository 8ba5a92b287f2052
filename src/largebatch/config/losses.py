"""The losses there are: what each is called in a history, and which targets it is for."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Discriminator, Tag

from largebatch.config.imports import Imported, named

Targets = Literal["classes", "numbers"]
# What is evaluated of each part beside the loss, by what the targets are.
SCORES = {
    "classes": ("loss_nats", "error_percent", "accuracy_percent"),
    "numbers": ("rmse", "mae", "r_squared"),
}


class ImportedLoss(Imported):
    """A function of the user's: (outputs, targets) -> the loss of each example.

    It is called with its `options`, too; a class is built with them, and then called.
    """

    name: Literal["imported"]


class Facts(NamedTuple):
    """metric: what its mean is called, behind the part; one_output: of one example, whatever the classes."""

    metric: str
    targets: tuple[Targets, ...]
    one_output: bool = False


FACTS = {
    "cross_entropy": Facts("loss_nats", ("classes",)),
    "binary_cross_entropy": Facts("loss_nats", ("classes",), one_output=True),
    "squared_error": Facts("squared_error", ("classes", "numbers")),
}
IMPORTED = Facts("own_loss", ("classes", "numbers"))


def tag_of(raw: Any) -> str:
    """Whether a loss is one of the user's or one that there is."""
    return "imported" if isinstance(raw, dict | ImportedLoss) else "name"


Loss = Annotated[
    Annotated[Literal[tuple(FACTS)], Tag("name")] | Annotated[ImportedLoss, Tag("imported")],
    Discriminator(tag_of),
    BeforeValidator(named),
]


def facts_of(loss: str | ImportedLoss) -> Facts:
    return FACTS[loss] if isinstance(loss, str) else IMPORTED


def called(loss: str | ImportedLoss) -> str:
    """A loss in a message."""
    return loss if isinstance(loss, str) else f"import {loss.file}"
