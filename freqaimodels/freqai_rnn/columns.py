"""Names the columns that stand beside a label. Imports nothing."""

from __future__ import annotations


def detail_column(label: str, detail: str) -> str:
    """Name the column of a detail of a label: ``return_agreement`` beside ``&-return``.

    No ``&`` stands before it, as FreqAI would take it for a label.
    """
    return f"{label.removeprefix('&').removeprefix('-')}_{detail}"
