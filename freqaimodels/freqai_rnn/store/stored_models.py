"""StoredModel: the files of one training, wherever FreqAI has put them; and which is newest."""

from __future__ import annotations

import glob
import json
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

METADATA_LISTS = ("label_list", "training_features_list")
"""What FreqAI cannot do without in ``…_metadata.json``."""
TRAINING_CANDLES = "training_candles"
"""Name in ``…_metadata.json`` of how many candles there were to train on."""
MODEL, HISTORY, METADATA = "_model.zip", "_history.json", "_metadata.json"


def _read_metadata(content: bytes) -> None:
    metadata = json.loads(content)
    for name in METADATA_LISTS:
        metadata[name]


COMPANIONS: dict[str, Callable[[bytes], Any]] = {
    METADATA: _read_metadata,
    "_feature_pipeline.pkl": pickle.loads,
    "_label_pipeline.pkl": pickle.loads,
    "_trained_dates_df.pkl": pickle.loads,
}
"""What FreqAI keeps beside a model, and how to tell whether it can be read."""

# without separators and colons: a name from an archive cannot lead out of its folder
_PART = r"[^/\\:\x00-\x1f]+_\d+"
_ENDS = "|".join(map(re.escape, (MODEL, HISTORY, *COMPANIONS)))
PLACE = re.compile(rf"sub-train-{_PART}/cb_{_PART}(?:{_ENDS})")
"""Of a model's file below the folder of an identifier or of settings."""


class StoredModel(NamedTuple):
    """The files of one training.

    :ivar folder: of the training, ``sub-train-<coin>_<seconds>``.
    :ivar filename: that all of them begin with, ``cb_<coin>_<seconds>``.
    """

    folder: Path
    filename: str

    @classmethod
    def of(cls, root: Path, pair: str, moment: float) -> StoredModel:
        """Return where FreqAI puts a training.

        :param root: FreqAI's folder of the identifier, or of settings below it.
        :param moment: until when the candles go, in seconds since 1970.
        """
        # as FreqAI's set_paths and set_new_model_names do it: small letters in the file's name only
        coin = pair.split("/")[0]
        return cls(root / f"sub-train-{coin}_{moment:.0f}", f"cb_{coin.lower()}_{moment:.0f}")

    @property
    def moment(self) -> int:
        """Return until when the candles of the training go, in seconds since 1970."""
        return int(self.folder.name.rpartition("_")[2])

    def beside(self, end: str) -> Path:
        """Return one of its files by how its name ends."""
        return self.folder / f"{self.filename}{end}"

    @property
    def path(self) -> Path:
        """Return the model's own file."""
        return self.beside(MODEL)

    @property
    def files(self) -> list[Path]:
        """List all that a bot reads."""
        return [self.beside(end) for end in (MODEL, HISTORY, *COMPANIONS)]

    def unreadable(self, *, with_history: bool = False) -> list[str]:
        """Say which files beside the model cannot be read, and why.

        :param with_history: its checksum and record as well.
        """
        readers = {**COMPANIONS, HISTORY: json.loads} if with_history else COMPANIONS
        found = []
        for end, read in readers.items():
            try:
                read(self.beside(end).read_bytes())
            except Exception as error:  # whatever a damaged file leads to
                reason = "not found" if isinstance(error, FileNotFoundError) else repr(error)
                found.append(f"{self.beside(end).name} ({reason})")
        return found

    def metadata(self) -> dict[str, Any]:
        """Read what FreqAI notes of a training."""
        found: dict[str, Any] = json.loads(self.beside(METADATA).read_bytes())
        return found

    def history(self) -> dict[str, Any]:
        """Read what we note of it, see ``TrainedModel.history``."""
        found: dict[str, Any] = json.loads(self.beside(HISTORY).read_bytes())
        return found


def newest(roots: Iterable[Path], pair: str, until: float | None = None) -> Iterator[StoredModel]:
    """Yield the stored models of a pair, that of the latest candles first.

    Several pairs may share a coin, so what notes another pair is left out.

    :param roots: FreqAI's folders of an identifier, or of settings.
    :param until: the latest moment of a training, in seconds since 1970; None for no limit.
    """
    # in case its name has a character that glob reads
    coin = glob.escape(pair.split("/")[0])
    found = (one for root in roots for one in all_models(root, coin))
    for stored in sorted(found, key=lambda one: one.moment, reverse=True):
        is_early = until is None or stored.moment <= until
        if is_early and _noted_pair(stored) in (pair, None):
            yield stored


def all_models(root: Path, coin: str = "*") -> list[StoredModel]:
    """List the stored models of a folder by name; what is no folder of a training is none.

    :param coin: of the pair, as a pattern.
    """
    paths = sorted(root.glob(f"sub-train-{coin}_*/*{MODEL}"))
    return [
        StoredModel(path.parent, path.name.removesuffix(MODEL))
        for path in paths
        if path.parent.name.rpartition("_")[2].isdecimal()  # others are copies of a user's
    ]


def _noted_pair(stored: StoredModel) -> str | None:
    """Return the pair that stands beside a model; None where that cannot be read."""
    try:
        return str(stored.history()["pair"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
