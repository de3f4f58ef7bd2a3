"""Reads what a backtest left behind, with freqtrade's own functions."""
