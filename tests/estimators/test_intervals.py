"""Intervals around predictions: what makes them wide, when, and how often they hold."""

import math

import numpy as np
import pytest
from mapie.regression import SplitConformalRegressor
from sklearn.base import BaseEstimator, RegressorMixin

from freqai_rnn.estimators.intervals import HALF_LIFE, STEP, Intervals, intervals_of

COVERAGE = 0.8
LAG = 4


def normal(n: int, seed: int = 0, n_labels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_labels))


def learned(errors: np.ndarray, horizon: int = LAG, coverage: float = COVERAGE) -> Intervals:
    found = intervals_of(errors, horizon, coverage)
    assert found is not None
    return found


def naive_scale(errors: list[float], start: float) -> float:
    """The formula, from the oldest error to the newest."""
    keep = 0.5 ** (1 / HALF_LIFE)
    for error in errors:
        start = keep * start + (1 - keep) * abs(error)
    return start * math.sqrt(math.pi / 2)  # normal errors spread so much further than their mean


class Zero(RegressorMixin, BaseEstimator):
    """Predicts 0, as MAPIE wants a regressor to put its interval around."""

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize("n", [31, 200, 375])
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_the_first_interval_is_mapies_of_the_errors_by_their_expected_size(n, coverage):
    errors = normal(n)[:, 0] * np.linspace(1, 3, n)
    start = float(np.mean(np.abs(errors)))
    scales = [naive_scale(list(errors[: max(row - LAG + 1, 0)]), start) for row in range(n)]
    oracle = SplitConformalRegressor(
        Zero().fit(np.zeros((1, 1)), None), confidence_level=coverage, prefit=True
    ).conformalize(np.zeros((n, 1)), errors / scales)
    _, band = oracle.predict_interval(np.zeros((1, 1)))
    found = learned(errors[:, None], coverage=coverage).bands(np.full((1, 1), np.nan))
    scale = naive_scale(list(errors), start)
    np.testing.assert_allclose(found.scale, [[scale]])
    np.testing.assert_allclose(found.half_width, band[:, 1, 0:1] * scale)


def test_later_intervals_follow_the_errors_known_by_then():
    """Gibbs & Candès' recursion, written down by row."""
    intervals = learned(normal(100))
    errors = 2 * normal(60, seed=1)[:, 0]
    errors[[7, 20]] = np.nan
    scores, aim = intervals.scores[:, 0], COVERAGE
    widths: list[float] = []
    for row in range(60):
        known = row - LAG
        if known >= 0 and not math.isnan(errors[known]):
            aim += STEP * ((abs(errors[known]) > widths[known]) - (1 - COVERAGE))
        past = [e for e in errors[: max(known + 1, 0)] if not math.isnan(e)]
        rank = min(max(math.ceil(101 * aim - 1e-9), 1), 100)
        widths.append(naive_scale(past, float(intervals.size[0])) * scores[rank - 1])
    found = intervals.bands(errors[:, None])
    np.testing.assert_allclose(found.half_width[:, 0], widths)
    assert np.ptp(found.half_width / found.scale) > 0.005


@pytest.mark.parametrize(("horizon", "lag"), [(0, 1), (1, 1), (4, 4)])
def test_an_error_changes_nothing_before_it_is_known(horizon, lag):
    intervals = learned(normal(100), horizon)
    errors = normal(50, seed=1)
    before = intervals.bands(errors)
    errors[20] = 100
    after = intervals.bands(errors)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old[: 20 + lag], new[: 20 + lag])
        assert (new[20 + lag :] > old[20 + lag :]).all()


def test_labels_do_not_know_of_each_other():
    errors = normal(200, n_labels=2) * [1, 50]
    both = learned(errors[:100]).bands(errors[100:])
    for label in range(2):
        alone = learned(errors[:100, [label]]).bands(errors[100:, [label]])
        np.testing.assert_allclose(both.half_width[:, [label]], alone.half_width, rtol=1e-12)


@pytest.mark.parametrize("factor", [1.0, 1e-3, 100.0])
def test_widths_are_in_the_unit_of_the_errors(factor):
    errors = normal(200)
    one = learned(errors[:100]).bands(errors[100:]).half_width
    other = learned(factor * errors[:100]).bands(factor * errors[100:]).half_width
    np.testing.assert_allclose(other, factor * one, rtol=1e-9)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_intervals_hold_their_share_of_independent_errors(coverage):
    errors = normal(30_000, n_labels=4)
    held = (
        np.abs(errors[500:])
        <= learned(errors[:500], coverage=coverage).bands(errors[500:]).half_width
    )
    assert held.mean() == pytest.approx(coverage, abs=0.005)


@pytest.mark.parametrize("factor", [3.0, 1 / 3], ids=["wilder", "calmer"])
def test_after_a_break_in_volatility_coverage_is_back_within_5_points_in_200_candles(factor):
    errors = normal(1100, n_labels=300)
    errors[600:] *= factor
    intervals = learned(errors[:500])
    held = np.abs(errors[500:]) <= intervals.bands(errors[500:]).half_width
    assert abs(held[100:150].mean() - COVERAGE) > 0.1  # it can be seen
    assert held[300:400].mean() == pytest.approx(COVERAGE, abs=0.05)


def test_intervals_hold_their_share_in_calm_and_in_wild_times():
    """Volatility swings slowly; plain quantiles of errors would hold 95 % in calm times."""
    t = np.arange(20_000)
    errors = normal(len(t), n_labels=2) * np.exp(np.sin(t / 600))[:, None]
    held = np.abs(errors[2000:]) <= learned(errors[:2000]).bands(errors[2000:]).half_width
    size = np.sin(t[2000:] / 600)
    calm, wild = held[size < -0.5].mean(), held[size > 0.5].mean()
    assert calm == pytest.approx(COVERAGE, abs=0.05)
    assert wild == pytest.approx(COVERAGE, abs=0.05)
    plain = np.abs(errors[2000:]) <= np.quantile(np.abs(errors[:2000]), COVERAGE)
    assert plain[size < -0.5].mean() > 0.9


@pytest.mark.parametrize("n", [0, 1, 29])
def test_too_few_errors_make_no_intervals(n):
    assert intervals_of(normal(n), LAG, COVERAGE) is None
    assert intervals_of(np.r_[normal(n), np.full((50, 1), np.nan)], LAG, COVERAGE) is None


def test_a_label_that_is_always_predicted_has_intervals_of_no_width():
    found = learned(np.zeros((50, 1))).bands(np.zeros((10, 1)))
    assert (found.scale == 0).all()
    assert (found.half_width == 0).all()


def test_no_rows_have_no_intervals():
    assert learned(normal(50)).bands(np.empty((0, 1))).half_width.shape == (0, 1)
