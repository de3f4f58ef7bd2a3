"""FreqAI's predictions with all that is recorded beside them.

FreqAI's files are enough, so it works for every FreqAI regressor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...columns import detail_column
from ...metrics import FloatArray, Outcomes
from ...store.stored_models import HISTORY, METADATA, StoredModel
from ..kinds import OTHER, RETURN, Kind
from ..reversal import LINES
from ..trading import Rule
from .candles import stored_candles
from .configuration import Configuration, candle_length, read_json
from .realised import (
    Prepare,
    labels_to_evaluate,
    lines_by_date,
    outcomes_by_date,
    realised_labels,
    return_in_words,
    rule_of,
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

    :ivar return_in_words: which return the label is; nothing for another label.
    :ivar candles: a row per predicted candle and pair: pair, trained, date, candle (number on the
        time axis), predicted, used (do_predict 1), origin (what scores take out of label and
        prediction: 0 for a return, else the mean of the training labels), open; the fields of
        ``metrics.Outcomes``, of which ``realised`` is NaN where the future is not known; what each
        line of ``reversal.LINES`` predicts of a return; and the columns of ``predict_in_detail`` by
        their names, such as that of a member.
    :ivar settings: the ``freqai`` section of the run.
    :ivar command: that repeats the run; empty if not known.
    :ivar result: freqtrade's summary of the trades; empty if not known.
    :ivar fee: of one side, as configured; None where the exchange decides.
    :ivar rule: by what the strategy trades.
    """

    identifier: str
    folder: Path
    model: str
    label: str
    return_in_words: str
    timeframe: str
    label_period_candles: int
    candles: pd.DataFrame
    slices: tuple[TrainedSlice, ...]
    settings: Mapping[str, Any]
    command: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    fee: float | None = None
    rule: Rule = field(default_factory=Rule)

    @property
    def kind(self) -> Kind:
        """Return the scores of the label."""
        return RETURN if self.return_in_words else OTHER

    @property
    def target(self) -> str:
        """Return the label in words."""
        return self.return_in_words or f"the label {self.label}"

    @property
    def evaluated(self) -> pd.DataFrame:
        """Return the candles that have a prediction and a known future."""
        return self.candles[self.candles["used"] & self.candles["realised"].notna()]


def outcomes_of(candles: pd.DataFrame) -> Outcomes:
    """Return what became of the predictions of some candles.

    :param candles: as in ``StoredRun.candles``, with a known future.
    """
    found = Outcomes(*(candles[name].to_numpy(np.float64) for name in Outcomes._fields))
    return found._replace(realised=found.realised - candles["origin"].to_numpy())


def predictions_of(candles: pd.DataFrame, column: str = "predicted") -> FloatArray:
    """Return predictions to be scored against ``outcomes_of`` the same candles."""
    return np.asarray(candles[column] - candles["origin"], dtype=np.float64)


def read_runs(
    configuration: Configuration,
    identifier: str,
    prepare: Prepare,
    labels: Sequence[str] = (),
    timerange: tuple[pd.Timestamp | None, pd.Timestamp | None] = (None, None),
    results: Path | None = None,
) -> list[StoredRun]:
    """Read the predictions of an identifier, one run per label.

    :param identifier: of FreqAI; may go on with ``/settings-…``, else the latest settings count.
    :param prepare: called with the settings and the strategy that the backtest had.
    :param labels: to evaluate; empty takes all of them.
    :param timerange: first candle, and the first one too late; None for no limit.
    :param results: folder of backtest results; None takes that of the user folder.
    :raises FileNotFoundError: if there are no predictions.
    :raises ValueError: if they cannot be evaluated.
    """
    folder = predictions_folder(configuration.user_data / "models", identifier)
    settings, timeframe, pairs = _recorded_settings(folder, configuration)
    candle = candle_length(timeframe)
    stored, warnings = read_predictions(folder, pairs, timerange, candle)
    names = labels_to_evaluate(_labels_of(stored), labels)
    results = results or configuration.user_data / "backtest_results"
    result = last_backtest(results, identifier.split("/settings-")[0])
    candles = _candles_of(stored, configuration, timeframe)
    closes = {pair: frame.set_index("date")["close"] for pair, frame in candles.items()}
    strategy = {"strategy": result.strategy} if result.strategy else {}
    prepared = prepare({"freqai": settings, "timeframe": timeframe, **strategy})
    realised = realised_labels(prepared, candles, names)
    horizon = int(settings["feature_parameters"]["label_period_candles"])
    runs = []
    for label in names:
        happened = {pair: found[label] for pair, found in realised.items()}
        run = StoredRun(
            identifier=identifier,
            folder=folder,
            model=_model_name(folder, result),
            label=label,
            return_in_words=return_in_words(closes, happened, horizon),
            timeframe=timeframe,
            label_period_candles=horizon,
            candles=_predicted(stored, label, candle),
            slices=_read_slices(folder, stored),
            settings=settings,
            command=result.command,
            result=result.summary,
            warnings=(*warnings, *_mismatches(stored, label, happened, settings)),
            fee=configuration.content.get("fee"),
            rule=rule_of(prepared),
        )
        runs.append(replace(run, candles=_with_realised(run, candles, happened)))
    return runs


def _labels_of(stored: pd.DataFrame) -> list[str]:
    # FreqAI stores a mean beside each label, and beside nothing else
    return [str(name) for name in stored if f"{name}_mean" in stored]


def _candles_of(
    stored: pd.DataFrame, configuration: Configuration, timeframe: str
) -> dict[str, pd.DataFrame]:
    return {
        pair: stored_candles(configuration.datadir, pair, timeframe, configuration.trading_mode)
        for pair in stored["pair"].unique()
    }


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


def _predicted(stored: pd.DataFrame, label: str, candle: pd.Timedelta) -> pd.DataFrame:
    """Return what was predicted of a label, with the columns that stand beside it."""
    rows = pd.DataFrame(
        {
            "pair": stored["pair"],
            "trained": stored["trained"],
            "date": stored["date"],
            "candle": ((stored["date"] - stored["date"].min()) // candle).astype(np.int64),
            "predicted": stored[label].astype(np.float64),
            "used": (stored["do_predict"] == 1) & np.isfinite(stored[label]),
            "origin": stored[f"{label}_mean"].astype(np.float64),
        }
    )
    own, *prefixes = (detail_column(name, "") for name in (label, *_labels_of(stored)))
    # return_4_low is beside &-return_4, though &-return has the prefix return_ too
    others = tuple(prefix for prefix in prefixes if len(prefix) > len(own))
    # FreqAI's own &-return_mean begins with &, so it is none of these
    details = [
        name for name in map(str, stored) if name.startswith(own) and not name.startswith(others)
    ]
    return rows.join(stored[details].rename(columns=lambda name: name[len(own) :]))


def _with_realised(
    run: StoredRun,
    candles: Mapping[str, pd.DataFrame],
    realised: Mapping[str, pd.Series],
) -> pd.DataFrame:
    """Return the candles of a run with what became of its predictions, their origin and open."""
    horizon = run.label_period_candles
    train_period = pd.Timedelta(days=float(run.settings["train_period_days"]))
    known = []
    for pair, part in run.candles.groupby("pair"):
        prices, labels = candles[str(pair)].set_index("date"), realised[str(pair)]
        close = prices["close"]
        outcomes = outcomes_by_date(close, labels, horizon).join(prices["open"])
        for end, dates in part.groupby("trained")["date"]:
            trained = pd.Timestamp(str(end))
            lines = lines_by_date(close, labels, horizon, (trained - train_period, trained))
            found = outcomes.join(lines).reindex(dates)
            known.append(found.set_axis(dates.index))
    rows = run.candles.join(pd.concat(known))
    if run.kind == RETURN:
        return rows.assign(origin=0.0)
    # moves, their volatility and their reversal are of returns
    return rows.assign(**dict.fromkeys(("volatility", "next_move", *LINES), np.nan))


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
        f"{label} as the strategy computes it now spreads {worst:.2f} times as far as the labels "
        "that FreqAI was trained on, so no number here is right. Undo the change of the strategy, "
        "or run the backtest again."
    ]
