"""README and docs: short pages, links that lead somewhere, names that exist."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import freqtrade
import numpy as np
import yaml
from tests.contracts.pages import (
    BLOCKS,
    PAGES,
    ROOT,
    anchors_of,
    block_titled,
    links_in,
    names_in,
    noted,
    parts_of,
    prose_of,
    read,
)

from freqai_rnn import EnsembleRegressor, RecurrentRegressor
from freqai_rnn.estimators.base import CandleRegressor
from freqai_rnn.settings.model_settings import estimator_from_config, parallelism_from_config
from freqai_rnn.store.pretrained import PretrainedRegressor

LANGUAGES = {"sh", "powershell", "python", "json", "mermaid", "text"}
# Where a name of the pages may come from: our code, and what of freqtrade a configuration names.
OURS = ("freqaimodels", "strategies", "config", "tests")
FREQTRADE = ("config_schema", "commands", "freqai")
TENSORBOARD = {"--logdir"}


@cache
def vocabulary() -> set[str]:
    """Every word in the code, the tests of pages left out; options with their dashes."""
    folders = [ROOT / name for name in OURS]
    folders += [Path(freqtrade.__file__).parent / name for name in FREQTRADE]
    files = [path for folder in folders for path in folder.rglob("*.*")]
    files = [
        path
        for path in files
        if path.suffix in {".py", ".json"} and not path.name.startswith("test_page")
    ]
    texts = [path.read_text(encoding="utf-8") for path in [*files, ROOT / "Makefile"]]
    texts += [block.title for block in BLOCKS]
    return set(re.findall(r"--[\w-]+|[A-Za-z_]\w*", "\n".join(texts))) | TENSORBOARD


def unknown_names(text: str) -> list[str]:
    """Names in backticks that look like code and are not in the code.

    snake_case with dots, PascalCase, and options.
    """
    found = []
    for code in names_in(text):
        words = [word for word in code.split() if word.startswith("--")]
        if re.fullmatch(r"[a-z]\w*(\.\w+)*\.?\w+", code) and "_" in code:
            words += code.split(".")
        elif re.fullmatch(r"[A-Z][a-z]+[A-Z]\w*|[A-Z]{2,}[a-z]\w*", code):
            words.append(code)
        found += [word for word in words if word not in vocabulary()]
    return found


def setting_error(text: str) -> str:
    """Why the model would refuse a JSON block; empty if it would not."""
    freqai = json.loads(text.replace('"cuda"', '"cpu"'))  # refused where there is none
    freqai["feature_parameters"] = {"label_period_candles": 4} | freqai.get(
        "feature_parameters", {}
    )
    given = freqai.get("model_training_parameters", {})
    prototype: CandleRegressor = RecurrentRegressor()
    if "__" in text or "pooled_members" in given:
        prototype = EnsembleRegressor()
    elif "network" in given:
        prototype = PretrainedRegressor()
        given["network"] = "bundled"  # the page's is yet to be written
    try:
        estimator_from_config({"freqai": freqai}, prototype)
        parallelism_from_config(freqai)
    except ValueError as error:
        return str(error)
    return ""


def test_a_page_begins_with_its_only_title_and_has_at_most_300_lines():
    breaches: list[str] = []
    for page in PAGES:
        lines = read(page).splitlines()
        titles = re.findall(r"^# .*$", prose_of(page), flags=re.MULTILINE)
        if not titles or titles != lines[:1]:
            breaches.append(f"{page}: the titles are {titles}")
        if len(lines) > (150 if page == "README.md" else 300):
            breaches.append(f"{page}: {len(lines)} lines")
    assert not breaches, "\n".join(breaches)


def leads_somewhere(page: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    if path.startswith(("http://", "https://")):
        return True
    target = ((ROOT / page).parent / path if path else ROOT / page).resolve()
    if not target.is_file():
        return False
    return not anchor or anchor in anchors_of(target.relative_to(ROOT).as_posix())


def test_every_relative_link_leads_to_a_file_and_a_heading():
    links = [(page, link) for page in PAGES for link in links_in(prose_of(page))]
    broken = [f"{page}: {link}" for page, link in links if not leads_somewhere(page, link)]
    assert not broken, "\n".join(broken)


def test_every_name_in_backticks_is_one_of_the_code():
    breaches = [f"{page}: `{name}`" for page in PAGES for name in unknown_names(prose_of(page))]
    assert not breaches, "\n".join(breaches)


def test_a_misspelt_name_is_noticed():
    unknown = {
        "`early_stoping_patience`": ["early_stoping_patience"],
        "`feature_parameters.label_period_candels`": ["label_period_candels"],
        "`LSTMRegresor`": ["LSTMRegresor"],
        "`--freqai-model X`": ["--freqai-model"],
        "`test_a_bot_without_faults`": ["test_a_bot_without_faults"],
        "`early_stopping_patience` `LSTMRegressor` `--freqaimodel` `a word` `x`": [],
    }
    assert {text: unknown_names(text) for text in unknown} == unknown


def test_every_code_block_says_its_language_and_python_is_python():
    breaches: list[str] = []
    for block in BLOCKS:
        with noted(breaches, block):
            assert block.language in LANGUAGES
            if block.language == "python":
                ast.parse(block.text)
    assert not breaches, "\n".join(breaches)


def test_every_json_block_is_a_configuration_that_the_model_takes():
    breaches: list[str] = []
    for block in (block for block in BLOCKS if block.language == "json"):
        with noted(breaches, block):
            error = setting_error(block.text)
            assert not error, error
    assert not breaches, "\n".join(breaches)


def test_a_setting_that_the_model_refuses_is_noticed():
    """An unknown name, a value out of range, one of the parallel part."""
    refused = ('{"hiden_size": 8}', '{"hidden_size": 1}', '{"n_jobs": 0}')
    texts = [f'{{"model_training_parameters": {values}}}' for values in refused]
    assert [text for text in texts if not setting_error(text)] == []


def test_the_log_line_of_a_training_is_worded_as_shown():
    X = np.random.default_rng(0).normal(size=(200, 2))
    settings = {"sequence_length": 3, "hidden_size": 4, "max_epochs": 1, "device": "cpu"}
    said = RecurrentRegressor(**settings, show_progress=False).fit(X, X[:, 0]).summary_

    def words(text: str) -> str:
        return re.sub(r"-?\d[\d.e-]*", "#", " ".join(text.split()))

    pages = {block.page for block in BLOCKS if words(block.text).startswith(words(said))}
    assert {"README.md", "docs/tutorial/backtest.md"} <= pages


def test_the_site_has_every_page_once_in_its_navigation():
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), yaml.BaseLoader)

    def files(entries: list) -> list[str]:
        targets = [next(iter(entry.values())) for entry in entries]
        return [
            file
            for target in targets
            for file in (files(target) if isinstance(target, list) else [target])
        ]

    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}
    listed = files(config["nav"])
    wrong = [n for n in sorted({*listed, *pages}) if listed.count(n) != (n in pages)]
    assert not wrong, "mkdocs.yml:\n" + "\n".join(wrong)


def test_the_model_of_ones_own_is_the_one_that_tests_run():
    breaches: list[str] = []
    for name in ("first_feature.py", "FirstFeatureRegressor.py"):
        with noted(breaches, name):
            file = ROOT / "tests/freqai/freqaimodels" / name
            assert f"{block_titled(name).text}\n" == file.read_text(encoding="utf-8")
    assert not breaches, "\n".join(breaches)


def test_a_block_in_a_list_and_a_title_are_read():
    text = 'a\n\n    ```python title="x.py"\n    b = 1\n    ```\nc `d`'
    blocks, around = parts_of("page", text)
    assert [tuple(block) for block in blocks] == [("page", 3, "python", "x.py", "b = 1")]
    assert around == "a\n\nc `d`"
