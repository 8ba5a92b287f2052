import os
import subprocess
import sys

import pytest

from largebatch import provenance
from largebatch.config.stages import STAGES, code_digest


def test_a_record_says_where_a_number_comes_from():
    record = provenance.provenance("train", {"lr": 0.1}, {"digits": "abc"}, device="cpu", seconds=1.5)
    assert record["settings"] == {"lr": 0.1} and record["inputs"] == {"digits": "abc"}
    assert record["device"] == "cpu" and record["code"] == code_digest("train")
    assert {"torch", "numpy", "snakemake"} <= record["packages"].keys()
    assert record["commit"] and record["machine"]["processor"]


@pytest.mark.parametrize("stage", ["train", "exhibit", "judge"])
def test_a_stage_gets_ready_by_importing_its_code(stage):
    script = (
        f"import sys; from largebatch import provenance; provenance.get_ready({stage!r}); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    for start in STAGES[stage]:
        assert "largebatch." + start.removesuffix(".py").replace("/", ".") in loaded.stdout.split()


def test_a_copy_without_a_checkout_is_told_its_commit():
    """In a process of its own: a commit is asked for once."""
    say = "from largebatch.provenance import commit; print(commit())"
    told = subprocess.run(
        [sys.executable, "-c", say],
        env=os.environ | {"LARGEBATCH_COMMIT": "abc123"},
        capture_output=True,
        encoding="utf-8",
    )
    assert told.stdout == "abc123\n"
