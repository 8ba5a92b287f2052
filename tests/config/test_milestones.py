from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from largebatch.config.milestones import grown_size, nearest_update


@given(st.integers(0, 200), st.integers(1, 2000), st.data())
def test_an_update_is_nearest_to_itself_in_every_bit(epoch, per_epoch, data):
    """As the engine counts updates, so that comparing with == and >= is exact."""
    number = data.draw(st.integers(0, per_epoch - 1))
    place = epoch + number / per_epoch
    assert nearest_update(place, per_epoch) == place


@given(st.floats(0, 200), st.integers(1, 2000))
def test_no_update_is_nearer(epoch, per_epoch):
    found = Fraction(round(nearest_update(epoch, per_epoch) * per_epoch), per_epoch)
    assert abs(found - Fraction(epoch)) <= Fraction(1, 2 * per_epoch) + Fraction(1, 10**9)


def test_a_batch_grows_up_to_the_whole_training_set():
    assert [grown_size(4, 25.5, stages, 1024) for stages in range(4)] == [4, 102, 1024, 1024]
