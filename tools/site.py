"""Hooks of mkdocs that add to docs/: the README as home, one page per experiment, and results shown there."""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from largebatch.config.texts import filled  # noqa: E402
from largebatch.figures.tabulate import escape_markdown  # noqa: E402
from largebatch.judging.claims import estimate, in_full, read_claims, read_ledger  # noqa: E402
from largebatch.report.publish import VERDICTS_PAGE, verdicts_page  # noqa: E402

PUBLISHED = ROOT / "results" / "published"
QUESTIONS = ROOT / "config" / "experiments"
HOME = "index.md"
# Links to files outside docs/, within the text or below it; the site holds these files too.
OUTSIDE = re.compile(
    r"(?:(?<=\]\()|(?<=\]: ))(?:\.\./)?((?:results|config|docs)/[^)#\s]+|CITATION\.cff|LICENSE)"
)


def on_config(config):
    """Name the pages of the experiments in the navigation."""
    pages = [{path.stem: f"experiments/{path.stem}.md"} for path in sorted(QUESTIONS.glob("*.yaml"))]
    for entry in config["nav"]:
        if "Experiments" in entry:
            entry["Experiments"] += pages
    return config


def on_files(files, config):
    """Add the pages and files that docs/ does not hold."""
    from mkdocs.structure.files import File

    made = {HOME: (ROOT / "README.md").read_text(encoding="utf-8")}
    made |= {f"experiments/{path.stem}.md": page(path) for path in sorted(QUESTIONS.glob("*.yaml"))}
    reports = [path.relative_to(ROOT).as_posix() for path in PUBLISHED.glob("*/report.html")]
    texts = [*made.values(), *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))]
    for target in sorted({*reports, *(found for text in texts for found in OUTSIDE.findall(text))}):
        if (ROOT / target).is_file() and not target.endswith(".md"):
            files.append(File.generated(config, target, abs_src_path=str(ROOT / target)))
    for path in PUBLISHED.glob("*/claims.csv"):
        scale = path.parent.name
        made[f"results/published/{scale}/{VERDICTS_PAGE}"] = verdicts_page(read_ledger(path), scale)
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn links to files of the repository into links on the site."""
    up = "../" * page.file.src_uri.count("/")
    return OUTSIDE.sub(lambda found: up + found[1].removeprefix("docs/"), markdown)


def page(path: Path) -> str:
    """One experiment in Markdown: its question, its claims with the verdict at each scale, its figures."""
    question = filled(yaml.safe_load(path.read_text(encoding="utf-8")), {})
    name = question["experiment"]
    verdicts = {scale: of for scale, of in published().items() if of.index.isin(ids(question)).any()}
    lines = [
        f"# {escape_markdown(question['title'])}",
        escape_markdown(one_line(question["question"])),
        f"Written in [config/experiments/{path.name}](../config/experiments/{path.name}).",
        "## Claims",
        "\n".join(claims_table(question, verdicts)),
    ]
    for figure in question["figures"]:
        lines += drawn(f"{name}_{figure['name']}", one_line(figure["caption"]), verdicts)
    return "\n\n".join(lines) + "\n"


def ids(question: dict) -> list[str]:
    return [claim["id"] for claim in question["claims"]]


def published() -> dict:
    """Scale -> its judged claims by id."""
    found = sorted(PUBLISHED.glob("*/claims.csv"))
    return {path.parent.name: read_claims(path).set_index("id") for path in found}


def claims_table(question: dict, verdicts: dict) -> list[str]:
    """A row per claim, a column per scale that judged one of them."""
    rows = [["claim", "what it says", "source", *verdicts]]
    for claim in question["claims"]:
        judged = [of.loc[claim["id"]] if claim["id"] in of.index else None for of in verdicts.values()]
        cells = [
            "" if row is None else f"{in_full(row['verdict'], row['robust'])} {estimate(row)}"
            for row in judged
        ]
        rows.append([claim["id"], one_line(claim["says"]), claim["source"], *cells])
    rows = [[escape_markdown(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])]


def drawn(stem: str, caption: str, verdicts: dict) -> list[str]:
    """A figure at the first scale that published it."""
    for scale in verdicts:
        place = f"results/published/{scale}/figures/{stem}"
        if (ROOT / f"{place}.png").is_file():
            text = escape_markdown(caption)
            return [
                f"## {escape_markdown(stem)}",
                f"![{text}](../{place}.png)",
                f"{text} ({scale}; [data](../{place}.csv))",
            ]
    return []


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())
