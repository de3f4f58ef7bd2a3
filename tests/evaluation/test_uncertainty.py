import math

import numpy as np
import pytest

from freqai_rnn import metrics
from freqai_rnn.evaluation.uncertainty import (
    Bootstrap,
    Estimate,
    block_counts,
    block_length,
    standard_error,
)
from freqai_rnn.metrics import Outcomes

HORIZON = 4


def plain(realised: np.ndarray) -> Outcomes:
    """Of a volatility of 1, and no longer than the next candle."""
    return Outcomes(realised, np.ones(len(realised)), realised)


def overlapping_labels(n: int, rng: np.random.Generator) -> np.ndarray:
    """Sums over the next HORIZON candles of independent returns."""
    return np.convolve(rng.normal(size=n + HORIZON - 1), np.ones(HORIZON), "valid")


def slow_predictions(n: int, rng: np.random.Generator) -> np.ndarray:
    """Independent of every label, and alike from candle to candle, as predictions are."""
    return np.convolve(rng.normal(size=n + 19), np.ones(20), "valid")


def test_replicate_is_made_of_whole_blocks():
    counts = block_counts(10, 5, 200, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 10).all()
    starts = np.diff(counts, axis=1, prepend=0).clip(min=0)
    assert starts.sum(axis=1).max() == 2
    assert counts[:, 0].max() > 0
    assert counts[:, -1].max() > 0


def test_last_block_of_a_replicate_is_cut():
    counts = block_counts(10, 4, 50, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 10).all()


@pytest.mark.parametrize("length", [0, 11])
def test_block_must_fit(length):
    with pytest.raises(ValueError, match="A block must have 1 to 10 candles"):
        block_counts(10, length, 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("horizon", "n_candles", "length"), [(4, 720, 20), (1, 720, 9), (1, 1000, 10), (24, 720, 120)]
)
def test_block_covers_five_horizons_and_grows_with_the_sample(horizon, n_candles, length):
    assert block_length(horizon, n_candles) == length


def test_plain_errors_lie_and_block_errors_do_not():
    """Of predictions that know nothing, 1 in 20 may look significant."""
    rng = np.random.default_rng(5)
    n, n_samples = 480, 120
    naive, block, values, errors = 0, 0, [], []
    for _ in range(n_samples):
        realised, predicted = overlapping_labels(n, rng), slow_predictions(n, rng)
        found = Bootstrap(HORIZON, n_replicates=200).estimate(
            plain(realised), predicted, np.arange(n)
        )
        rank = found["scaled_ic"]
        naive += Estimate(rank.value, 1 / math.sqrt(n)).differs_from(0)
        block += rank.differs_from(0)
        values.append(rank.value)
        errors.append(rank.error)
    assert naive / n_samples > 0.2
    assert block / n_samples < 0.12
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_a_copied_pair_brings_no_information():
    rng = np.random.default_rng(1)
    realised, predicted = overlapping_labels(400, rng), slow_predictions(400, rng)
    one = Bootstrap(HORIZON).estimate(plain(realised), predicted, np.arange(400))
    two = Bootstrap(HORIZON).estimate(
        plain(np.tile(realised, 2)), np.tile(predicted, 2), np.tile(np.arange(400), 2)
    )
    for name in metrics.NAMES:
        assert two[name].error == pytest.approx(one[name].error)


def test_planted_correlation_is_found_with_its_size():
    rng = np.random.default_rng(2)
    n, planted = 4000, 0.2
    realised = overlapping_labels(n, rng)
    noise = overlapping_labels(n, rng)
    predicted = planted * realised + math.sqrt(1 - planted**2) * noise
    found = Bootstrap(HORIZON).estimate(plain(realised), predicted, np.arange(n))
    for name in ("scaled_ic", "next_ic"):
        assert found[name].differs_from(0)
        assert not found[name].differs_from(planted)
        assert found[name].error < 0.05


def test_shuffled_predictions_are_within_error_of_nothing():
    rng = np.random.default_rng(3)
    realised = overlapping_labels(2000, rng)
    found = Bootstrap(HORIZON).estimate(plain(realised), rng.permutation(realised), np.arange(2000))
    assert not found["scaled_ic"].differs_from(0)


def test_difference_to_itself_is_known_exactly():
    rng = np.random.default_rng(4)
    realised, predicted = rng.normal(size=(2, 300))
    both = Bootstrap(1).replicates(
        plain(realised), {"a": predicted, "b": predicted}, np.arange(300)
    )
    for name in metrics.NAMES:
        assert standard_error(both["a"][name] - both["b"][name]) == 0


def test_same_seed_gives_the_same_errors_whatever_fits_in_memory():
    rng = np.random.default_rng(6)
    realised, predicted = rng.normal(size=(2, 300))
    candle = np.arange(300)
    at_once = Bootstrap(1).estimate(plain(realised), predicted, candle)
    in_parts = Bootstrap(1, rows_at_once=20_000).estimate(plain(realised), predicted, candle)
    for name in metrics.NAMES:
        assert in_parts[name] == pytest.approx(at_once[name])
    assert Bootstrap(1, seed=1).estimate(plain(realised), predicted, candle) != at_once


def test_no_error_where_there_are_too_few_blocks():
    rng = np.random.default_rng(7)
    realised, predicted = rng.normal(size=(2, 99))
    found = Bootstrap(HORIZON).estimate(
        plain(realised), predicted, np.arange(99)
    )  # 5 blocks need 100
    assert not math.isnan(found["rmse"].value)
    assert all(math.isnan(estimate.error) for estimate in found.values())
    assert not found["rmse"].differs_from(0)


def test_predicting_nothing_has_no_coefficient():
    realised = np.random.default_rng(8).normal(size=300)
    found = Bootstrap(1).estimate(plain(realised), np.zeros(300), np.arange(300))
    assert math.isnan(found["scaled_ic"].error)
    assert math.isnan(found["next_ic"].error)
    assert found["rmse"].error > 0


def test_holes_between_the_rows_are_no_candles():
    """A block is a span of time: without every second candle it holds half the rows."""
    rng = np.random.default_rng(9)
    realised, predicted = rng.normal(size=(2, 200))
    (weights,) = Bootstrap(1, n_replicates=50).weights(2 * np.arange(200))
    assert weights.shape == (50, 200)
    assert weights.sum(axis=1).std() > 0
    assert Bootstrap(1).estimate(plain(realised), predicted, 2 * np.arange(200))["rmse"].error > 0


def test_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(10)
    realised, predicted = rng.normal(size=(2, 300)).cumsum(axis=1)
    order = rng.permutation(300)
    expected = Bootstrap(1).estimate(plain(realised), predicted, np.arange(300))
    found = Bootstrap(1).estimate(plain(realised[order]), predicted[order], order)
    for name in metrics.NAMES:
        assert found[name] == pytest.approx(expected[name])


def test_group_means_are_means_of_the_rows_drawn():
    """Row by row: each replicate holds a row as often as its weight says."""
    rng = np.random.default_rng(2)
    values, candle = rng.normal(size=80), np.tile(np.arange(40), 2)
    members = np.stack([np.arange(80) % 2 == 0, np.arange(80) < 60], axis=1)
    values[79] = np.nan  # odd and late: in no group
    bootstrap = Bootstrap(1, n_replicates=30)
    found = bootstrap.group_means(values, members, candle)
    (drawn,) = bootstrap.weights(candle)
    for group in range(2):
        rows = np.flatnonzero(members[:, group])
        assert found.means[group] == pytest.approx(values[rows].mean())
        naive = [np.repeat(values[rows], counts[rows].astype(int)).mean() for counts in drawn]
        np.testing.assert_allclose(found.replicates[:, group], naive)
    spread = np.std(found.replicates[:, 1] - found.replicates[:, 0], ddof=1)
    assert found.difference(1, 0) == pytest.approx((found.means[1] - found.means[0], spread))
    assert found.estimates()[1].error == pytest.approx(np.std(found.replicates[:, 1], ddof=1))


def test_the_mean_of_few_rows_has_no_error():
    found = Bootstrap(4).group_means(np.ones(20), np.ones((20, 1), dtype=bool), np.arange(20))
    (one,) = found.estimates()
    assert one.value == 1
    assert math.isnan(one.error)
