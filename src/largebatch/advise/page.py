"""The page of a study: the recommendation in words, the figures behind each number, what was not settled."""

from pathlib import Path

from largebatch import files
from largebatch.advise import sentences
from largebatch.advise.files_of_study import FINAL, SEARCH, Asked, arms_in
from largebatch.advise.found import found_by
from largebatch.advise.plan import SHARES
from largebatch.page.templates import template
from largebatch.report.answers import WORDS
from largebatch.report.inline import Drawings
from largebatch.report.report import figure

SECTIONS = (
    ("Against the default", sentences.against_default, ("advice_against_default", "advice_curves")),
    ("How far linear scaling holds", sentences.linear_scaling, ("advice_scaled", "grid_rate", "grid_map")),
    ("The critical batch", sentences.critical_batch, ("advice_updates", "noise_scale")),
    ("A batch twice as large", sentences.twice_as_large, ()),
    ("Is the minimum sharp?", sentences.sharpness, ()),
    (
        "Rates and schedules that were tried",
        lambda found: [],
        ("range_rates", "halved_schedules", "halved_map"),
    ),
)


def page(asked: Asked) -> Path:
    """Write the page; its path."""
    found = found_by(asked)
    drawings = Drawings()
    sections = [
        {"title": title, "sentences": said(found), "figures": figures_of(asked, names, drawings)}
        for title, said, names in SECTIONS
    ]
    out = asked.folder / "advice.html"
    text = template("advice.html.jinja").render(
        headline=sentences.headline(found.choice),
        epochs=arms_in(asked, "halved")["default"]["epochs"],
        net=Path(asked.model["import"]).name,
        minutes=asked.minutes,
        sections=[section for section in sections if section["sentences"] or section["figures"]],
        unsettled=sentences.unsettled(found),
        plan=plan_of(asked),
        drawings=drawings,
        words=WORDS,
    )
    files.write_text(out, text)
    return out


def figures_of(asked: Asked, names: tuple[str, ...], drawings: Drawings) -> list[dict]:
    """The figures of these names that the study has drawn."""
    stems = [asked.results / (FINAL if n.startswith("advice") else SEARCH) / "figures" / n for n in names]
    return [
        figure(stem, {}, {}, drawings) | {"link": stem.relative_to(asked.folder).as_posix()}
        for stem in stems
        if stem.with_suffix(".svg").is_file()
    ]


def plan_of(asked: Asked) -> list[dict]:
    """Each stage: its share of the minutes, its file, and the lines at the file's top."""
    rows = []
    for name, share in SHARES.items():
        path, row = asked.file(name), {"name": name, "share": share}
        if path.is_file():  # no file of ours has a seal that people may edit
            lines = path.read_text(encoding="utf-8").splitlines()
            why = " ".join(line.removeprefix("# ") for line in lines if line.startswith("# "))
            rows.append(row | {"file": path.name, "why": why})
        else:
            rows.append(row | {"file": "", "why": "Not needed: no best rate was at an edge."})
    return rows
