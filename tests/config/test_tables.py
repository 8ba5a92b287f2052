"""What a table reads, and what is left of it without some arms; mistakes are in test_references.py."""

from largebatch.config.tables import Table

ROWS = (("one", "a"), ("two", "b"))
METRICS = ["updates", "test_error_percent"]


def table(**parts):
    plain = {"name": "t", "caption": "c", "rows": dict(ROWS), "metrics": METRICS}
    return Table.model_validate(plain | parts)


def read(found):
    return {(use.key, use.arm, use.metric, use.needs, use.read) for use in found.uses()}


def test_a_cell_is_what_there_is_of_a_metric():
    cells = {(f"rows.{row}", arm, m) for row, arm in ROWS for m in METRICS}
    assert read(table()) == {(*cell, "one", "if_there") for cell in cells}
    assert read(table(over="lr")) == {(*cell, "lr", "if_there") for cell in cells}


def test_what_a_reading_goes_by_is_read_too():
    at_loss = read(table(at={"train_loss_nats": 0.1})) - read(table())
    assert at_loss == {(f"rows.{row}", arm, "train_loss_nats", "one", "if_there") for row, arm in ROWS}
    same_updates = read(table(at={"same_updates_as": "z"})) - read(table())
    assert same_updates == {("at.same_updates_as", "z", "updates", "one", "end")}


def test_a_row_takes_all_that_is_said_of_it_with_it():
    whole = table(positions={"one": 1.0, "two": 2.0}, paper={"one": {"updates": "7"}})
    assert whole.without({"w"}) == whole
    left = whole.without({"a"})
    assert (left.rows, left.positions, left.paper) == ({"two": "b"}, {"two": 2.0}, {})
    assert whole.without({"a", "b"}) is None
    assert table(at={"same_updates_as": "z"}).without({"z"}) is None
