"""FreqAI's pipelines, which standardise here; what finds outliers keeps its own scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from datasieve.pipeline import Pipeline
from datasieve.transforms import SKLearnWrapper
from sklearn.preprocessing import StandardScaler


class Pipelines(NamedTuple):
    """Datasieve's pipelines of features and labels."""

    features: Any
    labels: Any


FIND_OUTLIERS = ("svm", "di", "dbscan")
"""FreqAI's names of steps."""


def standardised(steps: Sequence[tuple[str, Any]]) -> Pipeline:
    """Take FreqAI's own steps, but standardise: outliers would set the range of its scaler.

    What finds outliers is made for FreqAI's scale and keeps it: its SVM separates the candles
    from the origin, which is in their midst once they are standardised.
    """
    # FreqAI's noise is its last step, so it is in standard deviations either way
    after = max((i for i, (name, _) in enumerate(steps, 1) if name in FIND_OUTLIERS), default=0)
    if after:
        return Pipeline([*steps[:after], ("standard-scaler", standardise()), *steps[after:]])
    return Pipeline(
        # scaler, and post-pca-scaler where the configuration asks for components
        [(name, standardise() if name.endswith("scaler") else step) for name, step in steps]
    )


def standardise() -> SKLearnWrapper:
    """Make a step, not fitted, to mean 0 and standard deviation 1."""
    return SKLearnWrapper(StandardScaler())
