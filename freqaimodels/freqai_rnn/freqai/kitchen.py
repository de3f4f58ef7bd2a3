"""StrictKitchen: FreqAI's kitchen, which refuses a strategy that a regressor cannot learn from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

LABEL_FIX = (
    "set_freqai_targets must give a column whose name begins with & and that holds numbers, such "
    'as dataframe["&-return"] = dataframe["close"].shift(-4) / dataframe["close"] - 1'
)


class StrictKitchen(FreqaiDataKitchen):
    """Refuses no labels, and features and labels that are no numbers, in words.

    FreqAI finds both outside of what it swallows of a training's errors: an error here ends a
    backtest before its first training, while one of ``train`` would leave an empty table.
    """

    def find_features(self, dataframe: pd.DataFrame) -> None:
        """Note the names of the features.

        :raises OperationalException: if there are none, or one is text.
        """
        super().find_features(dataframe)
        found = first_without_numbers(dataframe, self.training_features_list)
        if found is not None:
            raise OperationalException(
                f"{self.pair}: the feature {found[0]} must hold numbers, got {found[1]!r}: give "
                "each of its values a number, or a column of 0 and 1."
            )

    def find_labels(self, dataframe: pd.DataFrame) -> None:
        """Note the names of the labels.

        :raises OperationalException: if there are none, or one is text.
        """
        super().find_labels(dataframe)
        if not self.label_list:
            raise OperationalException(f"{self.pair}: the strategy has no label. {LABEL_FIX}.")
        found = first_without_numbers(dataframe, self.label_list)
        if found is not None:
            raise OperationalException(
                f"{self.pair}: the label {found[0]} must hold numbers, as this model is a "
                f"regressor, got {found[1]!r}. {LABEL_FIX}; or take a classifier of freqtrade's, "
                "such as --freqaimodel LightGBMClassifier."
            )


def first_without_numbers(frame: pd.DataFrame, columns: list[str]) -> tuple[str, object] | None:
    """Return the first column that is no column of numbers, and a value that is none."""
    for name, dtype in frame.dtypes[columns].items():
        if not pd.api.types.is_numeric_dtype(dtype):
            column = frame[name]
            try:
                column.to_numpy(dtype=np.float64)
            except (TypeError, ValueError):
                return str(name), next((v for v in column if not _is_number(v)), None)
    return None


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
