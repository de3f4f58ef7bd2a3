"""Charts: what backtests have stored of a pair's candles, shown without training or predicting."""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from freqtrade.enums import RunMode
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy.interface import IStrategy

from ..dates import utc_dates
from ..host.exceptions import as_operational_exception
from ..store.changed_names import Names, require_names
from ..store.stored_models import StoredModel
from ..training.kind import TrainingKind

logger = logging.getLogger(__name__)

# plot-dataframe, and FreqUI's chart in webserver mode: both load startup_candle_count candles
# before the time range, and none to train on. FreqUI's backtests have RunMode.BACKTEST.
CHART_MODES = (RunMode.PLOT, RunMode.WEBSERVER)
NOT_PREDICTED = (
    "%s: no backtest with these settings has predicted %d of the chart's %d candles, so they show "
    "0. A chart trains nothing: run a backtest of this time range first."
)


def append_stored(
    candles: pd.DataFrame, dk: FreqaiDataKitchen, strategy: IStrategy, kind: TrainingKind
) -> None:
    """Append to a kitchen the stored predictions of its time range, and 0 where there are none.

    Each candle has its prediction by date, so the chart need not begin where the backtest began.

    :raises OperationalException: if they were made from other columns than the strategy gives.
    """
    nulls = utc_dates(_nulls(candles, dk, strategy))
    slices = [found[found["date"].isin(nulls["date"])] for found in _stored(dk, kind)]
    # the last one counts, and nulls come first
    rows = pd.concat([nulls, *(one for one in slices if len(one))], ignore_index=True)
    rows = rows.drop_duplicates("date", keep="last").sort_values("date", ignore_index=True)
    dk.append_predictions(rows)
    n_missing = len(nulls) - len({date for one in slices for date in one["date"]})
    if n_missing:
        logger.warning(NOT_PREDICTED, dk.pair, n_missing, len(nulls))


def _nulls(candles: pd.DataFrame, dk: FreqaiDataKitchen, strategy: IStrategy) -> pd.DataFrame:
    """Return what FreqAI appends where nothing is predicted, for the kitchen's time range."""
    frame = dk.use_strategy_to_populate_indicators(
        strategy, prediction_dataframe=candles, pair=dk.pair
    )
    frame = strategy.set_freqai_targets(frame, metadata={"pair": dk.pair})
    frame = dk.remove_special_chars_from_feature_names(frame)
    dk.find_features(frame)
    dk.find_labels(frame)
    first, last = dk.backtesting_timeranges[0], dk.backtesting_timeranges[-1]
    frame = frame[(frame["date"] >= first.startdt) & (frame["date"] < last.stopdt)]
    dk.data["labels_mean"] = dk.data["labels_std"] = dict.fromkeys(dk.label_list, 0.0)
    dk.DI_values = np.zeros(len(frame))
    labels = pd.DataFrame(0.0, index=range(len(frame)), columns=dk.label_list)
    nulls: pd.DataFrame = dk.get_predictions_to_append(labels, np.zeros(len(frame)), frame.copy())
    return nulls


def _stored(dk: FreqaiDataKitchen, kind: TrainingKind) -> Iterator[pd.DataFrame]:
    """Yield the stored slices of a pair, those that the chart prefers last.

    Slices of several backtests may overlap. Those of a backtest of the chart's time range come
    last, because FreqUI shows its trades beside them; among others, those trained last.
    """
    own = {int(period.stopts) for period in dk.training_timeranges}
    now = Names(dk.training_features_list, dk.label_list)
    coin = dk.pair.split("/")[0].lower()
    paths = {}
    for path in (kind.folder / dk.backtest_predictions_folder).glob(f"cb_{glob.escape(coin)}_*"):
        moment = path.name.removeprefix(f"cb_{coin}_").removesuffix("_prediction.feather")
        if moment.isdecimal():
            paths[int(moment)] = path
    for moment in sorted(paths, key=lambda one: (one in own, one)):
        found = _read(paths[moment], StoredModel.of(kind.folder, dk.pair, moment), dk.pair)
        if found is not None:
            predictions, names = found
            with as_operational_exception(dk.pair):
                require_names(names, now, kind.remedy)
            yield predictions


def _read(path: Path, stored: StoredModel, pair: str) -> tuple[pd.DataFrame, Names] | None:
    """Read a slice and the columns that it was predicted from; None if it is not to be shown."""
    try:
        metadata = stored.metadata()
        names = Names(metadata["training_features_list"], metadata["label_list"])
        predictions = utc_dates(pd.read_feather(path))
    except Exception as error:  # whatever a damaged file leads to
        logger.warning("%s is not shown (%s: %s).", path, type(error).__name__, error)
        return None
    # its name has the coin alone, which pairs may share
    return (predictions, names) if metadata.get("pair", pair) == pair else None
