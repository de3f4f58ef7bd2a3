"""LSTM and GRU regression on candles, for scikit-learn and for Freqtrade's FreqAI."""

from .estimators.ensemble import EnsembleRegressor
from .estimators.recurrent import RecurrentRegressor
from .estimators.scoring import CandleScorer
from .network.settings import Settings

__all__ = ["CandleScorer", "EnsembleRegressor", "RecurrentRegressor", "Settings"]
__version__ = "0.1.0"
