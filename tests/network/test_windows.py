"""Which rows form which window: tables by hand, then naive loops over random cases."""

import re

import numpy as np
import pytest
import torch
from tests.naive import naive_complete

from freqai_rnn.network.windows import (
    Split,
    complete_windows,
    gather_chunks,
    gather_windows,
    split_into_chunks,
    split_targets,
)


def flags(marks: str) -> np.ndarray:
    """Booleans of a drawing: '.' is False, anything else True; spaces only help the eye."""
    return np.array([mark != "." for mark in marks.replace(" ", "")])


@pytest.mark.parametrize(
    ("usable", "sequence_length", "candle_index", "expected"),
    [
        pytest.param("xxxxxx", 3, None, "..xxxx", id="no_gap"),
        pytest.param("xxxxxx", 3, [4, 5, 6, 7, 8, 9], "..xxxx", id="index_without_a_jump"),
        pytest.param("xxx.xxx", 3, None, "..x...x", id="missing_feature"),
        pytest.param(".xxx", 3, None, "...x", id="missing_feature_in_the_first_row"),
        pytest.param("xxx.", 3, None, "..x.", id="missing_feature_in_the_last_row"),
        pytest.param("xx..xx", 2, None, ".x...x", id="two_missing_features"),
        pytest.param("xxxxxx", 3, [0, 1, 2, 9, 10, 11], "..x..x", id="jump"),
        pytest.param("xxxxxx", 3, [0, 1, 2, 4, 5, 6], "..x..x", id="one_candle_missing"),
        pytest.param("xxxxxx", 2, [0, 2, 3, 4, 8, 9], "..xx.x", id="two_jumps"),
        pytest.param("xxxx", 2, [0, 1, 2, 9], ".xx.", id="jump_before_the_last_row"),
        pytest.param("xxxx", 2, [0, 5, 6, 7], "..xx", id="jump_after_the_first_row"),
        pytest.param("xxx.xxxx", 2, [0, 1, 2, 3, 4, 7, 8, 9], ".xx...xx", id="both"),
        pytest.param("x.xx", 2, [0, 1, 5, 6], "...x", id="jump_right_after_a_missing_feature"),
        pytest.param("xxxx", 2, [-3, -2, 0, 1], ".x.x", id="negative_index"),
        pytest.param("x.xx", 1, None, "x.xx", id="windows_of_one_row"),
        pytest.param("x.xx", 1, [0, 1, 7, 9], "x.xx", id="windows_of_one_row_bridge_nothing"),
        pytest.param("xxx", 4, None, "...", id="more_than_all_rows"),
        pytest.param("xxx", 3, None, "..x", id="all_rows"),
        pytest.param("", 2, None, "", id="no_rows"),
        pytest.param("....", 1, None, "....", id="nothing_usable"),
    ],
)
def test_a_window_holds_no_missing_feature_and_no_missing_candle(
    usable, sequence_length, candle_index, expected
):
    index = None if candle_index is None else np.array(candle_index)
    result = complete_windows(flags(usable).astype(bool), sequence_length, index)
    assert result.dtype == bool
    assert result.tolist() == flags(expected).tolist()


@pytest.mark.parametrize("sequence_length", [1, 2, 3, 7])
def test_complete_windows_equal_a_naive_search(sequence_length):
    random = np.random.default_rng(sequence_length)
    for _ in range(100):
        n_rows = int(random.integers(1, 40))
        usable = random.random(n_rows) > 0.1
        index = np.cumsum(1 + (random.random(n_rows) < 0.1) * random.integers(1, 4, n_rows))
        expected = naive_complete(usable, sequence_length, index)
        assert complete_windows(usable, sequence_length, index).tolist() == expected
        expected = naive_complete(usable, sequence_length, np.arange(n_rows))
        assert complete_windows(usable, sequence_length).tolist() == expected


@pytest.mark.parametrize(
    ("candle_index", "message"),
    [
        pytest.param([0, 1], "must have one entry per row, (3,), got (2,)", id="too_short"),
        pytest.param([0, 1, 2, 3], "must have one entry per row, (3,), got (4,)", id="too_long"),
        pytest.param(
            [[0], [1], [2]], "must have one entry per row, (3,), got (3, 1)", id="two_dimensions"
        ),
        pytest.param(
            [0, 1, 1], "must increase from row to row, got 1 then 1 at row 2", id="repeated"
        ),
        pytest.param(
            [0, 5, 4], "must increase from row to row, got 5 then 4 at row 2", id="falling"
        ),
        pytest.param(
            [5, 4, 6], "must increase from row to row, got 5 then 4 at row 1", id="unsorted"
        ),
    ],
)
def test_a_candle_index_that_cannot_be_is_refused(candle_index, message):
    with pytest.raises(ValueError, match=f"^candle_index {re.escape(message)}"):
        complete_windows(np.ones(3, dtype=bool), 2, np.array(candle_index))


@pytest.mark.parametrize(
    ("is_target", "fraction", "gap", "mask", "train", "valid"),
    [
        pytest.param("xxxxxxxxxx", 0.3, 0, None, "xxxxxxx...", ".......xxx", id="last_fraction"),
        pytest.param("xxxxxxxxxx", 0.3, 2, None, "xxxxx.....", ".......xxx", id="gap"),
        pytest.param("xxxxxxxxxx", 0.0, 3, None, "xxxxxxxxxx", "..........", id="fraction_0"),
        pytest.param("xxxxxxxxxx", 0.04, 3, None, "xxxxxxxxxx", "..........", id="rounds_to_none"),
        pytest.param("xxxxxxxxxx", 0.26, 0, None, "xxxxxxx...", ".......xxx", id="rounds_up"),
        pytest.param("..xx.xxxxx", 0.25, 0, None, "..xx.xxx..", "........xx", id="of_the_targets"),
        pytest.param("xxxxx...xx", 0.4, 1, None, "xxx.......", "....x...xx", id="gap_is_in_rows"),
        pytest.param("xxxxx....xx", 0.25, 3, None, "xxxxx......", ".........xx", id="gap_of_holes"),
        pytest.param("xxxxx....xx", 0.25, 5, None, "xxxx.......", ".........xx", id="gap_beyond"),
        pytest.param("xxxxxxxxx", 0.9, 0, "...xxx...", "xxx...xxx", "...xxx...", id="mask"),
        pytest.param("xxxxxxxxx", 0, 1, "...xxx...", "xx.....xx", "...xxx...", id="mask_and_gap"),
        pytest.param("xxxxxxxxx", 0, 2, "....x....", "xx.....xx", "....x....", id="both_sides"),
        pytest.param("xxxxxxxxx", 0, 9, "....x....", ".........", "....x....", id="gap_over_all"),
        pytest.param("xxxxxxxxx", 0, 1, "x.......x", "..xxxxx..", "x.......x", id="at_the_ends"),
        pytest.param("xxxxxxxxx", 0, 1, ".x.....x.", "...xxx...", ".x.....x.", id="two_masks"),
        pytest.param("xx.x.xxxx", 0, 0, "..xxx....", "xx...xxxx", "...x.....", id="no_target"),
        pytest.param("xx..xxxxx", 0, 1, "..xx.....", "xx..xxxxx", ".........", id="mask_of_none"),
        pytest.param("xxx", 0.5, 0, "...", "xxx", "...", id="an_empty_mask_is_no_fraction"),
        pytest.param("...", 0.5, 1, None, "...", "...", id="no_targets"),
    ],
)
def test_targets_split_in_time_with_a_gap(is_target, fraction, gap, mask, train, valid):
    split = split_targets(flags(is_target), fraction, gap, None if mask is None else flags(mask))
    assert isinstance(split, Split)
    assert split.train_rows.tolist() == np.flatnonzero(flags(train)).tolist()
    assert split.valid_rows.tolist() == np.flatnonzero(flags(valid)).tolist()


@pytest.mark.parametrize("gap", [0, 1, 4])
def test_no_training_target_is_within_the_gap_of_a_validation_target(gap):
    random = np.random.default_rng(gap)
    for _ in range(100):
        is_target, mask = random.random((2, int(random.integers(1, 50)))) < [[0.8], [0.1]]
        train, valid = split_targets(is_target, 0.5, gap, mask)
        expected_valid = [t for t in range(len(mask)) if is_target[t] and mask[t]]
        assert valid.tolist() == expected_valid
        assert train.tolist() == [
            t
            for t in range(len(mask))
            if is_target[t] and all(abs(t - other) > gap for other in expected_valid)
        ]


@pytest.mark.parametrize("sequence_length", [1, 2, 5])
def test_a_window_is_the_rows_up_to_and_including_its_last(sequence_length):
    features = torch.arange(24.0).reshape(8, 3)
    rows = torch.tensor([7, 4, 4, 5])  # in any order, also twice
    windows = gather_windows(features, rows, sequence_length)
    assert windows.shape == (4, sequence_length, 3)
    for window, row in zip(windows, rows.tolist(), strict=True):
        expected = [features[t].tolist() for t in range(row - sequence_length + 1, row + 1)]
        assert window.tolist() == expected


def test_no_rows_give_no_windows():
    windows = gather_windows(torch.ones(4, 2), torch.tensor([], dtype=torch.int64), 3)
    assert windows.shape == (0, 3, 2)


@pytest.mark.parametrize(
    ("rows", "offset", "expected"),
    [
        pytest.param([3, 4, 5, 6, 7, 8], 0, [[3, 4, 5], [6, 7, 8]], id="whole_chunks"),
        pytest.param([3, 4, 5, 6, 7, 8], 1, [[3, 4], [5, 6, 7], [8]], id="offset"),
        pytest.param([3, 4, 5, 6, 7, 8], 2, [[3], [4, 5, 6], [7, 8]], id="another_offset"),
        pytest.param([2, 5, 6, 8, 20], 0, [[2], [5], [6, 8], [20]], id="rows_without_a_target"),
        pytest.param([7], 2, [[7]], id="one_target"),
    ],
)
def test_chunks_hold_targets_that_are_close_together(rows, offset, expected):
    positions = split_into_chunks(torch.tensor(rows), 3, offset)
    assert [[rows[i] for i in chunk.tolist()] for chunk in positions] == expected


@pytest.mark.parametrize("sequence_length", [1, 2, 5])
def test_a_target_in_a_chunk_sees_its_own_window_and_what_directly_precedes_it(sequence_length):
    random = np.random.default_rng(sequence_length)
    usable = random.random(200) > 0.03
    index = np.cumsum(1 + (random.random(200) < 0.03))
    complete = complete_windows(usable, sequence_length, index)
    rows = torch.from_numpy(np.flatnonzero(complete & (random.random(200) > 0.2)))
    features = torch.arange(200.0)[:, None].clone()
    features[~torch.from_numpy(usable)] = torch.nan
    seen = set()
    for offset in range(sequence_length):
        groups = [rows[chunk] for chunk in split_into_chunks(rows, sequence_length, offset)]
        assert torch.equal(torch.cat(groups), rows)
        chunks = gather_chunks(features, groups, sequence_length)
        assert chunks.features.shape == (len(groups), 2 * sequence_length - 1, 1)
        for row, chunk, step in zip(rows.tolist(), *(i.tolist() for i in chunks[1:]), strict=True):
            read = chunks.features[chunk, : step + 1, 0].tolist()
            assert read == list(range(row - step, row + 1))
            assert usable[row - step : row + 1].all()
            assert (np.diff(index[row - step : row + 1]) == 1).all()
            assert sequence_length - 1 <= step <= 2 * sequence_length - 2
            seen.add(step)
        assert not chunks.features.isnan().any()
    assert seen == set(range(sequence_length - 1, 2 * sequence_length - 1))
