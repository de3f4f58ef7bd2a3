"""From the models of a backtest to those of a bot, on this machine or another."""
