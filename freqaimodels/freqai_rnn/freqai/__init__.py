"""The models inside FreqAI; only this folder imports freqtrade, beside evaluation.backtests."""
