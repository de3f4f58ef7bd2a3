"""The former place of ``RecurrentFreqaiModel``, importable for one release more."""

from typing import Any

from .estimators.recurrent import RecurrentRegressor
from .freqai import model


class RecurrentFreqaiModel(model.RecurrentFreqaiModel):
    """The model as it was subclassed before: with the name of a cell instead of a prototype."""

    cell_type: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.prototype = RecurrentRegressor(cell_type=cls.cell_type)
