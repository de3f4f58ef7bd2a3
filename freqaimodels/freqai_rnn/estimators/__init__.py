"""Estimators on candles with scikit-learn's interface."""
