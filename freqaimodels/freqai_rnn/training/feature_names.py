"""Names of features that every pair has of itself, in which FreqAI writes the pair."""

from __future__ import annotations

OWN = "{own}"
"""Stands for the pair in the name of such a feature."""


def generic(name: str, pair: str) -> str:
    """Return the name of a feature with ``{own}`` in place of the pair that it is of."""
    return name.replace(f"_{_in_columns(pair)}_", f"_{OWN}_")


def specific(name: str, pair: str) -> str:
    """Return what a feature is called in the columns of a pair, see ``generic``.

    That of a correlated pair is the pair's own where both are the same.
    """
    return name.replace(OWN, _in_columns(pair))


def _in_columns(pair: str) -> str:
    return pair.replace(":", "")  # as FreqAI's remove_special_chars_from_feature_names
