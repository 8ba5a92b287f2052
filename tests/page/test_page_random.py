import numpy as np
import pytest
from scipy import stats

from largebatch.config.surfaces import examples
from tests.shared.page_random import GRAIN, PageRandom


@pytest.mark.parametrize(
    ("seed", "drawn"),
    [
        (0, [0.26642920868471265, 0.0003297457005828619, 0.2232720274478197]),
        (1, [0.6270739405881613, 0.002735721180215478, 0.5274470399599522]),
        (2**32 - 1, [0.8964226141106337, 0.189478256739676, 0.7156526781618595]),
    ],
)
def test_uniform_numbers_are_those_of_the_published_mulberry32(seed, drawn):
    """drawn: by Ettinger's JavaScript, run by Node."""
    stream = PageRandom(seed)
    assert [stream.uniform() for _ in drawn] == drawn


def test_normal_numbers_are_normal():
    drawn = PageRandom(7).standard_normal((2000, 2))
    assert drawn.shape == (2000, 2)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_examples_sum_to_zero_exactly_in_any_order(seed):
    stream = PageRandom(seed)
    pulls = examples(stream)
    assert (pulls / GRAIN * 64 == np.round(pulls / GRAIN * 64)).all()
    for _ in range(5):
        assert (pulls[stream.permutation(64)].cumsum(0)[-1] == 0).all()


def test_orders_are_permutations_and_each_example_comes_first_as_often():
    stream = PageRandom(3)
    orders = np.array([stream.permutation(6) for _ in range(3000)])
    assert (np.sort(orders) == np.arange(6)).all()
    for place in orders.T:
        assert stats.chisquare(np.bincount(place)).pvalue > 0.001
