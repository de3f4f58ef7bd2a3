"""Ratios of times: measured in turn in one process, so that a busy machine slows all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Times(NamedTuple):
    """Seconds of each round; CPU seconds are those of all threads of this process."""

    wall: list[float]
    cpu: list[float]


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def in_turn(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Call all functions in each round, after one that does not count."""
    found = {name: Times([], []) for name in functions}
    for number in range(rounds + 1):
        for name, function in functions.items():
            wall, cpu = timed(function)
            if number:
                found[name].wall.append(wall)
                found[name].cpu.append(cpu)
    return found


@dataclass
class Row:
    """
    One line of the table: how much a thing is, against its target.

    :ivar values: the measured ratios or quantities; their median is compared with the target.
    :ivar cpu_values: the same ratios in CPU time, where that was measured.
    :ivar at_least: whether the target is a lower bound.
    :ivar target: None for what is shown for context only.
    """

    part: str
    what: str
    values: list[float]
    cpu_values: list[float] = field(default_factory=list)
    target: float | None = None
    at_least: bool = True
    unit: str = "×"
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        passed = self.median >= self.target if self.at_least else self.median <= self.target
        return "pass" if passed else "MISS"

    def cells(self) -> list[str]:
        bound = "" if self.target is None else f"{'≥' if self.at_least else '≤'} {self.target:g}"
        cpu = f"{statistics.median(self.cpu_values):.3g}" if self.cpu_values else ""
        spread = f"{min(self.values):.3g} … {max(self.values):.3g}" if len(self.values) > 1 else ""
        value = f"{self.median:.3g} {self.unit}"
        return [self.part, self.what, value, spread, cpu, bound, self.verdict, self.note]


HEADINGS = ["part", "what", "median", "spread", "CPU", "target", "", "note"]


def ratios(slow: Times, fast: Times) -> tuple[list[float], list[float]]:
    """How many times longer, round by round: in wall and in CPU time."""
    return (
        [a / b for a, b in zip(slow.wall, fast.wall, strict=True)],
        [a / b for a, b in zip(slow.cpu, fast.cpu, strict=True)],
    )
