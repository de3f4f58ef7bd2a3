"""A strategy with thresholds in round trips, a parameter and a plain number."""

from freqtrade.strategy import DecimalParameter
from tests.evaluation.strategies.StoredStrategy import StoredStrategy


class ByCostStrategy(StoredStrategy):
    entry_edge = DecimalParameter(0.0, 3.0, default=0.7, decimals=1, space="buy")
    exit_edge = -0.1
    spread = 0.0002
