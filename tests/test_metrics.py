"""The metrics: by hand, and against the libraries' own where they have one."""

import math

import numpy as np
import pytest
from sklearn.metrics import r2_score

from freqai_rnn.metrics import (
    directional_accuracy,
    information_coefficient,
    r2_against_zero,
    rank_information_coefficient,
    summary,
)

REALISED = np.array([1.0, -2.0, 3.0, -4.0])
PREDICTED = np.array([2.0, -1.0, -1.0, -2.0])


@pytest.mark.parametrize(
    ("realised", "predicted", "expected"),
    [
        pytest.param([1, -1, 2, -2], [3, -3, 1, -1], 1.0, id="all_right"),
        pytest.param([1, -1, 2, -2], [-3, 3, -1, 1], 0.0, id="all_wrong"),
        pytest.param([1, -1, 2, -2], [1, -1, 2, 2], 0.75, id="three_of_four"),
        pytest.param([1, 0, 0, -1], [1, 1, -1, 1], 0.5, id="no_move_does_not_count"),
        pytest.param([1, 1], [1, 0], 0.5, id="predicting_no_move_is_wrong_if_it_moved"),
        pytest.param([0, 0], [1, 0], math.nan, id="nothing_moved"),
        pytest.param([], [], math.nan, id="no_rows"),
    ],
)
def test_directional_accuracy_is_the_share_of_moves_with_the_predicted_sign(
    realised, predicted, expected
):
    result = directional_accuracy(np.array(realised, float), np.array(predicted, float))
    assert result == pytest.approx(expected, nan_ok=True)


def test_information_coefficient_is_the_correlation_by_hand():
    # deviations from the means -0.5 and -0.5: (1.5, -1.5, 3.5, -3.5) and (2.5, -0.5, -0.5, -1.5)
    product = 1.5 * 2.5 + 1.5 * 0.5 - 3.5 * 0.5 + 3.5 * 1.5
    squares = (2 * 1.5**2 + 2 * 3.5**2) * (2.5**2 + 2 * 0.5**2 + 1.5**2)
    assert information_coefficient(REALISED, PREDICTED) == pytest.approx(product / squares**0.5)


def test_rank_information_coefficient_is_the_correlation_of_ranks_by_hand():
    # ranks (3, 2, 4, 1) and (4, 2.5, 2.5, 1), deviations from 2.5
    product = 0.5 * 1.5 + 1.5 * 0 + 1.5 * 1.5
    squares = 5.0 * (2 * 1.5**2)
    assert rank_information_coefficient(REALISED, PREDICTED) == pytest.approx(
        product / squares**0.5
    )


def test_correlations_equal_numpys_on_random_values():
    realised, noise = np.random.default_rng(0).normal(size=(2, 200))
    predicted = np.exp(realised + noise)
    ranks = [np.argsort(np.argsort(values)) for values in (realised, predicted)]
    assert information_coefficient(realised, predicted) == pytest.approx(
        np.corrcoef(realised, predicted)[0, 1]
    )
    assert rank_information_coefficient(realised, predicted) == pytest.approx(
        np.corrcoef(*ranks)[0, 1]
    )


def test_only_the_order_counts_for_the_rank_information_coefficient():
    realised = np.array([1.0, 2.0, 3.0, 4.0])
    assert rank_information_coefficient(realised, np.exp(5 * realised)) == pytest.approx(1)
    assert rank_information_coefficient(realised, -np.exp(5 * realised)) == pytest.approx(-1)
    assert information_coefficient(realised, np.exp(5 * realised)) < 0.9


@pytest.mark.parametrize("metric", [information_coefficient, rank_information_coefficient])
@pytest.mark.parametrize(
    ("realised", "predicted"),
    [
        pytest.param([1, 2, 3], [2, 2, 2], id="constant_prediction"),
        pytest.param([2, 2, 2], [1, 2, 3], id="constant_target"),
        pytest.param([1], [2], id="one_row"),
        pytest.param([], [], id="no_rows"),
    ],
)
def test_a_correlation_that_is_not_defined_is_nan(metric, realised, predicted):
    assert math.isnan(metric(np.array(realised, float), np.array(predicted, float)))


@pytest.mark.parametrize(
    ("realised", "predicted", "expected"),
    [
        pytest.param([1, -2], [1, -2], 1.0, id="perfect"),
        pytest.param([1, -2], [0, 0], 0.0, id="always_zero"),
        pytest.param([1, -2], [2, -4], 0.0, id="twice_too_large"),
        pytest.param([1, -2], [-1, 2], -3.0, id="wrong_way"),
        pytest.param([3, 4], [3, 3], 1 - 1 / 25, id="by_hand"),
        pytest.param([0, 0], [1, 0], math.nan, id="nothing_moved"),
    ],
)
def test_r2_against_zero_compares_with_predicting_no_move(realised, predicted, expected):
    result = r2_against_zero(np.array(realised, float), np.array(predicted, float))
    assert result == pytest.approx(expected, nan_ok=True)


def test_r2_against_zero_is_r2_where_the_mean_is_zero():
    realised, predicted = np.random.default_rng(0).normal(size=(2, 100))
    realised -= realised.mean()
    assert r2_against_zero(realised, predicted) == pytest.approx(r2_score(realised, predicted))


def test_the_summary_has_every_metric_by_name():
    # errors (1, 1, -4, 2): squares 22, absolute 8; signs right in 3 of 4; squares of realised 30
    result = summary(REALISED, PREDICTED)
    assert result == {
        "rmse": pytest.approx((22 / 4) ** 0.5),
        "mae": pytest.approx(8 / 4),
        "r2_against_zero": pytest.approx(1 - 22 / 30),
        "directional_accuracy": 0.75,
        "information_coefficient": pytest.approx(8 / (29 * 9) ** 0.5),
        "rank_information_coefficient": pytest.approx(3 / (5 * 4.5) ** 0.5),
    }
    assert all(type(value) is float for value in result.values())
