"""Figures of what has positions of its own: profiles, surfaces, ways on a plane."""

from collections.abc import Collection, Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from largebatch.config.figures import FigureBase, LinesBase, lines_without
from largebatch.config.settings import Positive
from largebatch.config.surfaces import SURFACES
from largebatch.config.uses import ArmName, Label, Lines, Use
from largebatch.metrics import PLANE, Metric


class Profile(LinesBase):
    """Metrics against their own position, one line an arm or path.

    x_label: one, or one a panel. y_label: in place of the metrics' own. least: where a logarithmic y axis
    begins. marks: label -> position, drawn as vertical lines. above: drawn is by how much each seed's value
    exceeds its value at this position. theory: labels of lines that are formulas, drawn thin below the
    others, which are then dots. nested: lines that lie on each other are drawn from wide to narrow.
    joined: connect the positions; without, each stands for itself, with its interval.
    """

    kind: Literal["profile"]
    y: Annotated[list[Metric], Field(min_length=1, max_length=4)]  # one panel a metric
    x_label: Label | list[Label]
    least: Positive | None = None
    log_x: bool = False
    log_y: bool = False
    marks: dict[Label, float] = {}
    y_label: str = ""
    above: float | None = None
    theory: list[Label] = []
    nested: bool = False
    joined: bool = True

    @model_validator(mode="after")
    def theory_of_the_lines(self):
        if unknown := sorted(set(self.theory) - self.lines.keys()):
            raise ValueError(f"theory of labels of lines, {list(self.lines)}; got {unknown}")
        return self

    @model_validator(mode="after")
    def one_label_a_panel(self):
        if isinstance(self.x_label, list) and len(self.x_label) != len(self.y):
            raise ValueError(f"x_label of one text, or one for each of {self.y}; got {self.x_label}")
        return self

    def uses(self) -> Iterator[Use]:
        return self.uses_of(self.y, "profile")

    def less(self, absent: Collection[str]) -> dict:
        lines = lines_without(self.lines, absent)
        return {"lines": lines, "theory": [label for label in self.theory if label in lines]}


class SurfacePanels(LinesBase):
    """By how much the loss on a plane through each arm's weights rises above theirs, one panel an arm."""

    kind: Literal["surface"]
    reads: ClassVar = ("plane_loss_nats", "plane_x", "plane_y")


class Walks(FigureBase):
    """The paths of gradient descent on surfaces of two weights, one panel a surface.

    panels: surface -> label -> arm; a label looks the same in every panel.
    """

    kind: Literal["walks"]
    reads: ClassVar = ("path_x", "path_y")
    panels: Annotated[dict[Literal[tuple(SURFACES)], Lines], Field(min_length=1)]

    @property
    def labels(self) -> list[str]:
        """Each label once, as first mentioned."""
        return list(dict.fromkeys(label for lines in self.panels.values() for label in lines))

    @property
    def shown(self) -> dict[str, ArmName]:
        return {
            f"panels.{surface}.{label}": arm
            for surface, lines in self.panels.items()
            for label, arm in lines.items()
        }

    def less(self, absent: Collection[str]) -> dict:
        left = {surface: lines_without(lines, absent) for surface, lines in self.panels.items()}
        return {"panels": {surface: lines for surface, lines in left.items() if lines}}

    @model_validator(mode="after")
    def arms_of_the_panel(self):
        for surface, lines in self.panels.items():
            if strangers := [arm for arm in lines.values() if surface_of(arm) != surface]:
                raise ValueError(f"panels.{surface} of arms <exhibit>.{surface}_<way>; got {strangers}")
        return self


class Descent(FigureBase):
    """The ways of the two runs of a path, on the plane through their common start and their ends.

    start, end: what the runs at the path's two ends are called. animated: draw it as a GIF too.
    """

    kind: Literal["descent"]
    reads: ClassVar = tuple(PLANE)
    path: ArmName
    start: str
    end: str
    animated: bool = False

    @property
    def shown(self) -> dict[str, ArmName]:
        return {"path": self.path}

    def mistakes(self, question, groups, measures) -> Iterator[str]:
        """Whether the plane is measured, and both runs kept where they began."""
        if measures.path and not measures.path.plane_points:
            yield "path: wanted plane_points under measures.path of the scale; got none"
        path = question.paths.get(self.path)
        for end in (path.start, path.end) if path else ():
            members = groups[end].members if end in groups else ()
            if lost := [member.name for member in members if 0 not in member.arm.snapshots_at_epochs]:
                yield f"path: wanted runs with snapshots_at_epochs from 0 on; got {lost}"


def surface_of(arm: str) -> str:
    """surfaces.ravine_thrash -> ravine; empty where an arm is not named like that."""
    return arm.rpartition(".")[2].rpartition("_")[0]


FigureOfPositions = Profile | SurfacePanels | Walks | Descent
