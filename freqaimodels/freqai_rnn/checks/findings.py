"""What is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Findings:
    """What will be, what is unusual in it, and what is wrong.

    :ivar facts: texts by what they are about.
    """

    facts: dict[str, str] = field(default_factory=dict)
    unusual: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield them for a console."""
        width = max(map(len, self.facts), default=0)
        for name, text in self.facts.items():
            yield f"{name:{width}}  {text}"
        for heading, found in (("unusual", self.unusual), ("wrong", self.wrong)):
            yield ""
            yield f"{heading}: {'nothing' if not found else ''}".rstrip()
            for text in found:
                yield f"- {text}"


def some(names: list[str], most: int = 4) -> str:
    """Join names, the first few of many."""
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join(names[:most] + more)
