"""The parts of an HTML page that needs no network. Every text that is not ours is escaped here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from plotly.offline import get_plotlyjs

from ..uncertainty import Estimate
from .figures import Chart

PAGE = Path(__file__).parent
NOTHING = "–"


class Column(NamedTuple):
    """A column of a table; ``hint`` is shown under the pointer."""

    heading: str
    hint: str = ""
    is_text: bool = False


class Cell(NamedTuple):
    """One entry of a table.

    :ivar text: shown, not yet escaped.
    :ivar value: to sort by; None for nothing.
    :ivar error: shown smaller after the text.
    :ivar kind: ``good``, ``bad`` or nothing.
    """

    text: str
    value: str | float | None
    error: str = ""
    kind: str = ""


class Card(NamedTuple):
    """A part of the page, as HTML, and the charts in it."""

    content: str
    charts: tuple[dict[str, Any], ...] = ()


def number(value: float, form: str = ".3f") -> Cell:
    """A number as a cell."""
    if math.isnan(value):
        return Cell(NOTHING, None)
    return Cell(_minus(format(value, form)), value)


def estimate(found: Estimate, form: str = ".3f", *, mark: bool = False) -> Cell:
    """A value with its standard error as a cell.

    :param mark: colour it where it differs from 0 by more than two errors.
    """
    value, error = found
    if math.isnan(value):
        return Cell(NOTHING, None)
    kind = ""
    if mark and found.differs_from(0):
        kind = "good" if value > 0 else "bad"
    shown = "" if math.isnan(error) else f"± {format(error, form)}"
    return Cell(_minus(format(value, form)), value, shown, kind)


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], strong: Sequence[int] = ()
) -> str:
    """A table that sorts by a click on a heading.

    :param strong: numbers of the rows to stress.
    """
    head = "".join(
        f'<th{" class=text" if column.is_text else ""} title="{escape(column.hint)}">'
        f"<button type=button>{escape(column.heading)}</button></th>"
        for column in columns
    )
    body = "".join(
        f"<tr{' class=strong' if i in strong else ''}>"
        + "".join(_td(cell, column) for cell, column in zip(row, columns, strict=True))
        + "</tr>"
        for i, row in enumerate(rows)
    )
    return (
        '<div class=scroll tabindex=0 role=region aria-label="table"><table class=sortable><thead>'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def card(title: str, *parts: str, kind: str = "") -> Card:
    """A titled box.

    :param parts: HTML.
    """
    return Card(f'<section class="card {kind}"><h3>{escape(title)}</h3>{"".join(parts)}</section>')


def bullets(lines: Sequence[str], kind: str = "") -> str:
    """A list of texts."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>'


def chart_cards(charts: Sequence[Chart], prefix: str) -> Card:
    """Boxes with charts; small ones stand beside each other.

    :param prefix: makes the ids of the elements unique on a page.
    """
    boxes: list[str] = []
    specs: list[dict[str, Any]] = []
    for i, chart in enumerate(charts):
        name = f"{prefix}-{i}"
        specs.append(
            {**json.loads(chart.figure.to_json()), "id": name, "bar": chart.size != "small"}
        )
        boxes.append(
            f"<section class=card><h3>{escape(chart.title)}</h3><p>{escape(chart.text)}</p>"
            f'<div class=chart id="{name}" style="height:{chart.figure.layout.height}px"></div>'
            "</section>"
        )
    sizes = [chart.size for chart in charts]
    rows = [
        f'<div class="{size}">{"".join(box for _, box in group)}</div>'
        for size, group in groupby(zip(sizes, boxes, strict=True), key=lambda pair: pair[0])
    ]
    return Card("".join(rows), tuple(specs))


def record(settings: Mapping[str, Any], texts: Mapping[str, str], features: Sequence[str]) -> Card:
    """What a page is a record of: versions, command, settings and features."""
    listed = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in texts.items() if text
    )
    tree = escape(json.dumps(settings, indent=1, default=str))
    names = escape("\n".join(features))
    return Card(
        f"<section class=card><h3>Record</h3><dl>{listed}</dl>"
        f"<details><summary>Settings</summary><pre>{tree}</pre></details>"
        f"<details><summary>{len(features)} features</summary><pre>{names}</pre></details>"
        "</section>"
    )


def heading(text: str) -> Card:
    """A heading between cards."""
    return Card(f"<h2>{escape(text)}</h2>")


def page(title: str, lead: Sequence[str], cards: Sequence[Card], footer: str) -> str:
    """The whole page.

    :param lead: what it says in plain words, a paragraph each.
    """
    charts = [chart for part in cards for chart in part.charts]
    # JSON has no use for "<" outside of texts: none can end the script element.
    data = json.dumps(charts, separators=(",", ":")).replace("<", "\\u003c")
    said = "".join(f"<p class=lead>{escape(line)}</p>" for line in lead)
    content = "".join(part.content for part in cards)
    return (
        "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        # Nothing is loaded from anywhere; data: is for plotly's own images.
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; "
        "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:\">"
        f"<title>{escape(title)}</title><style>{(PAGE / 'page.css').read_text('utf-8')}</style>"
        f"</head><body><main><h1>{escape(title)}</h1>{said}{content}"
        f"<footer>{escape(footer)}</footer></main>"
        f"<script>{get_plotlyjs()}</script>"
        f'<script type="application/json" id=charts>{data}</script>'
        f"<script>{(PAGE / 'page.js').read_text('utf-8')}</script></body></html>\n"
    )


def _td(cell: Cell, column: Column) -> str:
    classes = " ".join(filter(None, ("text" if column.is_text else "", cell.kind)))
    value = "" if cell.value is None else escape(str(cell.value))
    error = f" <span class=error>{escape(cell.error)}</span>" if cell.error else ""
    return f'<td class="{classes}" data-value="{value}">{escape(cell.text)}{error}</td>'


def _minus(text: str) -> str:
    return text.replace("-", "−")
