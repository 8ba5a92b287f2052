"""Write environment.yml from requirements.lock: the same versions for conda users.

conda gives pip these lines one by one and cannot mix hashes with `-e .`, so the pins have no hashes.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^(?P<pin>[A-Za-z0-9][^ ]*==[^ ]+)(?P<marker> ; [^\\]+)?", re.MULTILINE)


def environment(lock: str) -> str:
    """The text of environment.yml for the text of a lock."""
    pins = [match["pin"] + (match["marker"] or "").rstrip() for match in PIN.finditer(lock)]
    lines = [
        "# Made by `make lock` from requirements.lock; pyproject.toml is the source of both.",
        "name: largebatch",
        "channels: [conda-forge]",
        "dependencies:",
        "  - python >=3.11,<3.15",
        "  - pip",
        "  - make",
        "  - pip:",
        *(f'      - "{pin}"' for pin in pins),
        "      - -e .",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(
        environment((ROOT / "requirements.lock").read_text(encoding="utf-8")), encoding="utf-8"
    )
