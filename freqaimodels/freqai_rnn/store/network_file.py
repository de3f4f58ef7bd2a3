"""Network files: a trained network of several pairs, to predict pairs that it was not trained on.

A file of NumPy's format, read without unpickling anything: the weights by name, and a header in
JSON that says what the network learned from and what it has to be given.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..estimators.recurrent import RecurrentRegressor
from ..files import write_atomically
from .trained_model import Origin

WEIGHT, HEADER = "weight ", "header"
FORMAT = 1


@dataclass(frozen=True)
class NetworkFile:
    """A network, and what it has to be given.

    :ivar origin: what it learned from; it predicts nothing up to the last candle of that.
    :ivar label_names: of what it predicts, in deviations of a pair's own labels.
    :ivar timeframe: of its candles, as freqtrade writes it.
    :ivar digest: SHA-256 of the file; empty before there is one.
    """

    estimator: RecurrentRegressor
    origin: Origin
    label_names: Sequence[str]
    timeframe: str
    digest: str = ""

    @property
    def horizon(self) -> int:
        """Return the candles that its labels look ahead."""
        return self.estimator.settings_.validation_gap

    def write(self, path: Path) -> None:
        """Write it whole or not at all; the same network gives the same bytes."""
        facts, weights = self.estimator.as_arrays()
        header = {
            "format": FORMAT,
            "network": facts,
            "label_names": list(self.label_names),
            "timeframe": self.timeframe,
            "pairs": list(self.origin.pairs),
            "inputs": list(self.origin.inputs),
            "until": self.origin.until.isoformat(),
        }
        arrays: dict[str, Any] = {f"{WEIGHT}{name}": one for name, one in weights.items()}
        arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> NetworkFile:
        """Read a file of ``write``.

        :raises ValueError: if it is missing, damaged or of another format.
        """
        try:
            content = path.read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                header = json.loads(arrays[HEADER].tobytes())
                weights = {
                    name.removeprefix(WEIGHT): arrays[name] for name in arrays if name != HEADER
                }
            if header["format"] != FORMAT:
                raise ValueError(f"its format is {header['format']}, not {FORMAT}")
            # its sizes come from the data, so the moment up to which nothing counts is the last
            until = pd.Timestamp(header["until"])
            origin = Origin(header["pairs"], header["inputs"], until, until)
            estimator = RecurrentRegressor.from_arrays(header["network"], weights)
        except Exception as error:  # whatever a damaged file leads to
            raise ValueError(
                f"The network file {path} cannot be used ({type(error).__name__}: {error}). Write "
                "it again with freqai-rnn pretrain, or leave out the key to take the bundled one."
            ) from error
        digest = hashlib.sha256(content).hexdigest()
        return cls(estimator, origin, header["label_names"], header["timeframe"], digest)
