"""Timing on a simulated machine: tasks advance its clock, and so do other programs."""

import numpy as np
import pytest

from largebatch.primer import clock

TRUE_SECONDS = {1: 0.004, 64: 0.001, 256: 0.0009}


@pytest.fixture
def machine(monkeypatch):
    class Machine:
        now, calls = 0.0, 0

        def work(self, seconds):
            def task():
                self.calls += 1
                self.now += seconds * self.slowness() + self.interruption()

            return task

        def slowness(self):
            return 1.0

        def interruption(self):
            return 0.0

    made = Machine()
    monkeypatch.setattr(clock, "perf_counter", lambda: made.now)
    return made


def times(machine, rounds=20):
    return clock.quickest({size: machine.work(s) for size, s in TRUE_SECONDS.items()}, rounds)


def test_a_quiet_machine_shows_the_times_and_no_spread(machine):
    for size, found in times(machine).items():
        assert found == (pytest.approx(TRUE_SECONDS[size]), pytest.approx(1.0))
    assert machine.calls == 3 * 21  # one of each is not timed


def test_other_programs_change_no_time_while_some_rounds_are_undisturbed(machine):
    draw = np.random.default_rng(0)
    machine.interruption = lambda: 0.005 * (draw.random() < 0.7)
    for size, found in times(machine).items():
        assert found.seconds == pytest.approx(TRUE_SECONDS[size])
        assert found.spread == pytest.approx(1 + 0.005 / TRUE_SECONDS[size])


def test_a_machine_that_slows_down_slows_all_alike(machine):
    """Timed one size after another, the last would be measured at half the speed of the first."""
    machine.slowness = lambda: 1 + machine.calls / 60
    found = times(machine)
    for size, seconds in TRUE_SECONDS.items():
        assert found[size].seconds / found[1].seconds == pytest.approx(seconds / TRUE_SECONDS[1], rel=0.05)
        assert found[size].spread > 1.3


def test_updates_are_timed_of_every_size(machine):
    """The gradient costs 1 ms and 0.1 ms per example; 100 examples have less than 16 batches of 10."""

    def gradient(w, rows):
        machine.now += 0.001 + 0.0001 * len(rows)
        return w

    order = np.random.default_rng(0)
    found = clock.update_times(gradient, np.zeros(2), 100, {"a": 1, "b": 10, "c": 100}, 3, order)
    assert {key: timing.seconds for key, timing in found.items()} == pytest.approx(
        {"a": 0.0011, "b": 0.002, "c": 0.011}
    )
