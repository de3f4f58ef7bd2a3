"""PretrainedRegressor: a network that is there already, in place of one to be trained."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from ..estimators.base import CandleRegressor
from ..estimators.recurrent import RecurrentRegressor
from ..rules import Rule, require_rules, setting
from .network_file import NetworkFile

BUNDLED = "bundled"
BUNDLED_FILE = Path(__file__).resolve().parents[1] / "networks/1h.npz"
NETWORK = Rule(
    f'"{BUNDLED}" or the path of a network file',
    lambda value: isinstance(value, str) and bool(value),
)


@dataclass(kw_only=True, eq=False, repr=False)
class PretrainedRegressor(CandleRegressor):
    """The place of a trained network among the estimators; it is adapted to a pair, never fitted.

    :param network: "bundled", or the path of a file that ``freqai-rnn pretrain`` wrote.
    """

    network: str = setting(BUNDLED, NETWORK)

    settled: ClassVar[frozenset[str]] = frozenset(item.name for item in fields(RecurrentRegressor))
    learns: ClassVar[bool] = False

    @property
    def file(self) -> NetworkFile:
        """Return what the file holds."""
        return _read(BUNDLED_FILE if self.network == BUNDLED else Path(self.network))

    @property
    def sequence_length(self) -> int:  # type: ignore[override]
        """Return that of the network."""
        return self.file.estimator.settings_.sequence_length

    def check_parameters(self) -> None:
        """Refuse a file that is missing or cannot be read."""
        require_rules(self)
        _ = self.file

    def recorded_parameters(self) -> dict[str, Any]:
        """Return the digest of the file beside its name: another network predicts otherwise."""
        return {"network": self.network, "sha256": self.file.digest}

    def fit(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the network is trained already."""
        raise TypeError("A pretrained network is not fitted.")

    predict = fit


@lru_cache(maxsize=4)  # it is asked for its sequence length again and again
def _read(path: Path) -> NetworkFile:
    return NetworkFile.read(path)
