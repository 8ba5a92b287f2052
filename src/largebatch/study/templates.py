"""Templates of pages: an undefined name is an error, and texts are escaped."""

from pathlib import Path

import jinja2

FOLDER = Path(__file__).parent


def template(name: str) -> jinja2.Template:
    """The template of that name beside this file; it may include its neighbours."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
