"""The controls of the primer's page in a browser, and what it shows."""

import json
from urllib.parse import urlencode


def ask(shown, **settings):
    """Choose settings by the address, and take updates."""
    shown.run(
        "new Promise((go) => { addEventListener('hashchange', go, { once: true });"
        f" location.hash = {json.dumps(urlencode(settings))}; }}).then(() => 0)"
    )


def press(shown, name):
    shown.run(f"document.getElementById('{name}').click()")


def state(shown, run="batch"):
    """update, x, y, loss of one of the page's runs."""
    found = shown.run(f"({{ ...document.getElementById('state-{run}').dataset }})")
    return {name: float(value) for name, value in found.items()}


def box(shown, name):
    """Left, top, right, bottom of an element in the window."""
    side = f"document.getElementById('{name}').getBoundingClientRect()"
    return [shown.run(f"{side}.{edge}") for edge in ("left", "top", "right", "bottom")]


def choose(shown, name, value):
    """Set a control as a user does."""
    shown.run(
        f"(() => {{ const it = document.getElementById('{name}'); it.value = {json.dumps(value)};"
        " it.dispatchEvent(new Event('input')); it.dispatchEvent(new Event('change')); })()"
    )
