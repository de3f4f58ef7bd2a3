"""What a backtest left behind, read with freqtrade's own functions."""
