"""One name of a scale file, one arm or many. Mistakes in files are tested in test_mistakes.py."""

from pathlib import Path

from largebatch.config.groups import resolve_group
from tests.conftest import SMALL


def group_of(**settings):
    """The group of these settings on top of the small arm's."""
    layers = {"base": SMALL, "arms.spare": settings}
    return resolve_group("spare", layers, Path("scale.yaml"), "arms.spare", {"digits": "classes"}, 5)


def test_one_arm_goes_by_the_name_of_its_group():
    group = group_of(lr=0.3)
    assert [member.name for member in group.members] == list(group.arms) == ["spare"]
    assert group.members[0].arm.lr == 0.3 and group.members[0].arm.batch_size == SMALL["batch_size"]


def test_a_grid_gives_every_combination_in_the_order_written():
    group = group_of(grid={"lr": [0.3, 0.1], "batch_size": [16, 4]})
    assert [member.name for member in group.members] == [
        "spare[lr=0.3,batch_size=16]",
        "spare[lr=0.3,batch_size=4]",
        "spare[lr=0.1,batch_size=16]",
        "spare[lr=0.1,batch_size=4]",
    ]
    assert [(m.arm.lr, m.arm.batch_size) for m in group.members] == [(0.3, 16), (0.3, 4), (0.1, 16), (0.1, 4)]


def test_each_gives_an_arm_for_each_set_of_settings():
    group = group_of(each=[{"batch_size": 4, "epochs": 2}, {"batch_size": 16, "epochs": 8}])
    assert list(group.arms) == ["spare[batch_size=4,epochs=2]", "spare[batch_size=16,epochs=8]"]
    assert [(m.arm.batch_size, m.arm.epochs) for m in group.members] == [(4, 2), (16, 8)]


def test_a_grid_is_tuned_over_for_each_arm():
    each, grid = [{"batch_size": 4}, {"batch_size": 16}], {"lr": [0.1, 0.2]}
    arms = group_of(each=each, grid=grid, tuned_on="validation_loss_nats").arms
    assert {name: [m.arm.lr for m in tries] for name, tries in arms.items()} == {
        "spare[batch_size=4]": [0.1, 0.2],
        "spare[batch_size=16]": [0.1, 0.2],
    }


def test_a_grid_of_one_is_an_arm_under_its_own_name():
    """So that questions find its observations; a tuned group is put together under that name anyway."""
    assert [m.name for m in group_of(grid={"batch_size": [4]}).members] == ["spare"]
    tuned = group_of(grid={"batch_size": [4]}, tuned_on="validation_loss_nats")
    assert [m.name for m in tuned.members] == ["spare[batch_size=4]"] and list(tuned.arms) == ["spare"]
