"""Templates: an undefined name is an error, and texts on pages are escaped."""

from pathlib import Path

import jinja2

FOLDER = Path(__file__).parent


def template(name: str, autoescape: bool = True) -> jinja2.Template:
    """The template of that name beside this file; it may include its neighbours.

    autoescape: whether texts are escaped for HTML.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER, encoding="utf-8"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
