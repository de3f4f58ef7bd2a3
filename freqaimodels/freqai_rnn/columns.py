"""Names of the columns that stand beside a label."""

from __future__ import annotations

INTERVAL_COLUMNS = ("low", "high", "scale", "confidence")
"""``return_low`` … beside ``&-return``: the interval, how far errors are expected to spread
at that candle, and the prediction, without its sign, in units of that; 0 where there is none."""


def detail_column(label: str, detail: str) -> str:
    """Name the column of a detail of a label: ``return_agreement`` beside ``&-return``.

    No ``&`` stands before it, as FreqAI would take it for a label.
    """
    return f"{label.removeprefix('&').removeprefix('-')}_{detail}"


def candidate_column(candidate: str, column: str) -> str:
    """Name the column of one candidate, ``[hidden_size=64 sequence_length=24] &-return``.

    ``RecurrentStrategy.predicted`` builds the same name with a line of its own: change both.
    Nothing stands before the bracket: FreqAI reads ``&`` and ``%`` in front of a column's name.
    """
    return f"[{candidate}] {column}"
