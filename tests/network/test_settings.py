"""Every setting's default, range and error message."""

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
import torch

from freqai_rnn import Settings

DEFAULTS = {
    "cell_type": "lstm",
    "sequence_length": 24,
    "hidden_size": 128,
    "num_layers": 1,
    "dropout": 0.2,
    "initial_memory": 0.5,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "linear_path": True,
    "training_mode": "fast",
    "batch_size": None,
    "max_epochs": 100,
    "evaluations_per_epoch": 4,
    "early_stopping_patience": 8,
    "min_delta": 0.0,
    "gradient_clip_norm": 1.0,
    "loss": "mse",
    "n_checkpoints": 5,
    "validation_fraction": 0.15,
    "validation_gap": 0,
    "calibration": "evidence",
    "seed": 42,
    "device": "auto",
    "show_progress": True,
}

NAN, INFINITY = float("nan"), float("inf")
NO_NUMBERS = (None, "1", True, NAN, INFINITY)
NO_WHOLE_NUMBERS = (*NO_NUMBERS, 1.0, 2.5)

# name: (the rule in words, accepted values, refused values)
TABLE: dict[str, tuple[str, tuple[Any, ...], tuple[Any, ...]]] = {
    "cell_type": ("one of lstm, gru", ("lstm", "gru"), ("LSTM", "rnn", "", None, 1)),
    "sequence_length": (
        "a whole number of at least 1",
        (1, 2, 500),
        (0, -1, *NO_WHOLE_NUMBERS),
    ),
    "hidden_size": ("a whole number from 2 to 4,096", (2, 4096), (1, 4097, *NO_WHOLE_NUMBERS)),
    "num_layers": ("a whole number from 1 to 64", (1, 64), (0, 65, *NO_WHOLE_NUMBERS)),
    "dropout": (
        "a number of at least 0 and below 1",
        (0, 0.0, 0.999),
        (-0.001, 1, 1.0, *NO_NUMBERS),
    ),
    "initial_memory": ("a number above 0", (1e-6, 0.5, 24), (0, 0.0, -1.0, *NO_NUMBERS)),
    "learning_rate": ("a number above 0", (1e-12, 1, 10.0), (0, 0.0, -1e-3, *NO_NUMBERS)),
    "weight_decay": ("a number of at least 0", (0, 0.0, 3.5), (-1e-9, *NO_NUMBERS)),
    "linear_path": ("true or false", (True, False), (1, 0, None, "true")),
    "training_mode": ("one of exact, fast", ("exact", "fast"), ("Fast", "", None, True)),
    "batch_size": (
        "a whole number of at least 1, or None",
        (None, 1, 4096),
        (0, "1", True, NAN, INFINITY, 1.0, 2.5),
    ),
    "max_epochs": ("a whole number of at least 1", (1,), (0, *NO_WHOLE_NUMBERS)),
    "evaluations_per_epoch": ("a whole number of at least 1", (1, 9), (0, *NO_WHOLE_NUMBERS)),
    "early_stopping_patience": ("a whole number of at least 1", (1,), (0, *NO_WHOLE_NUMBERS)),
    "min_delta": ("a number of at least 0", (0, 0.5), (-1e-9, *NO_NUMBERS)),
    "gradient_clip_norm": (
        "a number above 0, or None",
        (None, 1e-9, 5),
        (0, -1.0, "None", True, NAN, INFINITY),
    ),
    "loss": ("one of mse, huber", ("mse", "huber"), ("mae", "MSE", None)),
    "n_checkpoints": ("a whole number of at least 1", (1, 5), (0, *NO_WHOLE_NUMBERS)),
    "validation_fraction": (
        "a number of at least 0 and below 1",
        (0, 0.0, 0.99),
        (-0.1, 1, *NO_NUMBERS),
    ),
    "validation_gap": ("a whole number of at least 0", (0, 24), (-1, *NO_WHOLE_NUMBERS)),
    "calibration": ("one of evidence, or None", ("evidence", None), ("slope", "", 0, True)),
    "seed": (
        f"a whole number from 0 to {2**64 - 1:,}",
        (0, 2**31, 2**64 - 1),
        (-1, 2**64, 2**70, *NO_WHOLE_NUMBERS),
    ),
    "device": ("one of auto, cpu, cuda, mps", ("auto", "cpu", "cuda", "mps"), ("gpu", "cuda:0", 0)),
    "show_progress": ("true or false", (True, False), (1, 0, None, "true")),
}


def rows_of(table: dict, column: int) -> list:
    return [
        pytest.param(name, value, id=f"{name}={value!r}")
        for name, row in table.items()
        for value in row[column]
    ]


def test_every_setting_is_in_the_table_and_has_the_documented_default():
    assert dataclasses.asdict(Settings()) == DEFAULTS
    assert list(TABLE) == list(DEFAULTS)


def test_every_setting_is_documented_in_the_order_it_is_declared():
    assert re.findall(r":param (\w+):", Settings.__doc__ or "") == list(DEFAULTS)


@pytest.mark.parametrize(("name", "value"), rows_of(TABLE, 1))
def test_a_value_on_the_edge_of_its_range_is_kept_as_given(name, value):
    assert getattr(Settings(**{name: value}), name) is value


@pytest.mark.parametrize(("name", "value"), rows_of(TABLE, 2))
def test_a_value_outside_its_range_is_refused_with_name_rule_and_value(name, value):
    message = f"{name} must be {TABLE[name][0]}, got {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("hidden_size", np.int64(4), 4),
        ("seed", np.uint64(2**64 - 1), 2**64 - 1),
        ("dropout", np.float32(0.25), 0.25),
        ("show_progress", np.False_, False),
        ("loss", np.str_("huber"), "huber"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_numpy_value_is_kept_as_pythons_own(name, value, kept):
    found = getattr(Settings(**{name: value}), name)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_size", np.int64(1)), ("hidden_size", np.float64(4)), ("num_layers", np.True_)],
)
def test_a_numpy_value_outside_its_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a whole number .* got {value.item()}"):
        Settings(**{name: value})


def test_torch_takes_the_largest_seed():
    with torch.random.fork_rng():
        torch.manual_seed(Settings(seed=2**64 - 1).seed)


def test_settings_cannot_be_changed():
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError, match="hidden_size"):
        settings.hidden_size = 4
    with pytest.raises(dataclasses.FrozenInstanceError, match="hidden_size"):
        del settings.hidden_size
    assert settings == Settings()


def test_settings_compare_and_hash_by_value():
    assert Settings(hidden_size=4) == Settings(hidden_size=4)
    assert hash(Settings(hidden_size=4)) == hash(Settings(hidden_size=4))
    assert Settings(hidden_size=4) != Settings(hidden_size=5)


def test_settings_take_names_only():
    with pytest.raises(TypeError, match="positional"):
        Settings("gru")
