"""Which nets are tried before a run, and with what."""

import json

from largebatch.config.spec import Arm
from largebatch.config.study import load_study
from largebatch.config.trials import smallest_batch, trials
from tests.conftest import REPOSITORY, small_arm
from tests.shared.config_files import spoil
from tests.shared.own import SEQUENTIAL, write


def test_a_study_without_imports_tries_nothing():
    assert trials(load_study(REPOSITORY / "config/smoke.yaml")) == []


def test_each_net_is_tried_once_with_its_smallest_batch(folder):
    write(folder, SEQUENTIAL)
    own = {"import": "my_net.py:net"}
    spoil(folder / "smoke.yaml", {"experiments": ["shallue"], "numbers/shallue/base/model": own})
    study = load_study(folder / "smoke.yaml")
    (tried,) = json.loads(json.dumps(trials(study)))
    assert tried["examples"] == 8 and tried["own"] is None and tried["sources"] == "data"
    assert tried["where"].startswith(f"{folder}/smoke.yaml: shallue, arm ")
    assert Arm.model_validate(tried["settings"]).batch_size == 8
    wide = {"numbers": {"shallue": {"arms": {"noise": {"model": own | {"options": {"width": 3}}}}}}}
    study = load_study(folder / "smoke.yaml", wide)
    assert len(trials(study)) == 2
    assert (
        trials(study, []) == []
        and len(trials(study, [study.experiments[0].groups["noise"].members[0].arm.id])) == 1
    )


def test_the_smallest_batch_is_that_of_any_update():
    assert smallest_batch(small_arm(batch_size=10)) == 10
    assert smallest_batch(small_arm(batch_size=10, last_batch="weigh")) == 8  # of 48
    assert smallest_batch(small_arm(batch_size=10, micro_batch_size=2)) == 2
    growth = {"name": "batch_growth", "at": [0.5], "factor": 2.0}
    assert smallest_batch(small_arm(batch_size=10, schedule=growth)) == 10


def test_own_data_are_tried_with_any_net(folder):
    own = {"arrays": {"mine": {"path": "a.npz"}}, "base/data/name": "mine", "experiments": ["convex"]}
    spoil(folder / "smoke.yaml", own)
    (tried,) = trials(load_study(folder / "smoke.yaml"))
    assert tried["own"]["path"] == "a.npz"
