"""What a backtest left behind, by freqtrade's own functions."""
