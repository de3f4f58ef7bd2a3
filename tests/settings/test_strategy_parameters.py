"""Which value of a strategy's network parameter counts, and which parameters are refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import HyperoptState
from freqtrade.optimize.hyperopt_tools import HyperoptStateContainer
from freqtrade.strategy import CategoricalParameter, DecimalParameter, IStrategy, RealParameter

from freqai_rnn import EnsembleRegressor, RecurrentRegressor
from freqai_rnn.settings.strategy_parameters import network_candidates, network_values

IN_FILE = {"sequence_length": 4, "hidden_size": 8}


def lengths(**options: Any) -> CategoricalParameter:
    return CategoricalParameter([6, 4], default=6, space="network", **options)


def sizes(**options: Any) -> CategoricalParameter:
    return CategoricalParameter([8, 4], default=8, space="network", **options)


def strategy(
    folder: Path, found: dict[str, Any] | None = None, searching: bool = False, **attributes: Any
) -> IStrategy:
    """A strategy with these class attributes, as freqtrade loads it.

    :param found: by hyperopt, in the file beside the strategy.
    """
    file = folder / "MyStrategy.py"
    if found is not None:
        content = {"strategy_name": "MyStrategy", "params": {"network": found}}
        file.with_suffix(".json").write_text(json.dumps(content))
    methods = dict.fromkeys(IStrategy.__abstractmethods__, lambda _self, frame, _pair: frame)
    own = {"timeframe": "1h", "stoploss": -0.1, "minimal_roi": {}, "__file__": str(file)}
    made = type("MyStrategy", (IStrategy,), methods | own | attributes)
    loaded: IStrategy = made({"runmode": "other", "spaces": ["network"]})
    loaded.ft_load_hyper_params(searching)
    return loaded


@pytest.fixture
def _preparing() -> Iterator[None]:
    """As hyperopt is while it computes the candles: in an epoch no parameter has a range."""
    before = HyperoptStateContainer.state
    HyperoptStateContainer.set_state(HyperoptState.DATALOAD)
    yield
    HyperoptStateContainer.set_state(before)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture):
    """The level and the words of the one line about network parameters."""
    caplog.set_level(logging.INFO)

    def read() -> tuple[str, str]:
        (line,) = [r for r in caplog.records if "Network parameters of the str" in r.getMessage()]
        return line.levelname, line.getMessage()

    return read


def test_the_configuration_wins_over_the_strategys_default(tmp_path, told):
    one = strategy(tmp_path, sequence_length=lengths(), hidden_size=sizes())
    values = network_values(one, {"sequence_length": 3})
    assert values == {"hidden_size": [8], "sequence_length": [3]}
    level, words = told()
    assert level == "INFO"
    assert "hidden_size = 8 (the strategy's default)" in words
    assert "sequence_length = 3 (model_training_parameters)" in words


def test_the_strategys_default_wins_over_the_models(tmp_path):
    loss = CategoricalParameter(["huber", "mse"], default="huber", space="network")
    values = network_values(strategy(tmp_path, loss=loss), {})
    (estimator,) = network_candidates(RecurrentRegressor(loss="mse"), values, {}).values()
    assert estimator.get_params()["loss"] == "huber"


def test_what_hyperopt_found_wins_over_the_configuration_and_its_file_is_named(tmp_path, told):
    one = strategy(tmp_path, IN_FILE, sequence_length=lengths(), hidden_size=sizes())
    values = network_values(one, {"sequence_length": 6, "hidden_size": 8})
    assert values == {"hidden_size": [8], "sequence_length": [4]}
    level, words = told()
    file = tmp_path / "MyStrategy.json"
    assert level == "WARNING"
    assert f"sequence_length = 4 ({file}; not the 6 of model_training_parameters)" in words
    assert f"hidden_size = 8 ({file})" in words


def test_what_was_copied_from_hyperopts_output_wins_over_the_configuration(tmp_path, told):
    one = strategy(tmp_path, hidden_size=sizes(), network_params={"hidden_size": 4})
    assert network_values(one, {"hidden_size": 8}) == {"hidden_size": [4]}
    assert "hidden_size = 4 (network_params in the strategy; not the 8 of model" in told()[1]


def test_a_parameter_that_loads_nothing_leaves_the_configuration_its_say(tmp_path, told):
    one = strategy(tmp_path, IN_FILE, sequence_length=lengths(load=False))
    assert network_values(one, {"sequence_length": 3}) == {"sequence_length": [3]}
    assert "sequence_length = 3 (model_training_parameters)" in told()[1]


@pytest.mark.usefixtures("_preparing")
def test_a_search_takes_all_values_of_what_is_searched(tmp_path, told):
    parameters = {"sequence_length": lengths(), "hidden_size": sizes(optimize=False)}
    one = strategy(tmp_path, searching=True, **parameters)
    values = network_values(one, {"sequence_length": 3, "hidden_size": 5})
    assert values == {"hidden_size": [5], "sequence_length": [6, 4]}
    assert "sequence_length = 6, 4 (searched)" in told()[1]
    assert one.hidden_size.value == 5  # by which the strategy names the columns it reads


def test_a_configured_value_that_a_parameter_would_round_is_refused(tmp_path):
    rounding = DecimalParameter(0, 0.5, default=0, decimals=1, space="network")
    one = strategy(tmp_path, dropout=rounding)
    words = "dropout is 0.25, of which the strategy's DecimalParameter makes 0.2"
    with pytest.raises(ValueError, match=words):
        network_values(one, {"dropout": 0.25})


def test_a_parameter_without_a_list_of_values_is_refused(tmp_path):
    one = strategy(tmp_path, hidden_size=RealParameter(2, 8, default=8, space="network"))
    with pytest.raises(ValueError, match="hidden_size is a RealParameter, which has no list of va"):
        network_values(one, {})


def test_every_combination_is_a_candidate_with_a_name():
    ranges = {"sequence_length": [6, 4], "hidden_size": [8, 4]}
    found = network_candidates(RecurrentRegressor(seed=7), ranges, {})
    assert list(found) == [
        f"hidden_size={size} sequence_length={length}" for length in (6, 4) for size in (8, 4)
    ]
    one = found["hidden_size=4 sequence_length=6"]
    assert (one.hidden_size, one.sequence_length, one.seed) == (4, 6, 7)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hiden_size", 8, r"hiden_size \(= 8\) is not a setting; did you mean hidden_size"),
        ("hidden_size", 1, "hidden_size must be a whole number"),
        (
            "validation_gap",
            4,
            "validation_gap is no network parameter: it follows freqai.feature_parameters.label_p",
        ),
        (
            "n_jobs",
            2,
            "n_jobs is no network parameter, as it changes no prediction: put it under freqai",
        ),
    ],
)
def test_what_is_no_parameter_of_a_network_is_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        network_candidates(RecurrentRegressor(), {name: [8, value]}, {})


def test_what_the_configuration_says_of_one_member_wins_over_the_strategys_value_for_all():
    found = network_candidates(
        EnsembleRegressor(), {"hidden_size": [8, 4]}, {"gru__hidden_size": 3, "dropout": 0.5}
    )
    for size, one in zip((8, 4), found.values(), strict=True):
        members = dict(one.members)
        assert (members["lstm"].hidden_size, members["gru"].hidden_size) == (size, 3)


def test_a_parameter_of_one_member_can_be_searched():
    found = network_candidates(EnsembleRegressor(), {"gru__hidden_size": [8, 4]}, {})
    assert list(found) == ["gru__hidden_size=8", "gru__hidden_size=4"]
    assert [one.get_params()["gru__hidden_size"] for one in found.values()] == [8, 4]
