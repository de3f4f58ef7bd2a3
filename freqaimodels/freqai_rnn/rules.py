"""Ranges of settings, in words and as checks: one for every number that a user may give."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field, fields
from numbers import Integral, Real
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """What a value must be: the words for the error message and the check."""

    text: str
    holds: Callable[[Any], bool]

    def about(self, meaning: str) -> Rule:
        """Say what the value means, too."""
        return self._replace(text=f"{self.text}, {meaning}")


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number; True and False are none."""
    # numpy's integers count, as a grid search gives them
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def whole(minimum: int, maximum: float = math.inf) -> Rule:
    """Allow whole numbers between two bounds, both included."""
    bounds = f"of at least {minimum}"
    if math.isfinite(maximum):
        bounds = f"from {minimum:,} to {maximum:,}"
    return Rule(
        f"a whole number {bounds}",
        lambda value: is_whole(value) and minimum <= value <= maximum,
    )


def real(low: float, high: float = math.inf, *, above: bool = False, closed: bool = False) -> Rule:
    """Allow numbers between two bounds.

    :param above: without the lower one.
    :param closed: with the upper one.
    """
    bounds = f"{'above' if above else 'of at least'} {low:g}"
    if math.isfinite(high):
        bounds += f" and {'at most' if closed else 'below'} {high:,g}"
    return Rule(
        f"a number {bounds}",
        lambda value: (
            _is_real(value)
            and (value > low if above else value >= low)
            and (value <= high if closed else value < high)
        ),
    )


def one_of(*names: str) -> Rule:
    """Allow these names."""
    return Rule(
        f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names
    )


def or_none(rule: Rule) -> Rule:
    """Allow None as well."""
    return Rule(f"{rule.text}, or None", lambda value: value is None or rule.holds(value))


def either(first: Rule, second: Rule) -> Rule:
    """Allow what one of two rules allows."""
    return Rule(
        f"{first.text}, or {second.text}",
        lambda value: first.holds(value) or second.holds(value),
    )


BOOLEAN = Rule("true or false", lambda value: isinstance(value, bool))


def setting(default: Any, rule: Rule) -> Any:
    """Make a field of a dataclass whose values ``require_rules`` checks."""
    return field(default=default, metadata={"rule": rule})


def require_rules(instance: Any) -> None:
    """Check every field of a dataclass.

    :raises ValueError: for a value outside its range; the message has name, rule and value.
    """
    for item in fields(instance):
        require(item.name, getattr(instance, item.name), item.metadata["rule"])


def require(name: str, value: Any, rule: Rule) -> None:
    """Check one value.

    :raises ValueError: with name, rule and value.
    """
    if not rule.holds(value):
        raise ValueError(f"{name} must be {rule.text}, got {value!r}.")
