"""The former place of ``RecurrentFreqaiModel``, importable for one release more."""

from .freqai.model import RecurrentFreqaiModel

__all__ = ["RecurrentFreqaiModel"]
