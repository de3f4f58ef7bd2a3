"""Configurations that freqtrade has not read: the tests' small one with one value changed."""

import copy
from typing import Any

from freqtrade.misc import deep_merge_dicts
from tests.freqai.freqtrade_host import SMALL, one_value

MODEL, FEATURES = "freqai.model_training_parameters", "freqai.feature_parameters"


def with_value(path: str, value: Any) -> dict[str, Any]:
    return deep_merge_dicts(one_value(path, value), copy.deepcopy(SMALL))
