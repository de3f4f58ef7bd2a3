"""The metrics: by hand, and against the libraries' own where they have one."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, root_mean_squared_error

from freqai_rnn.metrics import (
    NAMES,
    directional_accuracy,
    information_coefficient,
    r2_against_zero,
    rank_information_coefficient,
    summary,
    weighted_ranks,
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


# Weights


def oracle(realised: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Every metric by scikit-learn and SciPy, which know no weights for most of them."""
    moved = realised != 0
    mirrored = np.concatenate([realised, -realised]), np.concatenate([predicted, -predicted])
    return {
        "rmse": root_mean_squared_error(realised, predicted),
        "mae": mean_absolute_error(realised, predicted),
        "r2_against_zero": r2_score(*mirrored),  # of values whose mean is 0
        "directional_accuracy": accuracy_score(np.sign(realised[moved]), np.sign(predicted[moved])),
        "information_coefficient": stats.pearsonr(realised, predicted).statistic,
        "rank_information_coefficient": stats.spearmanr(realised, predicted).statistic,
    }


def rounded_values(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """With ties and zeros."""
    realised, noise = np.random.default_rng(seed).normal(size=(2, n))
    return realised.round(1), (0.3 * realised + noise).round(1)


def test_every_metric_is_that_of_the_libraries():
    realised, predicted = rounded_values(200)
    assert summary(realised, predicted) == pytest.approx(oracle(realised, predicted))


def test_weighted_metrics_are_those_of_the_rows_drawn():
    realised, predicted = rounded_values(60)
    weights = np.random.default_rng(1).integers(0, 4, size=(30, 60))
    found = summary(realised, predicted, weights.astype(float))
    assert list(found) == list(NAMES)
    for i, counts in enumerate(weights):
        expected = oracle(np.repeat(realised, counts), np.repeat(predicted, counts))
        assert {name: values[i] for name, values in found.items()} == pytest.approx(expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_of_2_is_a_doubled_row(name):
    weights = np.array([[1.0, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    doubled = [np.append(values, values[2]) for values in (REALISED, PREDICTED)]
    found = summary(REALISED, PREDICTED, weights)[name]
    assert found.shape == (2,)
    assert found[0] == pytest.approx(summary(*doubled)[name])
    assert found[1] == pytest.approx(summary(REALISED, PREDICTED)[name])
    assert found[0] != pytest.approx(found[1])


def test_what_is_not_defined_on_the_rows_drawn_is_nan_for_these_only():
    realised, predicted = np.array([0.0, 0.0, 1.0, 2.0]), np.array([5.1, 5.2, 0.1, 0.1])
    weights = np.array([[3.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
    found = {
        name: np.isnan(v).tolist() for name, v in summary(realised, predicted, weights).items()
    }
    assert found == {
        "rmse": [False, False, False],
        "mae": [False, False, False],
        "r2_against_zero": [True, False, False],
        "directional_accuracy": [True, False, False],
        "information_coefficient": [True, True, False],
        "rank_information_coefficient": [True, True, False],
    }


def test_constant_rows_among_others_have_no_correlation_whatever_rounding_leaves():
    realised = np.random.default_rng(0).normal(size=200)
    constant = np.where(np.arange(200) < 100, 0.1, realised)
    weights = np.random.default_rng(1).integers(0, 4, size=(50, 200)) * (np.arange(200) < 100)
    for pair in ((realised, constant), (constant, realised)):
        assert np.isnan(information_coefficient(*pair, weights.astype(float))).all()


def test_correlation_of_values_far_from_zero_keeps_its_digits():
    realised, predicted = rounded_values(200)
    assert information_coefficient(realised, 1e6 + 1e-3 * predicted) == pytest.approx(
        stats.pearsonr(realised, predicted).statistic, rel=1e-6
    )


def test_ranks_of_drawn_values_by_hand():
    # drawn: 10, 20, 20, 20, 30 have ranks 1, 3, 3, 3, 5
    ranks = weighted_ranks(np.array([20.0, 10.0, 30.0, 20.0]), np.array([[2.0, 1.0, 1.0, 1.0]]))
    assert ranks.tolist() == [[3.0, 1.0, 5.0, 3.0]]
