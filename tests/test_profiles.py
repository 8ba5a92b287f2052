"""The profiles of Snakemake: what each says, read as Snakemake reads them."""

import pytest
import yte

from largebatch.cli import leases
from tests.conftest import REPOSITORY


def profile(name: str) -> dict:
    text = (REPOSITORY / "profiles" / name / "config.yaml").read_text(encoding="utf-8")
    return yte.process_yaml(text, require_use_yte=True)


@pytest.mark.parametrize("gpus", [0, 3])
def test_this_machine_runs_as_many_jobs_at_a_time_as_it_has_gpus(tmp_path, monkeypatch, gpus):
    for number in range(gpus):
        (tmp_path / f"nvidia{number}").touch()
    monkeypatch.setattr(leases, "DEVICE_FILES", tmp_path)
    monkeypatch.delenv(leases.VISIBLE, raising=False)
    assert profile("default")["resources"] == {"gpu": gpus}
