"""The paper's number for what a figure compares, from the claim on the same pair of arms."""

from collections.abc import Iterable

from largebatch.config.claims import Claim
from largebatch.config.figures import Finals
from largebatch.config.question import Figure


def with_paper(figure: Figure, claims: Iterable[Claim]) -> Figure:
    """The figure with the paper's numbers for its differences and ratios; others stay as they are."""
    if figure.kind != "finals":
        return figure
    found = {
        label: number for label in figure.pairs if (number := paper_of(figure, label, claims)) is not None
    }
    return figure.model_copy(update={"paper": found}) if found else figure


def paper_of(figure: Finals, label: str, claims: Iterable[Claim]) -> float | None:
    """The paper's number for a line against the one it is compared with; None without such a claim."""
    pair = (figure.lines[label], figure.lines[figure.pairs[label]])
    kind = "ratio" if figure.ratios else "difference"
    for claim in claims:
        if claim.kind != kind or claim.paper_value is None or claim.metric != figure.y:
            continue
        sides = (claim.a, claim.b)
        if any(side.metric or side.at != figure.at for side in sides):
            continue
        arms = tuple(side.arm for side in sides)
        if arms == pair:
            return claim.paper_value
        if arms == pair[::-1]:
            return 1 / claim.paper_value if figure.ratios else -claim.paper_value
    return None
