import numpy as np
import pytest
from scipy import stats

from largebatch.judging.resampling import (
    MOST_FLIPS,
    bootstrap_t,
    least_p_of_resamples,
    least_p_of_signs,
    overlap_inflation,
    sign_flips,
    signed_ranks,
    signs,
    t_test,
    wilcoxon,
)

RNG = np.random.default_rng(0)
SETS = RNG.normal(0.4, 1.0, size=(4, 9))


@pytest.mark.parametrize("bound", [0.0, 0.3, 5.0])
def test_the_t_test_is_that_of_scipy(bound):
    found = t_test(SETS)(bound)
    assert found.above == pytest.approx(stats.ttest_1samp(SETS, bound, axis=1, alternative="greater").pvalue)
    assert found.below == pytest.approx(stats.ttest_1samp(SETS, bound, axis=1, alternative="less").pvalue)


def test_seeds_that_share_images_by_hand():
    """Ten values of mean 1 and variance 1.25; half as many images to test as to train on.

    The variance of the mean is (1/10 + 1/2) 1.25 = 0.75 and not 0.125, so t = 1 / √0.75 = 1.1547.
    """
    half = np.sqrt(1.25 * 9 / 10)
    values = np.array([[1 - half, 1 + half] * 5])
    found = t_test(values)(0.0, overlap_inflation(10, 0.5))
    assert found.above == pytest.approx([stats.t.sf(1 / np.sqrt(0.75), 9)])
    assert overlap_inflation(10, 0.5) == 6.0 and overlap_inflation(14, 0.0) == 1.0


@pytest.mark.parametrize(("alternative", "side"), [("greater", 0), ("less", 1)])
def test_sign_flips_are_those_of_scipy(alternative, side):
    for values in SETS:
        wanted = stats.permutation_test(
            (values - 0.2,), np.sum, permutation_type="samples", alternative=alternative, n_resamples=np.inf
        )
        assert sign_flips(values[None])(0.2)[side] == pytest.approx([wanted.pvalue])


def test_beyond_fourteen_seeds_flips_are_a_sample():
    assert signs(14).shape == (2**14, 14) and len(np.unique(signs(14), axis=0)) == 2**14
    assert signs(15).shape == (MOST_FLIPS, 15) and (signs(15)[0] == 1).all()
    values = RNG.normal(0.5, 1.0, size=20)
    found = sign_flips(values[None])(0.0).above[0]
    wanted = stats.permutation_test((values,), np.sum, permutation_type="samples", alternative="greater")
    assert found == pytest.approx(wanted.pvalue, abs=4 * np.sqrt(wanted.pvalue / 10_000))


@pytest.mark.parametrize(("alternative", "side"), [("greater", 0), ("less", 1)])
def test_wilcoxon_is_that_of_scipy(alternative, side):
    for values in SETS:
        wanted = stats.wilcoxon(values - 0.2, alternative=alternative, method="exact").pvalue
        assert wilcoxon(values[None])(0.2)[side] == pytest.approx([wanted])


def test_wilcoxon_with_ties_and_zeros():
    """Differences of rounded accuracies, by scipy's permutations of the same ranks."""
    values = np.array([0.2, 0.2, -0.2, 0.4, 0.6, 0.0, 0.4, -0.4 / 3, 0.1 * 2])
    method = stats.PermutationMethod(n_resamples=np.inf)
    wanted = stats.wilcoxon(values, alternative="greater", method=method).pvalue
    assert wilcoxon(values[None])(0.0).above == pytest.approx([wanted])
    ranks = signed_ranks(np.array([[0.1 + 0.2, -0.3, 0.0, 1.0]]))  # 0.1 + 0.2 is not quite 0.3
    assert ranks.tolist() == [[1.5, -1.5, 0.0, 3.0]]


@pytest.mark.parametrize(("n", "wanted"), [(5, 1 / 16), (14, 1 / 8192), (30, 1 / 8192)])
def test_the_least_p_of_signs(n, wanted):
    assert least_p_of_signs(n) == wanted
    all_above = np.arange(1.0, n + 1)[None]
    assert 2 * sign_flips(all_above)(0.0).above == pytest.approx([wanted])
    assert 2 * wilcoxon(all_above)(0.0).above == pytest.approx([wanted])


def test_the_least_p_of_resamples():
    """One of four values is above their mean: it alone is drawn in 1 of 4^4 resamples, and t is infinite."""
    values = np.array([[6.0, 5.0, 5.01, 4.99]])
    found = 2 * bootstrap_t(values)(-1e6).above
    assert least_p_of_resamples(4) == 2 / 256 and least_p_of_resamples(14) == 2 / 20_000
    assert found == pytest.approx([2 / 256], abs=0.003)


def test_bootstrap_t_errs_about_as_often_as_it_says():
    """On the threshold, one-sided at 5 %, 14 seeds: normal, and lognormal, where t errs most."""
    normal = RNG.normal(size=(2000, 14))
    assert 0.035 < (bootstrap_t(normal)(0.0).above < 0.05).mean() < 0.065
    skewed = RNG.lognormal(size=(2000, 14)) - np.exp(0.5)
    of_t, resampled = ((test(skewed)(0.0).below < 0.05).mean() for test in (t_test, bootstrap_t))
    assert of_t > 0.14 and resampled < 0.13


def test_bootstrap_t_is_near_the_t_test_where_that_holds_and_sees_a_larger_variance():
    values = RNG.normal(0.5, 1.0, size=(3, 200))
    assert bootstrap_t(values)(0.4).above == pytest.approx(t_test(values)(0.4).above, abs=0.02)
    wide = bootstrap_t(values)(0.4, 4.0).above
    assert wide == pytest.approx(t_test(values)(0.4, 4.0).above, abs=0.02)


@pytest.mark.parametrize("test", [t_test, bootstrap_t, sign_flips, wilcoxon])
def test_equal_values_and_two_seeds(test):
    equal = np.full((1, 8), 0.7)
    assert test(equal)(0.0).above[0] < 0.01 and test(equal)(0.0).below[0] > 0.9
    assert min(test(equal)(0.7).above[0], test(equal)(0.7).below[0]) >= 0.5
    two = test(np.array([[0.1, 0.3]]))(0.0)
    assert 0 < two.above[0] <= 1 and 0 < two.below[0] <= 1


@pytest.mark.parametrize("test", [t_test, bootstrap_t, sign_flips, wilcoxon])
def test_turned_round_the_sides_change_place(test):
    found, turned = test(SETS)(0.3), test(-SETS)(-0.3)
    assert found.above == pytest.approx(turned.below) and found.below == pytest.approx(turned.above)
