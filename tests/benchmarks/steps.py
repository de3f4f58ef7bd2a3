"""Single steps and predictions: against the other cell, a window per call, and the Transformer."""

import tempfile
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from datasieve.pipeline import Pipeline
from datasieve.transforms import SKLearnWrapper
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.resolvers.freqaimodel_resolver import FreqaiModelResolver
from sklearn.preprocessing import StandardScaler
from tests.benchmarks.naive import NUM_LAYERS, SEQUENCE_LENGTH, Network
from tests.benchmarks.naive import Training as NaiveTraining
from tests.benchmarks.series import ROOT, Series, synthetic
from tests.benchmarks.timing import Row, in_turn, ratios, timed
from torch import nn

from freqai_rnn import RecurrentRegressor, Settings
from freqai_rnn.network.recurrent_network import RecurrentNetwork

N_CANDLES = 1000


def rows() -> list[Row]:
    """All rows of this module."""
    return [*step_rows(), *predict_rows()]


def step_rows() -> list[Row]:
    """A training step of 32 windows: GRU against LSTM, and against torch's own GRU."""
    out = []
    for n_features in (80, 300):
        times = in_turn({name: _step(name, n_features) for name in ("lstm", "gru", "torch")}, 30)
        for other, target in (("lstm", 1.0), ("torch", None)):
            wall, cpu = ratios(times["gru"], times[other])
            name = {"lstm": "LSTM step", "torch": "step of torch's GRU"}[other]
            what = f"GRU step vs {name}, {n_features} features"
            out.append(Row("step", what, wall, cpu, target, at_least=False))
    return out


def _step(name: str, n_features: int) -> Callable[[], None]:
    torch.manual_seed(0)
    if name == "torch":
        network: nn.Module = Network(n_features, "gru")
    else:
        network = RecurrentNetwork(n_features, 1, Settings(cell_type=name, num_layers=NUM_LAYERS))
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    windows, targets = torch.randn(32, 24, n_features), torch.randn(32, 1)

    def five_steps() -> None:
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.mse_loss(network(windows), targets).backward()
            optimizer.step()

    return five_steps


def predict_rows() -> list[Row]:
    """Predictions of 1,000 candles; the target against the Transformer is that of one network."""
    out = []
    for n_features, target in ((80, 20.0), (300, 35.0)):
        size = f"{n_features} features"
        series = synthetic("sum", n_features, 0, N_CANDLES)
        transformer = Transformer(series)
        functions = {"transformer": transformer.predict}
        for cell in ("lstm", "gru"):
            functions[cell] = _predict(series, cell_type=cell, n_checkpoints=1)
            functions[f"{cell} one by one"] = _one_by_one(series, cell)
        functions["lstm, mean of 5"] = _predict(series, n_checkpoints=5)
        times = in_turn(functions, 7)
        for name, bound in (("lstm", target), ("gru", target), ("lstm, mean of 5", None)):
            wall, cpu = ratios(times["transformer"], times[name])
            out.append(
                Row("predict", f"{name} vs the Transformer's loop, {size}", wall, cpu, bound)
            )
        for cell in ("lstm", "gru"):
            wall, cpu = ratios(times[f"{cell} one by one"], times[cell])
            what = f"{cell} vs torch's {cell.upper()}, a window per call, {size}"
            out.append(Row("predict", what, wall, cpu))
        out.append(_epoch_row(transformer, series))
    return out


def _predict(series: Series, **settings: Any) -> Callable[[], object]:
    model = RecurrentRegressor(
        num_layers=NUM_LAYERS, max_epochs=2, device="cpu", show_progress=False, **settings
    )
    model.fit(*series)
    return lambda: model.predict(series.features)


def _one_by_one(series: Series, cell: str) -> Callable[[], object]:
    inputs = torch.from_numpy(series.features)
    network = Network(inputs.shape[1], cell).eval()

    def predict() -> None:
        with torch.inference_mode():
            for last in range(SEQUENCE_LENGTH, len(inputs) + 1):
                network(inputs[None, last - SEQUENCE_LENGTH : last])

    return predict


def _epoch_row(transformer: "Transformer", series: Series) -> Row:
    """For context: an epoch of the Transformer's trainer against one of the naive LSTM."""
    naive = NaiveTraining(*series, "lstm", 0)
    (wall, cpu), (naive_wall, naive_cpu) = timed(transformer.epoch), timed(naive.epoch)
    what = f"the Transformer's epoch vs a naive LSTM epoch, {series.features.shape[1]} features"
    return Row("step", what, [wall / naive_wall], [cpu / naive_cpu])


class NoLogger:
    """TensorBoard's, without the files."""

    def log_scalar(self, *_: object) -> None:
        pass


class Transformer:
    """freqtrade's PyTorchTransformerRegressor with its default network, outside a backtest."""

    def __init__(self, series: Series) -> None:
        names = [f"%-{number}" for number in range(series.features.shape[1])]
        self.frame = pd.DataFrame(series.features, columns=names)
        self.data = {
            "train_features": self.frame,
            "train_labels": pd.DataFrame({"&-return": series.targets}),
        }
        with tempfile.TemporaryDirectory() as user_data:
            config = transformer_config(user_data)
            self.model = FreqaiModelResolver.load_freqaimodel(config)
            self.kitchen = FreqaiDataKitchen(config, pair="BTC/USD")
        self.kitchen.training_features_list = names
        self.kitchen.label_list = ["&-return"]
        for name, part in (("feature", "train_features"), ("label", "train_labels")):
            pipeline = Pipeline([("scaler", SKLearnWrapper(StandardScaler()))])
            pipeline.fit_transform(self.data[part])
            setattr(self.kitchen, f"{name}_pipeline", pipeline)
        self.model.tb_logger = NoLogger()
        self.epoch()

    def epoch(self) -> None:
        """Train a new network for one epoch."""
        self.model.dd.model_dictionary.clear()
        self.model.model = self.model.fit(self.data, self.kitchen)

    def predict(self) -> None:
        """Predict every candle, as a backtest does."""
        self.model.predict(self.frame.copy(), self.kitchen)


def transformer_config(user_data: str) -> dict[str, Any]:
    arguments = {
        "config": [str(ROOT / f"config/{name}.json") for name in ("config", "offline")],
        "user_data_dir": user_data,
        "freqaimodel": "PyTorchTransformerRegressor",
        "strategy_path": str(ROOT / "strategies"),
    }
    config: dict[str, Any] = Configuration(arguments, RunMode.BACKTEST).get_config()
    config["freqai"]["conv_width"] = 24
    config["freqai"]["data_split_parameters"] = {"test_size": 0}
    config["freqai"]["model_training_parameters"] = {"trainer_kwargs": {"n_epochs": 1}}
    return config
