"""A whole `fit`, early stopping included, against 100 naive epochs."""

import statistics
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from tests.benchmarks.candles import SAMPLE, Market, candles_of, features_of
from tests.benchmarks.naive import N_EPOCHS, NUM_LAYERS, SEQUENCE_LENGTH, Training
from tests.benchmarks.series import LABELS, Array, Series, synthetic
from tests.benchmarks.timing import Row, timed

from freqai_rnn import RecurrentRegressor

N_TIMED_EPOCHS = 8  # the naive best came at epoch 1 to 5
SEEDS = range(5)
WORST_LOSS = 1.02
TARGETS = {"lstm exact": 4.0, "lstm fast": 12.0, "gru exact": 5.0, "gru fast": None}


def real(coin: str, n_rows: int = 10_000) -> Series:
    """The first candles of a sample coin, with their return."""
    which = Market(SAMPLE, "1h"), f"{coin}/USD"
    candles, frame = candles_of(*which), features_of(*which)
    rows = slice(200, 200 + n_rows)
    features, targets = (
        (values - values.mean(axis=0)) / values.std(axis=0)
        for values in (frame.to_numpy()[rows], LABELS["return"](candles).to_numpy()[rows])
    )
    return Series(features.astype(np.float32), targets.astype(np.float32))


def workloads() -> Iterator[tuple[str, str, int, Series]]:
    """Name, cell, seed and series of each comparison."""
    for seed in SEEDS:
        for kind in ("sum", "product"):
            yield f"{kind}, 80 features", "lstm", seed, synthetic(kind, 80, seed)
        if seed < 3:
            yield "sum, 80 features", "gru", seed, synthetic("sum", 80, seed)
    yield "sum, 300 features", "lstm", 0, synthetic("sum", 300, 0)
    yield "BTC returns, 84 features", "lstm", 0, real("BTC")


def rows() -> list[Row]:
    """Ratio of times and of validation losses, by cell, mode and series."""
    found: dict[tuple[str, str], Row] = {}
    losses: dict[tuple[str, str], list[float]] = defaultdict(list)
    for series_name, cell, seed, series in workloads():
        naive_wall, naive_cpu, naive_loss = naive(series, cell, seed)
        for mode in ("exact", "fast"):
            name = f"{cell} {mode}"
            wall, cpu, loss = ours(series, cell, mode, seed)
            row = found.setdefault(
                (name, series_name),
                Row("fit", f"{name} vs naive {N_EPOCHS} epochs, {series_name}", []),
            )
            row.target = TARGETS[name]
            row.values.append(naive_wall / wall)
            row.cpu_values.append(naive_cpu / cpu)
            losses[name, series_name].append(loss / naive_loss)
            print(f"fit: {row.what}, seed {seed}: {row.values[-1]:.1f} ×", flush=True)
    out = []
    for key, row in found.items():
        row.note = f"naive: {N_TIMED_EPOCHS} epochs × {N_EPOCHS / N_TIMED_EPOCHS:g}"
        loss = Row("fit", f"its validation loss / naive best, {row.what.split(', ', 1)[1]}", [])
        loss.what = f"{key[0]}: {loss.what}"
        loss.values, loss.target, loss.at_least, loss.unit = losses[key], WORST_LOSS, False, ""
        out += [row, loss]
    return out


def _split(series: Series) -> tuple[Array, Array, Array, Array]:
    """Training rows, and validation rows with their context."""
    first = len(series.targets) - round((len(series.targets) - SEQUENCE_LENGTH + 1) * 0.15)
    context = first - SEQUENCE_LENGTH + 1
    return (
        series.features[:first],
        series.targets[:first],
        series.features[context:],
        series.targets[context:],
    )


def naive(series: Series, cell: str, seed: int) -> tuple[float, float, float]:
    """Wall and CPU seconds of all epochs, extrapolated; the best validation loss of the timed."""
    features, targets, valid_features, valid_targets = _split(series)
    training = Training(features, targets, cell, seed)
    times, losses = [], []
    for _ in range(N_TIMED_EPOCHS):
        times.append(timed(training.epoch))
        losses.append(training.loss(valid_features, valid_targets))
    wall, cpu = (N_EPOCHS * statistics.median(each) for each in zip(*times, strict=True))
    return wall, cpu, min(losses)


def ours(series: Series, cell: str, mode: str, seed: int) -> tuple[float, float, float]:
    """Wall and CPU seconds of `fit` with as many layers as the naive one; its validation loss."""
    own = {"cell_type": cell, "training_mode": mode, "num_layers": NUM_LAYERS, "seed": seed}
    model = RecurrentRegressor(**own, device="cpu", show_progress=False)
    wall, cpu = timed(lambda: model.fit(*series))
    valid = model.split_.valid_rows
    errors = model.predict(series.features)[valid] - series.targets[valid]
    return wall, cpu, float(np.square(errors).mean())
