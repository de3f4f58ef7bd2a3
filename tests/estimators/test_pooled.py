"""Rows of several series as one fit: seams, one cut by date, and the size for each pair."""

from dataclasses import replace

import numpy as np
import pytest
from tests.estimators import naive
from tests.estimators.test_ensemble import GAP, ensemble

from freqai_rnn.estimators.base import CandleRegressor
from freqai_rnn.estimators.fit_task import FitTask
from freqai_rnn.estimators.judging import split_with_judges
from freqai_rnn.estimators.pooled import PoolPart, chosen_inputs, join
from freqai_rnn.estimators.training_candles import TrainingCandles
from freqai_rnn.network.windows import SERIES

HORIZON = 2


def part(n_rows: int, n_valid: int, first: int = 0, *, without: tuple[int, ...] = ()) -> PoolPart:
    """A series whose targets are 100 × number of the candle on the common axis, one feature."""
    index = np.delete(np.arange(n_rows), without)
    mask = index >= n_rows - n_valid
    candles = TrainingCandles(
        features=(first + index)[:, None].astype(np.float32),
        targets=100.0 * (first + index)[:, None],
        weights=np.ones(len(index)),
        validation_mask=mask,
        candle_index=index,
    )
    return PoolPart(candles, first)


def numbers_of(joined: TrainingCandles, which: np.ndarray) -> list[list[int]]:
    """Numbers of the chosen candles on the common axis, by series."""
    chosen = joined.candle_index[which & ~np.isnan(joined.targets[:, 0])]
    n_series = int(joined.candle_index[-1] // SERIES) + 1
    return [[int(n % SERIES) for n in chosen if n // SERIES == one] for one in range(n_series)]


def trained(joined: TrainingCandles) -> list[list[int]]:
    return numbers_of(joined, ~joined.validation_mask)


def validated(joined: TrainingCandles) -> list[list[int]]:
    return numbers_of(joined, joined.validation_mask)


def test_series_of_one_length_are_cut_where_each_is():
    joined = join([part(10, 3), part(10, 3)], HORIZON)
    # 7, 8, 9 validate; the labels of 5 and 6 are known at 7 and 8
    assert trained(joined) == [[0, 1, 2, 3, 4]] * 2
    assert validated(joined) == [[7, 8, 9]] * 2


def test_a_young_series_trains_on_no_candle_after_the_others_cut():
    # by its own split 16 … 18 train, when the old series validates from 15 on
    joined = join([part(20, 5), part(10, 1, first=10)], HORIZON)
    assert trained(joined) == [list(range(13)), [10, 11, 12]]
    assert validated(joined) == [list(range(15, 20)), list(range(15, 20))]


def test_a_series_that_ended_early_moves_no_cut_and_validates_nothing():
    joined = join([part(20, 5), part(10, 4)], HORIZON)
    assert trained(joined) == [list(range(13)), list(range(6))]
    assert validated(joined) == [list(range(15, 20)), []]


def test_the_earliest_validation_of_those_that_live_is_the_cut():
    joined = join([part(20, 5), part(18, 6)], HORIZON)
    assert trained(joined) == [list(range(10))] * 2
    assert validated(joined) == [list(range(12, 20)), list(range(12, 18))]


def test_missing_candles_are_counted_by_time():
    joined = join([part(10, 3), part(10, 3, without=(5, 6))], HORIZON)
    assert trained(joined)[1] == [0, 1, 2, 3, 4]
    assert validated(joined)[1] == [7, 8, 9]


def test_without_validation_all_train():
    joined = join([part(5, 0), part(4, 0, first=2)], HORIZON)
    assert trained(joined) == [[0, 1, 2, 3, 4], [2, 3, 4, 5]]
    assert validated(joined) == [[], []]


def test_series_begin_at_the_first_candle_of_all():
    joined = join([part(3, 0, first=1007), part(3, 0, first=1005)], HORIZON)
    assert trained(joined) == [[2, 3, 4], [0, 1, 2]]


def test_between_two_series_are_as_many_empty_rows_as_a_label_looks_ahead():
    joined = join([part(4, 0), part(3, 0)], HORIZON)
    assert len(joined.features) == 4 + HORIZON + 3
    seam = slice(4, 4 + HORIZON)
    assert np.isnan(joined.features[seam]).all()
    assert np.isnan(joined.targets[seam]).all()
    assert joined.candle_index[6] == SERIES


def random_part(seed: int, n_rows: int = 120, first: int = 0) -> PoolPart:
    X, y = naive.make_data(n_rows, seed=seed)
    mask = np.arange(n_rows) >= n_rows - 30
    index = np.arange(n_rows)
    candles = TrainingCandles(X, y[:, None].astype(float), np.ones(n_rows), mask, index)
    return PoolPart(candles, first)


ESTIMATORS: dict[str, CandleRegressor] = {
    "network": naive.quick(validation_gap=GAP, calibration="evidence"),
    "ensemble": ensemble(),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_pool_of_one_pair_learns_what_the_pair_learns_alone(name):
    own = random_part(0)
    # a pool leaves out the labels that are known after the cut; a fit leaves out the same ones
    alone = FitTask(ESTIMATORS[name], own.candles).fit()
    pooled = FitTask(ESTIMATORS[name], join([own], GAP)).fit()
    X = own.candles.features
    np.testing.assert_array_equal(pooled.predict(X), alone.predict(X))
    again = pooled.adapted(own.candles, alone.valid_rows_)
    np.testing.assert_array_equal(again.predict(X), alone.predict(X))
    np.testing.assert_array_equal(again.valid_rows_, alone.valid_rows_)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_no_window_reaches_into_another_series(name):
    first, second = random_part(0), random_part(1)
    fitted = FitTask(ESTIMATORS[name], join([first, second], GAP)).fit()
    joined = join([first, second], GAP)
    found = fitted.predict(joined.features, candle_index=joined.candle_index)
    alone = fitted.predict(second.candles.features)
    # the last digits of a window hang on how many are predicted with it
    np.testing.assert_allclose(found[-120:], alone, rtol=1e-4, atol=1e-7)


def with_targets(part: PoolPart, targets: np.ndarray) -> PoolPart:
    return part._replace(candles=replace(part.candles, targets=targets))


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_no_training_label_of_any_pair_is_known_after_the_cut(changed):
    parts = [random_part(0), random_part(1, n_rows=60, first=60), random_part(2)]
    before = join(parts, GAP)
    targets = parts[changed].candles.targets.copy()
    targets[parts[changed].times >= 90 - GAP] += 1000  # whose labels are known at 90 or later
    parts[changed] = with_targets(parts[changed], targets)
    after = join(parts, GAP)
    trains = ~after.validation_mask
    np.testing.assert_array_equal(after.targets[trains], before.targets[trains])
    assert not np.array_equal(after.targets, before.targets, equal_nan=True)


def test_judges_of_several_series_begin_at_one_moment():
    joined = join([part(40, 10), part(12, 2, first=28), part(32, 0)], HORIZON)
    split = split_with_judges(
        ~np.isnan(joined.targets[:, 0]), 0.1, HORIZON, joined.validation_mask, joined.candle_index
    )
    judging = np.isin(np.arange(len(joined.targets)), split.judging)
    # 10, 10 and 2 targets from 30 on; the second half of the 22 begins with the 12th, which is 34
    assert numbers_of(joined, judging) == [list(range(34, 40)), list(range(34, 40)), []]
    stopping = numbers_of(joined, split.stopping)
    assert stopping == [[30, 31], [30, 31], [30, 31]]  # 32 is known at 34


def test_a_series_without_judges_keeps_the_gap_to_those_of_others():
    joined = join([part(40, 10), part(33, 0)], HORIZON)
    split = split_with_judges(
        ~np.isnan(joined.targets[:, 0]), 0.1, HORIZON, joined.validation_mask, joined.candle_index
    )
    judging = np.isin(np.arange(len(joined.targets)), split.judging)
    # 10 and 3 targets from 30 on; the second half of the 13 begins with the 8th, which is 34
    assert numbers_of(joined, judging) == [list(range(34, 40)), []]
    # the label of 32, the last one, is known at 34
    assert numbers_of(joined, split.stopping) == [[30, 31], [30, 31]]


def test_sizes_are_those_of_the_pair_whose_targets_they_are_asked_for():
    own, other = random_part(0), random_part(1)
    fitted = FitTask(ESTIMATORS["network"], join([own, other], GAP)).fit()
    X, rows = other.candles.features, np.arange(60, 120)
    noise = np.random.default_rng(0).normal(size=(120, 1))
    sized, small = (
        fitted.adapted(with_targets(other, size * noise).candles, rows) for size in (1, 0.1)
    )
    assert small.calibration_.scale[0] == pytest.approx(0.1 * sized.calibration_.scale[0])
    np.testing.assert_allclose(small.predict(X), 0.1 * sized.predict(X))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_too_few_targets_leave_the_sizes_of_the_pool(name):
    own, other = random_part(0), random_part(1)
    fitted = FitTask(ESTIMATORS[name], join([own, other], GAP)).fit()
    X = other.candles.features
    noise = with_targets(other, np.random.default_rng(0).normal(size=(120, 1))).candles
    few = fitted.adapted(noise, np.arange(90, 119))
    np.testing.assert_array_equal(few.predict(X), fitted.predict(X))
    assert len(few.valid_rows_) == 29
    enough = fitted.adapted(noise, np.arange(90, 120))
    assert not np.allclose(enough.predict(X)[-1], fitted.predict(X)[-1])


def test_what_is_kept_of_a_pair_does_not_grow_with_the_pool():
    own, other = random_part(0), random_part(1)
    fitted = FitTask(ESTIMATORS["network"], join([own, other], GAP)).fit()
    adapted = fitted.adapted(own.candles, np.arange(90, 120))
    assert [rows.tolist() for rows in adapted.split_] == [[], list(range(90, 120))]
    assert len(fitted.split_.train_rows) > 0


def test_inputs_are_chosen_by_name_and_0_where_there_is_none():
    features = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
    found = chosen_inputs(features, ["a", "b", "c"], ["c", None, "a"])
    np.testing.assert_array_equal(found, [[3, 0, 1], [6, 0, 4]])
