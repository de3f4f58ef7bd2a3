"""The pages in headless Chromium: ``make test-browser``."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.evaluation.freqai_files import RESULT, StoredBacktest, model_run, noisy, read

from freqai_rnn.evaluation.comparison import compare
from freqai_rnn.evaluation.pages.compare import comparison_page
from freqai_rnn.evaluation.pages.report import write_report

pytestmark = pytest.mark.browser
EVIL = "<img src=x onerror=alert(1)>&-return"
HEADINGS = "table.sortable th button"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    backtest = StoredBacktest(folder / "user_data", predict=noisy(0.2), half_width=0.026)
    runs = read(backtest.write())
    runs = [replace(run, result=RESULT) for run in runs]
    evil = [replace(runs[0], model=EVIL, command=EVIL, identifier="evil"), *runs]
    report = write_report(evil, folder, 200)[0]
    other = read(replace(backtest, identifier="b", predict=noisy(0.1)).write(), "b")
    comparison = compare([model_run(EVIL, runs[0]), model_run("B", other[0])], "B", 200)
    (folder / "compare.html").write_text(comparison_page(comparison, datetime.now(UTC)))
    return {"report": report, "compare": folder / "compare.html"}


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "These tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, pages):
    opened = []

    def open_one(name: str, width: int):
        page = browser.new_page(viewport={"width": width, "height": 900}, offline=True)
        opened.append(page)
        said: list[str] = []
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: said.append(request.url))
        page.goto(pages[name].as_uri())
        page.wait_for_function(
            "[...document.querySelectorAll('.chart')].every(c => c.querySelector('.main-svg'))"
        )
        return page, said

    yield open_one
    for page in opened:
        page.close()


@pytest.mark.parametrize("width", [1400, 600])
@pytest.mark.parametrize("name", ["report", "compare"])
def test_every_chart_is_drawn_without_an_error(open_page, pages, name, width):
    page, said = open_page(name, width)
    assert said == [pages[name].as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    charts = page.locator(".chart")
    assert charts.count() == {"report": 30, "compare": 2}[name]
    for chart in charts.all():
        assert chart.locator("path[d], rect.point, .point path").count() > 0
        box = chart.bounding_box()
        assert box["width"] > 200
        assert chart.locator(".main-svg").first.bounding_box()["width"] <= box["width"] + 1
    # every trace has marks of its own
    assert page.evaluate(
        "[...document.querySelectorAll('.chart')].every(c => c.data.length > 0 && "
        "c.querySelectorAll('.trace').length > 0)"
    )


@pytest.mark.parametrize("name", ["report", "compare"])
def test_names_are_shown_as_text(open_page, name):
    page, _ = open_page(name, 1400)
    assert page.locator("img").count() == 0
    assert page.get_by_text("<img src=x onerror=alert(1)>").count() > 0


@pytest.mark.parametrize("width", [1400, 600])
def test_table_sorts_by_a_click_and_back(open_page, width):
    page, _ = open_page("report", width)
    column = page.locator(HEADINGS).all_inner_texts().index("scaled IC")
    table = page.locator("table.sortable").first

    def values():
        cells = table.locator(f"td:nth-child({column + 1})")
        return [float(cell.get_attribute("data-value")) for cell in cells.all()]

    unsorted = values()
    heading = page.locator(HEADINGS).nth(column)
    heading.click()
    assert values() == sorted(unsorted, reverse=True) != unsorted
    heading.press("Enter")
    assert values() == sorted(unsorted)
    pairs = page.locator(HEADINGS).all_inner_texts().index("pair")
    page.locator(HEADINGS).nth(pairs).click()
    shown = table.locator(f"td:nth-child({pairs + 1})").all_inner_texts()
    assert shown == sorted(shown, key=lambda name: "" if name == "all" else name)


def test_time_chart_zooms(open_page):
    page, _ = open_page("report", 1400)
    before, after = page.evaluate(
        """async () => {
            const chart = document.getElementById("run0-3");
            const before = chart._fullLayout.xaxis.range.slice();
            await Plotly.relayout(chart, {"xaxis.range": ["2024-03-02", "2024-03-03"]});
            return [before, chart._fullLayout.xaxis.range.slice()];
        }"""
    )
    assert before != after
