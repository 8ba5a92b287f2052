import ast
import os
import re
import shutil
import subprocess
import sys

import pytest

from largebatch import provenance
from largebatch.provenance import STAGES, bare, code_digest, reached


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_digest(stage):
    assert re.fullmatch(r"[0-9a-f]{12}", code_digest(stage))


def test_a_stage_reaches_what_it_runs_and_no_more():
    def names(stage):
        return {path.stem for start in STAGES[stage] for path in reached(provenance.PACKAGE / start, {})}

    assert {"train", "device", "engine", "schedules", "optimise", "stack", "models", "splits"} <= names(
        "train"
    )
    assert not {"engine", "train", "schedules", "optimise"} & names("measure")
    assert "curvature" in names("measure") and "curvature" not in names("train")
    assert {"exhibits", "worked", "descent", "surfaces"} <= names("exhibit")
    assert not {"worked", "descent"} & names("measure") and "files" not in names("exhibit")
    assert {"page", "page_line", "page_formula", "templates", "surfaces", "reading"} <= names("page")
    assert not {"report", "draw", "judge"} & names("page")


def test_a_changed_label_changes_what_shows_it_only(monkeypatch, tmp_path):
    shutil.copytree(provenance.PACKAGE, tmp_path / "largebatch")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "largebatch")
    texts = {
        "training loss (nats)": "metrics.py",
        "batch size": "metrics.py",
        "Hessian trace": "config/flatness.py",
    }
    changed = [stages_changed_by(tmp_path, file, text) for text, file in texts.items()]
    assert changed == [{"draw", "animate", "tabulate", "report"}] * 3


def stages_changed_by(folder, file, text):
    """The stages whose digest another text in this file changes."""

    def forget():
        code_digest.cache_clear(), provenance.parsed.cache_clear()

    def digests():
        forget()
        return {stage: code_digest(stage) for stage in STAGES}

    path, before = folder / "largebatch" / file, digests()
    old = path.read_text(encoding="utf-8")
    assert f'"{text}"' in old
    path.write_text(old.replace(f'"{text}"', '"another text"'), encoding="utf-8")
    after = digests()
    path.write_text(old, encoding="utf-8")
    forget()
    return {stage for stage in STAGES if before[stage] != after[stage]}


def test_code_is_followed_through_folders_but_not_into_declarations(monkeypatch, tmp_path):
    package = tmp_path / "largebatch"
    for name, text in {
        "primer/show.py": "from largebatch.primer import part\nfrom largebatch.measures import noise\n",
        "primer/part.py": "from largebatch import files\nfrom largebatch.config import spec\n",
        "measures/noise.py": "",
        "files.py": "",
        "config/spec.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    assert {path.stem for path in reached(package / "primer/show.py", {})} == {"show", "part", "noise"}


def test_comments_docstrings_and_layout_are_not_code():
    one = "def f(x):\n    return x + 1\n"
    two = '"""About."""\n\n\ndef f(x):\n    """Adds."""\n    # why\n    return (x +\n        1)\n'
    three = "def f(x):\n    return x + 2\n"
    assert bare(ast.parse(one)) == bare(ast.parse(two)) != bare(ast.parse(three))


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
