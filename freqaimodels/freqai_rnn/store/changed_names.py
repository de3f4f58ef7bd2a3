"""The columns of a strategy against those that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Names(NamedTuple):
    """The columns that a strategy gives; the order of the features counts."""

    features: list[str]
    labels: list[str]


def changed_names(before: Names, now: Names) -> str:
    """Put into words how a strategy's columns differ from those of a training; empty if not."""
    return "; ".join(
        f"the strategy gives other {what} than the {len(old)} that the model was trained on "
        f"({changes})"
        for what, old, changes in (
            ("features", before.features, _changes(before.features, now.features)),
            # in any order: predictions get their columns by name, features are columns of a matrix
            ("labels", before.labels, _changes(sorted(before.labels), sorted(now.labels))),
        )
        if changes
    )


def require_names(before: Names, now: Names, remedy: str) -> None:
    """Refuse to predict with a model of other columns.

    :param remedy: what to do about it.
    :raises ValueError: if they differ.
    """
    change = changed_names(before, now)
    if change:
        raise ValueError(f"{change}: {remedy}.")


def _changes(before: Sequence[str], now: Sequence[str]) -> str:
    if list(before) == list(now):
        return ""
    changes = [
        f"{word} {listed(names)}"
        for word, names in (
            ("without", [name for name in before if name not in now]),
            ("with", [name for name in now if name not in before]),
        )
        if names
    ]
    return ", ".join(changes) or "in another order"


def listed(names: Sequence[str]) -> str:
    """Return ``a, b, c, d, e and 3 more``."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
