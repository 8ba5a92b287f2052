import pytest

from largebatch.report.tally import tally
from tests.shared.tables import write_ledger


def test_a_row_for_each_scale_counts_statements(tmp_path, helpers, judged):
    rows = [
        helpers.claim("A", replication="smaller"),
        helpers.claim("A.b", statement="A", verdict="inconclusive", replication="no number"),
        helpers.claim("B", replication="no number", robust="fragile"),
        helpers.claim("B.b", statement="B", robust="fragile", replication="no number"),
        helpers.claim("C", tier="identity", verdict="broken"),
        helpers.claim("D", tier="sanity"),
        helpers.claim("E", tier="sanity", verdict="not_run"),
    ]
    (tmp_path / "digits").mkdir()
    write_ledger(tmp_path / "digits" / "claims.csv", judged(*rows))
    heads, _, row = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in tally(tmp_path).splitlines()
    )
    found = {head: cell for head, cell in zip(heads, row, strict=True) if cell != "0"}
    assert found == {
        "scale": "digits",
        "supported": "1",
        "mixed": "1",
        "of these fragile": "1",
        "number smaller": "1",
        "identities hold": "0 of 1",
        "sanity checks pass": "1 of 1",
    }


def test_a_folder_without_claims_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"claims\.csv; got none"):
        tally(tmp_path)
