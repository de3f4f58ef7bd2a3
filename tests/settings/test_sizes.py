"""``test_size`` and ``train_size``: what is left to train on is enough for a window, or refused."""

from typing import Any

import pytest

from freqai_rnn.settings.model_settings import require_fitting

HOUR = 3600


def require(sequence_length: int = 6, **split: Any) -> None:
    """30 days of hourly candles, and labels of 3 candles."""
    freqai = {
        "train_period_days": 30,
        "feature_parameters": {"label_period_candles": 3},
        "data_split_parameters": split,
    }
    require_fitting(freqai, sequence_length, HOUR)


@pytest.mark.parametrize(
    "split",
    [
        {},
        {"test_size": 0.3, "train_size": 0.7},
        {"test_size": 0.3, "train_size": 0.2},
        {"test_size": 20, "train_size": 700},
        {"test_size": 0.1, "train_size": 10},
        {"train_size": 700},
    ],
    ids=str,
)
def test_what_fits_is_taken(split):
    require(**split)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (
            {"test_size": 0.3, "train_size": 0.9},
            r"train_size=0.9 and test_size=0.3 are 648 and 216 of 720 candles: lower one",
        ),
        (
            {"test_size": 0.1, "train_size": 700},
            r"train_size=700 and test_size=0.1 are 700 and 72 of 720 candles",
        ),
        ({"train_size": 0.01}, r"7 of them to train on by test_size=0.99 and train_size=0.01"),
        (
            {"test_size": 0.15, "train_size": 6},
            r"720 candles .* 6 of them to train on by test_size=0.15 and train_size=6: .* at least "
            r"10\. Raise train_size",
        ),
        ({"test_size": 711}, r"9 of them to train on by test_size=711: .* Raise train_period_days"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_the_sizes(split, message):
    with pytest.raises(ValueError, match=message):
        require(**split)
