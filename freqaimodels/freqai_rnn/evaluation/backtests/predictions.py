"""FreqAI's predictions with all that is recorded beside them.

FreqAI's files are enough, so it works for every FreqAI regressor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...columns import detail_column
from ...metrics import Outcomes
from ...store.stored_models import HISTORY, METADATA, StoredModel
from .configuration import Configuration, candle_length, read_json
from .realised import (
    IN_WORDS,
    definitions_for,
    lines_by_date,
    outcomes_by_date,
    read_closes,
    realised_labels,
    training_mismatch,
)
from .results import BacktestResult, last_backtest, predictions_folder
from .stored import read_predictions

MISMATCH = 0.05
"""A horizon that is wrong by a candle in five changes the spread of a label by 10 %."""


@dataclass(frozen=True)
class TrainedSlice:
    """One trained model, which predicted one slice of the backtest.

    :ivar trained: end of its training period.
    :ivar history: what the training left, as in ``TrainedModel.history``; None for other models.
    :ivar prediction_seconds: from the saved model to the saved predictions; NaN if not known.
    """

    pair: str
    trained: pd.Timestamp
    history: Mapping[str, Any] | None
    features: tuple[str, ...]
    prediction_seconds: float

    @property
    def train_seconds(self) -> float:
        """Return the seconds of the training; NaN without a history."""
        history = self.history or {}
        if "train_seconds" in history:
            return float(history["train_seconds"])
        # Older files know the epochs only, without what is done before and after them.
        evaluations = history.get("evaluations", [])
        return sum(record["seconds"] for record in evaluations) if evaluations else float("nan")


@dataclass(frozen=True)
class StoredRun:
    """The predictions of one label by the models of one identifier.

    :ivar candles: a row per predicted candle and pair: pair, trained, date, candle (number on the
        time axis), predicted, realised (NaN where the future is not known), used (do_predict 1);
        the fields of ``metrics.Outcomes``; what each line of ``reversal.LINES`` predicts; and the
        columns of ``predict_in_detail`` by their names, such as that of a member.
    :ivar settings: the ``freqai`` section of the run.
    :ivar command: that repeats the run; empty if not known.
    :ivar result: freqtrade's summary of the trades; empty if not known.
    """

    identifier: str
    folder: Path
    model: str
    label: str
    definition: str
    timeframe: str
    label_period_candles: int
    candles: pd.DataFrame
    slices: tuple[TrainedSlice, ...]
    settings: Mapping[str, Any]
    command: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """Return the label in words."""
        return IN_WORDS[self.definition].format(self.label_period_candles)

    @property
    def evaluated(self) -> pd.DataFrame:
        """Return the candles that have a prediction and a known future."""
        return self.candles[self.candles["used"] & self.candles["realised"].notna()]


def outcomes_of(candles: pd.DataFrame) -> Outcomes:
    """Return what became of the predictions of some candles.

    :param candles: as in ``StoredRun.candles``, with a known future.
    """
    return Outcomes(*(candles[name].to_numpy(np.float64) for name in Outcomes._fields))


def read_runs(
    configuration: Configuration,
    identifier: str,
    labels: Mapping[str, str],
    timerange: tuple[pd.Timestamp | None, pd.Timestamp | None] = (None, None),
    results: Path | None = None,
) -> list[StoredRun]:
    """Read the predictions of an identifier, one run per label.

    :param identifier: of FreqAI; may go on with ``/settings-…``, else the latest settings count.
    :param labels: definition by label to evaluate; empty takes all of them.
    :param timerange: first candle, and the first one too late; None for no limit.
    :param results: folder of backtest results; None takes that of the user folder.
    :raises FileNotFoundError: if there are no predictions.
    :raises ValueError: if they cannot be evaluated.
    """
    folder = predictions_folder(configuration.user_data / "models", identifier)
    settings, timeframe, pairs = _recorded_settings(folder, configuration)
    candle = candle_length(timeframe)
    stored, warnings = read_predictions(folder, pairs, timerange, candle)
    # FreqAI stores a mean beside each label, and beside nothing else
    names = [name for name in stored.columns if f"{name}_mean" in stored.columns]
    results = results or configuration.user_data / "backtest_results"
    result = last_backtest(results, identifier.split("/settings-")[0])
    horizon = int(settings["feature_parameters"]["label_period_candles"])
    closes = {
        pair: read_closes(configuration.datadir, pair, timeframe, configuration.trading_mode)
        for pair in stored["pair"].unique()
    }
    slices = _read_slices(folder, stored)
    runs = []
    for label, definition in definitions_for(names, labels).items():
        realised = {pair: realised_labels(c, definition, horizon) for pair, c in closes.items()}
        runs.append(
            StoredRun(
                identifier=identifier,
                folder=folder,
                model=_model_name(folder, result),
                label=label,
                definition=definition,
                timeframe=timeframe,
                label_period_candles=horizon,
                candles=_with_realised(stored, label, closes, realised, settings, candle),
                slices=slices,
                settings=settings,
                command=result.command,
                result=result.summary,
                warnings=(*warnings, *_mismatches(stored, label, realised, settings)),
            )
        )
    return runs


def _recorded_settings(
    folder: Path, configuration: Configuration
) -> tuple[dict[str, Any], str, list[str]]:
    """Return FreqAI's section, timeframe and pairs of the run, from the records beside it."""
    record = next(
        (path for path in (folder / "run_params.json", folder.parent / "run_params.json")
         if path.is_file()),
        None,
    )  # fmt: skip
    if record is None:
        raise FileNotFoundError(f"{folder}/run_params.json is missing, which FreqAI writes.")
    params = read_json(record)
    settings, timeframe = params["freqai"], str(params["timeframe"])
    own = folder / "settings.json"
    if own.is_file():  # of these models, while run_params.json is of the last run
        shaping = read_json(own)
        timeframe = str(shaping["timeframe"])
        settings = {**settings, **{k: v for k, v in shaping.items() if k != "timeframe"}}
    return settings, timeframe, [*(params.get("pairs") or []), *configuration.pairs]


def _read_slices(folder: Path, stored: pd.DataFrame) -> tuple[TrainedSlice, ...]:
    trainings = stored[["pair", "trained"]].drop_duplicates().itertuples(index=False)
    return tuple(_read_slice(folder, pair, trained) for pair, trained in trainings)


def _read_slice(folder: Path, pair: str, trained: pd.Timestamp) -> TrainedSlice:
    model = StoredModel.of(folder, pair, trained.timestamp())  # FreqAI's own lie there too
    history, metadata = model.beside(HISTORY), model.beside(METADATA)
    predictions = folder / "backtesting_predictions" / f"{model.filename}_prediction.feather"
    saved = [path.stat().st_mtime for path in model.folder.glob(f"{model.filename}_*")]
    # FreqAI times predictions in its live loop only
    elapsed = predictions.stat().st_mtime - max(saved) if saved else float("nan")
    return TrainedSlice(
        pair=pair,
        trained=trained,
        history=json.loads(history.read_text()) if history.is_file() else None,
        features=tuple(read_json(metadata).get("training_features_list", []))
        if metadata.is_file()
        else (),
        prediction_seconds=elapsed,
    )


def _model_name(folder: Path, result: BacktestResult) -> str:
    if result.model:
        return result.model
    settings = folder / "settings.json"
    if settings.is_file():
        cell = read_json(settings).get("model_training_parameters", {}).get("cell_type", "")
        return f"{str(cell).upper()}Regressor" if cell else "FreqAI model"
    return "FreqAI model"


def _with_realised(
    stored: pd.DataFrame,
    label: str,
    closes: Mapping[str, pd.Series],
    realised: Mapping[str, pd.Series],
    settings: Mapping[str, Any],
    candle: pd.Timedelta,
) -> pd.DataFrame:
    # FreqAI's own &-return_mean begins with &, so it is none of these
    prefix = detail_column(label, "")
    details = stored.filter(regex=f"^{re.escape(prefix)}")
    rows = pd.DataFrame(
        {
            "pair": stored["pair"],
            "trained": stored["trained"],
            "date": stored["date"],
            "candle": ((stored["date"] - stored["date"].min()) // candle).astype(np.int64),
            "predicted": stored[label].astype(np.float64),
            "used": (stored["do_predict"] == 1) & np.isfinite(stored[label]),
        }
    ).join(details.rename(columns=lambda name: name[len(prefix) :]))
    horizon = int(settings["feature_parameters"]["label_period_candles"])
    train_period = pd.Timedelta(days=float(settings["train_period_days"]))
    known = []
    for pair, part in stored.groupby("pair"):
        close, labels = closes[str(pair)], realised[str(pair)]
        outcomes = outcomes_by_date(close, labels, horizon)
        for end, dates in part.groupby("trained")["date"]:
            trained = pd.Timestamp(str(end))
            lines = lines_by_date(close, labels, horizon, (trained - train_period, trained))
            found = outcomes.join(lines).reindex(dates)
            known.append(found.set_axis(dates.index))
    return rows.join(pd.concat(known))


def _mismatches(
    stored: pd.DataFrame,
    label: str,
    realised: Mapping[str, pd.Series],
    settings: Mapping[str, Any],
) -> list[str]:
    # scikit-learn's own where none is configured
    test_size = float(settings.get("data_split_parameters", {}).get("test_size", 0.25))
    worst = 1.0
    for _, part in stored.groupby(["pair", "trained"]):
        pair, trained = part["pair"].iloc[0], part["trained"].iloc[0]
        recorded = float(part[f"{label}_std"].iloc[0])
        days = float(settings["train_period_days"])
        ratio = training_mismatch(realised[pair], trained, days, test_size, recorded)
        if ratio is not None and abs(ratio - 1) > abs(worst - 1):
            worst = ratio
    if abs(worst - 1) <= MISMATCH:
        return []
    return [
        f"{label} as computed here spreads {worst:.2f} times as far as the labels FreqAI was "
        "trained on: the strategy seems to define it otherwise, and then no number here is right. "
        "Give its definition with --label."
    ]
