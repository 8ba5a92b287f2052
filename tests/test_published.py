"""The committed snapshots are as small as DESIGN wants them: whoever clones the repository downloads them."""

import shutil
import subprocess
from collections import Counter

import pytest

from tests.conftest import REPOSITORY

MOST_BYTES = 15_000_000


@pytest.mark.skipif(
    not (REPOSITORY / ".git").exists() or not shutil.which("git"),
    reason="no git: what is committed is unknown",
)
def test_what_is_published_takes_at_most_15_mb():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "results/published"], cwd=REPOSITORY, check=True, capture_output=True
    )
    paths = [REPOSITORY / name for name in listed.stdout.decode().split("\0")]
    bytes_of = Counter()
    for path in paths:
        if path.is_file():
            bytes_of[path.suffix] += path.stat().st_size
    assert bytes_of[".parquet"], "wanted published observations; got none"
    found = f"{bytes_of.total():,}: {dict(bytes_of.most_common())}"
    assert bytes_of.total() <= MOST_BYTES, f"wanted at most {MOST_BYTES:,} bytes; got {found}"
