"""The metrics: by hand, and against the libraries' own where they have one."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, root_mean_squared_error

from freqai_rnn.metrics import (
    HALF_LIFE,
    NAMES,
    Outcomes,
    directional_accuracy,
    ic_beyond,
    in_volatilities,
    known_volatility,
    next_ic,
    r2_against_zero,
    rank_correlation,
    scaled_ic,
    summary,
)

REALISED = np.array([1.0, -2.0, 3.0, -4.0])
PREDICTED = np.array([2.0, -1.0, -1.0, -2.0])
VOLATILITY = np.array([1.0, 2.0, 1.0, 0.5])
NEXT = np.array([0.5, -1.0, 1.0, np.nan])
OUTCOMES = Outcomes(REALISED, VOLATILITY, NEXT)


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


def test_scaled_ic_by_hand():
    # in volatilities: realised 1, -1, 3 and -8, which is cut at -6; predicted 2, -0.5, -1, -4
    product = 1 * 2 + 1 * 0.5 - 3 * 1 + 6 * 4
    squares = (1 + 1 + 9 + 36) * (4 + 0.25 + 1 + 16)
    assert scaled_ic(OUTCOMES, PREDICTED) == pytest.approx(product / squares**0.5)


def test_next_ic_by_hand():
    # the last candle has no next one
    product = 0.5 * 2 + 1 * 0.5 - 1 * 1
    squares = (0.25 + 1 + 1) * (4 + 0.25 + 1)
    assert next_ic(OUTCOMES, PREDICTED) == pytest.approx(product / squares**0.5)


@pytest.mark.parametrize("score", [scaled_ic, next_ic])
def test_a_row_without_a_known_volatility_does_not_count(score):
    more = Outcomes(*(np.append(values, 9.0) for values in OUTCOMES))
    more.volatility[-1] = np.nan
    assert score(more, np.append(PREDICTED, 9.0)) == pytest.approx(score(OUTCOMES, PREDICTED))


@pytest.mark.parametrize("score", [scaled_ic, next_ic])
def test_no_mean_is_taken_out(score):
    """Who always predicts a rise is right to do so where prices rise, and nothing but that."""
    rising = Outcomes(np.array([1.0, 1.0, 1.0]), np.ones(3), np.array([1.0, 1.0, 1.0]))
    assert score(rising, np.full(3, 0.01)) == pytest.approx(1)
    assert score(rising, np.full(3, -5.0)) == pytest.approx(-1)


@pytest.mark.parametrize("score", [scaled_ic, next_ic])
@pytest.mark.parametrize(
    ("realised", "predicted"),
    [
        pytest.param([1, 2, 3], [0, 0, 0], id="predicting_nothing"),
        pytest.param([0, 0, 0], [1, 2, 3], id="nothing_moved"),
        pytest.param([], [], id="no_rows"),
    ],
)
def test_a_coefficient_that_is_not_defined_is_nan(score, realised, predicted):
    values = np.array(realised, float)
    outcomes = Outcomes(values, np.ones(len(values)), values)
    assert math.isnan(score(outcomes, np.array(predicted, float)))


def test_ic_beyond_is_the_partial_correlation_about_zero():
    rng = np.random.default_rng(0)
    line, new, noise = rng.normal(size=(3, 2000))
    outcomes = Outcomes(noise, np.ones(2000), 0.3 * line + 0.1 * new + noise)
    predicted = new + 2 * line
    slopes, _, _, _ = np.linalg.lstsq(
        np.column_stack([predicted, line]), outcomes.next_move, rcond=None
    )
    rest = predicted - line * (predicted @ line) / (line @ line)
    expected = (
        rest
        @ outcomes.next_move
        / np.sqrt((rest @ rest) * (outcomes.next_move @ outcomes.next_move))
    )
    found = ic_beyond(outcomes, predicted, line)
    assert found == pytest.approx(expected)
    assert np.sign(found) == np.sign(slopes[0])


def test_nothing_is_beyond_a_multiple_of_the_other_one():
    line = np.random.default_rng(0).normal(size=50)
    assert math.isnan(ic_beyond(Outcomes(line, np.ones(50), line), -3.7 * line, line))


def test_volatility_is_made_of_labels_that_are_known():
    labels = np.random.default_rng(0).normal(size=300)
    labels[7] = np.nan
    horizon, row = 2, 250
    found = known_volatility(labels, horizon)
    assert np.isnan(found[: HALF_LIFE + horizon]).all()
    assert not np.isnan(found[HALF_LIFE + horizon]).any()
    known = labels[: row - horizon + 1][~np.isnan(labels[: row - horizon + 1])]
    weights = 0.5 ** (np.arange(len(known))[::-1] / HALF_LIFE)
    expected = np.sqrt(np.sum(weights * known**2) / weights.sum())
    assert found[row] == pytest.approx(expected)
    later = labels.copy()
    later[row - horizon + 1 :] = 99.0
    assert known_volatility(later, horizon)[row] == found[row]


def test_a_volatility_of_zero_scales_nothing():
    assert np.isnan(in_volatilities(np.array([1.0, 1.0]), np.array([0.0, np.nan]))).all()


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
    result = summary(OUTCOMES, PREDICTED)
    assert result == {
        "rmse": pytest.approx((22 / 4) ** 0.5),
        "mae": pytest.approx(8 / 4),
        "r2_against_zero": pytest.approx(1 - 22 / 30),
        "directional_accuracy": 0.75,
        "scaled_ic": pytest.approx(scaled_ic(OUTCOMES, PREDICTED)),
        "next_ic": pytest.approx(next_ic(OUTCOMES, PREDICTED)),
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
        # a correlation about 0 is that of values and their mirror images, whose mean is 0
        "scaled_ic": stats.pearsonr(*mirrored).statistic,
        "next_ic": stats.pearsonr(*mirrored).statistic,
    }


def plain(realised: np.ndarray) -> Outcomes:
    """Of a volatility of 1, and no longer than the next candle."""
    return Outcomes(realised, np.ones(len(realised)), realised)


def rounded_values(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """With ties and zeros."""
    realised, noise = np.random.default_rng(seed).normal(size=(2, n))
    return realised.round(1), (0.3 * realised + noise).round(1)


def test_every_metric_is_that_of_the_libraries():
    realised, predicted = rounded_values(200)
    assert summary(plain(realised), predicted) == pytest.approx(oracle(realised, predicted))


def test_weighted_metrics_are_those_of_the_rows_drawn():
    realised, predicted = rounded_values(60)
    weights = np.random.default_rng(1).integers(0, 4, size=(30, 60))
    found = summary(plain(realised), predicted, weights.astype(float))
    assert list(found) == list(NAMES)
    for i, counts in enumerate(weights):
        expected = oracle(np.repeat(realised, counts), np.repeat(predicted, counts))
        assert {name: values[i] for name, values in found.items()} == pytest.approx(expected)


def test_rank_correlation_is_spearmans_of_the_rows_drawn():
    realised, predicted = rounded_values(60)
    weights = np.random.default_rng(1).integers(0, 4, size=(30, 60))
    found = rank_correlation(realised, predicted, weights.astype(float))
    expected = [
        stats.spearmanr(np.repeat(realised, counts), np.repeat(predicted, counts)).statistic
        for counts in weights
    ]
    assert found == pytest.approx(np.array(expected))
    expected = stats.spearmanr(realised, predicted).statistic
    assert rank_correlation(realised, predicted) == pytest.approx(expected)
    assert math.isnan(rank_correlation(realised, np.ones(60)))  # which ranks nothing


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_of_2_is_a_doubled_row(name):
    weights = np.array([[1.0, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    doubled = Outcomes(*(np.append(values, values[2]) for values in OUTCOMES))
    found = summary(OUTCOMES, PREDICTED, weights)[name]
    assert found.shape == (2,)
    assert found[0] == pytest.approx(summary(doubled, np.append(PREDICTED, PREDICTED[2]))[name])
    assert found[1] == pytest.approx(summary(OUTCOMES, PREDICTED)[name])
    assert found[0] != pytest.approx(found[1])


def test_what_is_not_defined_on_the_rows_drawn_is_nan_for_these_only():
    realised, predicted = np.array([0.0, 0.0, 1.0, 2.0]), np.array([5.1, 5.2, 0.0, 0.1])
    weights = np.array([[3.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
    found = {
        name: np.isnan(v).tolist()
        for name, v in summary(plain(realised), predicted, weights).items()
    }
    assert found == {
        "rmse": [False, False, False],
        "mae": [False, False, False],
        "r2_against_zero": [True, False, False],
        "directional_accuracy": [True, False, False],
        "scaled_ic": [True, False, False],
        "next_ic": [True, False, False],
    }
