"""Templates: an undefined name is an error, and texts on pages are escaped."""

from pathlib import Path

import jinja2

PACKAGE = Path(__file__).parents[1]
FOLDERS = (PACKAGE / "report", PACKAGE / "page")


def template(name: str, autoescape: bool = True) -> jinja2.Template:
    """The template of that name in the folders of reports and pages; it may include others.

    autoescape: whether texts are escaped for HTML.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDERS, encoding="utf-8"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
