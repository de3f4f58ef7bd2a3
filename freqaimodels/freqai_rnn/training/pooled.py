"""PooledTrainer: one network for several pairs, fitted once per period on the candles of all.

Each pair keeps a model of its own: the common weights behind its own scaler, and intervals and
sizes of predictions that its own candles give.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import joblib
import numpy as np
import pandas as pd
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from ..estimators.base import CandleRegressor
from ..estimators.fit_task import FitTask
from ..estimators.pooled import PoolPart, chosen_inputs, cut_of, join, validated_from
from ..estimators.recurrent import RecurrentRegressor
from ..estimators.training_candles import TrainingCandles
from ..store.changed_names import listed
from ..store.network_file import NetworkFile
from ..store.stored_models import StoredModel, newest
from ..store.trained_model import Origin, TrainedModel, read_stored
from .feature_names import generic, specific
from .network_member import completed
from .period import FittedPeriod, TrainingPeriod
from .period_trainer import PeriodTrainer

logger = logging.getLogger(__name__)

POOLS_KEPT = 4
"""Joined candles in memory: FreqAI's loop and the one ahead of it ask for the same ones."""

FrameOf = Callable[[str, FreqaiDataKitchen], tuple[pd.DataFrame, FreqaiDataKitchen]]


class PooledNetwork(NamedTuple):
    """A fitted estimator, and what it has learned from."""

    estimator: CandleRegressor
    origin: Origin


class JoinedPool(NamedTuple):
    """The candles of a period, of all pairs that have some.

    :ivar inputs: names of the features, with ``{own}`` for the pair.
    :ivar first: open time of candle number 0.
    """

    candles: TrainingCandles
    inputs: list[str]
    pairs: list[str]
    first: pd.Timestamp
    until: pd.Timestamp


class PooledTrainer(PeriodTrainer):
    """The way from the periods of several pairs to one network, and to a model of each pair.

    :param trainer: of single pairs, whose ways to prepare and to fit are taken over.
    :param pairs: whose candles the network learns from; others may use it.
    :param frame_of: gives a pair's training frame and kitchen, for the period of another's.
    :param horizon: candles that a label looks ahead.
    :ivar pairs: the same, sorted.
    """

    def __init__(
        self, trainer: PeriodTrainer, pairs: Sequence[str], frame_of: FrameOf, horizon: int
    ) -> None:
        self.__dict__.update(trainer.__dict__)
        self.pairs = sorted(pairs)
        self._frame_of = frame_of
        self._horizon = horizon
        self._joined: dict[int, JoinedPool] = {}
        self._networks: dict[tuple[int, str], PooledNetwork | Exception] = {}

    def tasks(
        self, period: TrainingPeriod, estimators: Sequence[CandleRegressor], dk: FreqaiDataKitchen
    ) -> Iterator[FitTask]:
        """Yield the fits that are left, each network once for all pairs."""
        for estimator in estimators:
            part = estimator.pooled_part()
            if part is not estimator:
                yield self._rest_task(period, estimator, self._network(period, part, dk))
            elif _key(estimator, dk) not in self._networks:
                yield self._pool_task(estimator, self._pool(period, dk))

    def fitted(
        self,
        period: TrainingPeriod,
        estimator: CandleRegressor,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
        settings: Mapping[str, Any],
    ) -> FittedPeriod:
        """Take the network of the period, or fit it, and make it the pair's own.

        Its predictions are sized by the pair's candles, or it becomes a part of what is fitted on
        them.
        """
        part = estimator.pooled_part()
        before = None if previous is None else previous.estimator
        if part is estimator:
            network = self._network(
                period, part, dk, settings, lambda task: self._fit(task, dk, before)
            )
            own = in_terms_of(period, network.origin.inputs)
            return FittedPeriod(own, adapted(network, own), network.origin)
        network = self._network(period, part, dk, settings)
        task = self._rest_task(period, estimator, network)
        own = in_terms_of(period, network.origin.inputs)
        return FittedPeriod(own, self._fit(task, dk, before), network.origin)

    def _network(
        self,
        period: TrainingPeriod,
        part: CandleRegressor,
        dk: FreqaiDataKitchen,
        settings: Mapping[str, Any] | None = None,
        fit: Callable[[FitTask], CandleRegressor] = FitTask.fit,
    ) -> PooledNetwork:
        """Return the network of the period: from memory, from another pair's model, or fitted.

        :param part: of the estimator that learns from all pairs, unfitted.
        :param settings: that a stored model must have been made with; None for any.
        :param fit: here and now by default, as what is left to be fitted waits for it.
        """
        key = _key(part, dk)
        network = self._networks.get(key) or self._stored(dk, settings)
        if isinstance(network, Exception):  # it would fail again, once for each pair
            raise network
        if network is None:
            try:
                network = self.learned(period, part, dk, fit)
            except Exception as error:
                self._networks[key] = error
                raise
        self._networks[key] = network
        return network

    def learned(
        self,
        period: TrainingPeriod,
        part: CandleRegressor,
        dk: FreqaiDataKitchen,
        fit: Callable[[FitTask], CandleRegressor] = FitTask.fit,
    ) -> PooledNetwork:
        """Fit the network of a period on the candles of all pairs."""
        pool = self._pool(period, dk)
        fitted = fit(self._pool_task(part, pool))
        since = pool.first + validated_from(pool.candles, fitted.valid_rows_) * self._candle
        origin = Origin(pool.pairs, pool.inputs, pool.until, since)
        return PooledNetwork(fitted, origin)

    def network_file(
        self,
        period: TrainingPeriod,
        estimator: CandleRegressor,
        dk: FreqaiDataKitchen,
        timeframe: str,
    ) -> NetworkFile:
        """Fit the network of a period, to be written to a file.

        :raises ValueError: if it is not one network, but an ensemble.
        """
        if not isinstance(estimator, RecurrentRegressor):
            raise ValueError(
                f"A network file is of one network, not of {type(estimator).__name__}. Set "
                "freqaimodel to LSTMRegressor or GRURegressor."
            )
        learned = self.learned(period, estimator, dk)
        fitted = cast(RecurrentRegressor, learned.estimator)
        return NetworkFile(fitted, learned.origin, period.label_names, timeframe)

    def _rest_task(
        self, period: TrainingPeriod, estimator: CandleRegressor, network: PooledNetwork
    ) -> FitTask:
        """Make the fit of what is left, on the candles of one pair."""
        last = period.frame["date"].iloc[-1]
        own = in_terms_of(period, network.origin.inputs)
        rest = completed(estimator, own, self._candle, self._tell_once).with_pooled(
            network.estimator
        )
        return FitTask(self.seeded(rest, period.pair, last), own.candles)

    def _pool_task(self, estimator: CandleRegressor, pool: JoinedPool) -> FitTask:
        learns = estimator.completed(lambda _: None)  # what is trained already, each pair adds
        own = self.seeded(learns, ",".join(pool.pairs), pool.until)
        # an epoch is as many times as long, and early stopping looks once per evaluation
        often = {
            name: max(value, len(pool.pairs))
            for name, value in own.get_params().items()
            if name.rpartition("__")[2] == "evaluations_per_epoch"
        }
        return FitTask(own.set_params(**often), pool.candles)

    def _pool(self, period: TrainingPeriod, dk: FreqaiDataKitchen) -> JoinedPool:
        """Return the candles of the period of all pairs, joined."""
        moment = _moment(dk)
        if moment not in self._joined:
            while len(self._joined) >= POOLS_KEPT:
                del self._joined[next(iter(self._joined))]
            self._joined[moment] = self._join(period, dk)
        return self._joined[moment]

    def _join(self, period: TrainingPeriod, dk: FreqaiDataKitchen) -> JoinedPool:
        periods: list[TrainingPeriod] = []
        for pair in self.pairs:
            try:
                is_own = pair == period.pair
                periods.append(period if is_own else self.prepare(*self._frame_of(pair, dk)))
            except Exception as error:  # of candles that are missing, or of the strategy
                logger.warning("%s is left out of the common network. %s", pair, error)
        if not periods:
            raise ValueError(f"none of {listed(self.pairs)} has candles to learn from.")
        inputs = common_inputs(periods)
        starts = [pd.to_datetime(one.frame["date"].iloc[:1], utc=True).iloc[0] for one in periods]
        first = min(starts)
        parts = [
            PoolPart(in_terms_of(one, inputs).candles, int((start - first) // self._candle))
            for one, start in zip(periods, starts, strict=True)
        ]
        last = max(int(part.times[-1]) for part in parts)
        pairs = [one.pair for one in periods]
        until = first + last * self._candle
        pool = JoinedPool(join(parts, self._horizon), inputs, pairs, first, until)
        self._tell(pool, cut_of(parts))
        return pool

    def _tell(self, pool: JoinedPool, cut: float) -> None:
        n_targets = int((~np.isnan(pool.candles.targets).any(axis=1)).sum())
        n_valid = int(pool.candles.validation_mask.sum())
        since = f" from {pool.first + int(cut) * self._candle:%Y-%m-%d %H:%M} on" if n_valid else ""
        logger.info(
            "Common network until %s: %d of %d pairs, %d training and %d validation candles%s.",
            *(f"{pool.until:%Y-%m-%d %H:%M}", len(pool.pairs), len(self.pairs)),
            *(n_targets - n_valid, n_valid, since),
        )

    def _stored(
        self, dk: FreqaiDataKitchen, settings: Mapping[str, Any] | None
    ) -> PooledNetwork | None:
        """Return the network of the period that another pair's model has, or None."""
        for pair in self.pairs:
            stored = StoredModel.of(dk.data_path.parent, pair, _moment(dk))
            found = _network_of(stored, settings, pair) if stored.path.is_file() else None
            if found is not None:
                return found
        return None


class BotPooledTrainer(PooledTrainer):
    """The same in a bot, whose pairs are due one after the other.

    A pair takes the newest network that any pair has. The first one that has it already asks for
    the next: one fit a round.
    """

    def _network(
        self,
        period: TrainingPeriod,
        part: CandleRegressor,
        dk: FreqaiDataKitchen,
        settings: Mapping[str, Any] | None = None,
        fit: Callable[[FitTask], CandleRegressor] = FitTask.fit,
    ) -> PooledNetwork:
        # from disk, so that a bot that was started again goes on with what is there
        found = {pair: self._newest(pair, dk, settings) for pair in {period.pair, *self.pairs}}
        own = found[period.pair]
        others = [one for one in found.values() if one is not None]
        latest = max(others, key=lambda one: one.origin.until, default=None)
        # two candles: a network knows none of the one that was open, nor of that before a download
        longest = pd.Timedelta(hours=dk.freqai_config.get("live_retrain_hours", 0))
        longest += 2 * self._candle
        is_taken = latest is None or (own is not None and own.origin == latest.origin)
        if latest is None or is_taken or pd.Timestamp.now("UTC") - latest.origin.until > longest:
            self._joined.clear()  # of the round before
            return self.learned(period, part, dk, fit)
        until = f"{latest.origin.until:%Y-%m-%d %H:%M}"
        logger.info("%s takes the common network of candles until %s.", period.pair, until)
        return latest

    def _newest(
        self, pair: str, dk: FreqaiDataKitchen, settings: Mapping[str, Any] | None
    ) -> PooledNetwork | None:
        found = (_network_of(one, settings, pair) for one in newest([dk.data_path.parent], pair))
        return next((one for one in found if one is not None), None)


def _network_of(
    stored: StoredModel, settings: Mapping[str, Any] | None, pair: str
) -> PooledNetwork | None:
    """Return the network of a stored model, None where it has none or cannot be used."""
    try:
        model = read_stored(stored, settings, pair)
    except ValueError as error:
        logger.warning("%s", error)
        return None
    return None if model.origin is None else PooledNetwork(model.estimator, model.origin)


def adapted(network: PooledNetwork, period: TrainingPeriod) -> CandleRegressor:
    """Size a network's predictions by the candles of a pair that have not trained it.

    :param period: of the pair, with the network's inputs.
    """
    own = period.candles
    is_target = ~np.isnan(own.targets).any(axis=1)
    is_late = pd.to_datetime(period.frame["date"], utc=True) >= network.origin.valid_from
    rows = np.flatnonzero(is_target & is_late.to_numpy())
    fitted = network.estimator.adapted(own, rows)
    fitted.fit_seconds_ = network.estimator.fit_seconds_ / len(network.origin.pairs)
    return fitted


def in_terms_of(period: TrainingPeriod, inputs: Sequence[str]) -> TrainingPeriod:
    """Return a pair's period with the inputs of a network; one that the pair has not is 0.

    That is the mean of a standardised feature. FreqAI drops one that has a single value.

    :param inputs: with ``{own}`` for the pair.
    """
    names = [specific(name, period.pair) for name in inputs]
    own = [name if name in period.inputs else None for name in names]
    features = chosen_inputs(period.candles.features, period.inputs, own)
    return replace(period, candles=replace(period.candles, features=features), inputs=own)


def common_inputs(periods: Sequence[TrainingPeriod]) -> list[str]:
    """Return the names of all inputs that any pair has, with ``{own}`` for the pair.

    :raises ValueError: if the strategy makes other features or labels of one of the pairs.
    """
    raw = _in_order(generic(name, one.pair) for one in periods for name in one.feature_names)
    for one in periods:
        missing = [name for name in raw if specific(name, one.pair) not in one.feature_names]
        if missing or one.label_names != periods[0].label_names:
            raise ValueError(
                f"the pairs of a common network need the same features and labels, and {one.pair} "
                f"has {f'no {listed(missing)}' if missing else 'other labels'}. Let the strategy "
                "give all pairs the same columns."
            )
    return _in_order(generic(str(name), one.pair) for one in periods for name in one.inputs)


def _in_order(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _moment(dk: FreqaiDataKitchen) -> int:
    return StoredModel(dk.data_path, dk.model_filename).moment


def _key(estimator: CandleRegressor, dk: FreqaiDataKitchen) -> tuple[int, str]:
    return _moment(dk), joblib.hash(estimator.get_params())
