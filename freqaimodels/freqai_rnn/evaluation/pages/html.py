"""An HTML page that needs no network, of parts; page.html.j2 says how they look."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from ..uncertainty import Estimate
from .figures import Chart

FOLDER = Path(__file__).parent


class Column(NamedTuple):
    """A column of a table; ``hint`` is shown under the pointer."""

    heading: str
    hint: str = ""
    is_text: bool = False


class Cell(NamedTuple):
    """One entry of a table.

    :ivar value: to sort by; None for nothing.
    :ivar error: shown smaller after the text.
    :ivar kind: ``good``, ``bad`` or nothing.
    """

    text: str
    value: str | float | None
    error: str = ""
    kind: str = ""


NOTHING = Cell("–", None)


class Table(NamedTuple):
    """A table that is sorted by a click on a heading.

    :ivar strong: numbers of the rows to stress.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    strong: Sequence[int] = ()


@dataclass(frozen=True)
class Heading:
    """A heading between boxes."""

    macro: ClassVar = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True)
class Box:
    """A title with what is given of text, legend (colour by name), bullets and table.

    :ivar kind: ``warnings`` or nothing.
    """

    macro: ClassVar = "box"
    title: str
    text: str = ""
    legend: Mapping[str, str] = field(default_factory=dict)
    bullets: Sequence[str] = ()
    bullets_kind: str = ""
    table: Table | None = None
    kind: str = ""


@dataclass(frozen=True)
class Charts:
    """Charts, each in a box; small ones stand beside each other.

    :ivar prefix: makes the ids of the elements unique on a page.
    """

    macro: ClassVar = "charts"
    charts: Sequence[Chart]
    prefix: str

    def rows(self) -> Iterator[tuple[str, list[tuple[str, Chart]]]]:
        """Yield neighbours of one size, each with the id of its element."""
        named = [(f"{self.prefix}-{i}", chart) for i, chart in enumerate(self.charts)]
        for size, row in groupby(named, key=lambda pair: pair[1].size):
            yield size, list(row)

    def specs(self) -> Iterator[dict[str, Any]]:
        """Yield what page.js draws: plotly's data and layout by id."""
        for size, row in self.rows():
            for name, chart in row:
                # by plotly's own encoder, which knows numpy's arrays
                figure = json.loads(chart.figure.to_json())
                yield {**figure, "id": name, "bar": size != "small"}


@dataclass(frozen=True)
class Record:
    """What a page is a record of: texts by name, settings as text, names of features."""

    macro: ClassVar = "record"
    texts: Mapping[str, str]
    settings: str
    features: Sequence[str]


Part: TypeAlias = Heading | Box | Charts | Record


def number(value: float, form: str = ".3f") -> Cell:
    """Return a number as a cell."""
    return NOTHING if math.isnan(value) else Cell(_minus(format(value, form)), value)


def estimate(found: Estimate, form: str = ".3f", *, mark: bool = False) -> Cell:
    """Return a value with its standard error as a cell.

    :param mark: colour it where it differs from 0 by more than two errors.
    """
    value, error = found
    if math.isnan(value):
        return NOTHING
    kind = ""
    if mark and found.differs_from(0):
        kind = "good" if value > 0 else "bad"
    shown = "" if math.isnan(error) else f"± {format(error, form)}"
    return Cell(_minus(format(value, form)), value, shown, kind)


def page(title: str, lead: Sequence[str], parts: Sequence[Part], footer: str) -> str:
    """Return the whole page.

    :param lead: what it says in plain words, a paragraph each.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment.get_template("page.html.j2").render(
        title=title,
        lead=lead,
        parts=parts,
        footer=footer,
        specs=[spec for part in parts if isinstance(part, Charts) for spec in part.specs()],
        css=(FOLDER / "page.css").read_text("utf-8"),
        js=(FOLDER / "page.js").read_text("utf-8"),
        plotly=get_plotlyjs(),
    )


def _minus(text: str) -> str:
    return text.replace("-", "−")
