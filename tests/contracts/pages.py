"""Reads README and the pages of docs/: code blocks, tables, links, names in backticks."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FRONT = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = [
    *(name for name in FRONT if (ROOT / name).is_file()),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[^"]*)")?.*$')


class Block(NamedTuple):
    """A code block; ``title`` is the file it is to be saved as."""

    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@contextmanager
def noted(breaches: list[str], place: object) -> Iterator[None]:
    """Collect an error with its place and go on, so that a test shows all of them at once."""
    try:
        yield
    except (Exception, SystemExit) as error:  # SystemExit: a parser refuses a command
        breaches.append(f"{place}: {type(error).__name__}: {error}")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def parts_of(page: str, text: str) -> tuple[list[Block], str]:
    """The code blocks of a page, and what stands around them."""
    blocks, around, opened = [], [], None
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fence = FENCE.match(line)
        if opened is None and fence:
            opened, inside = (number, fence), []
        elif opened is None:
            around.append(line)
        elif line.strip() == "```":
            first, fence = opened
            indent = len(fence["indent"])
            code = "\n".join(entry[indent:] for entry in inside)
            blocks.append(Block(page, first, fence["language"], fence["title"] or "", code))
            opened = None
        else:
            inside.append(line)
    assert opened is None, f"{page}: a code block does not end"
    return blocks, "\n".join(around)


def blocks_of(page: str) -> list[Block]:
    return parts_of(page, read(page))[0]


def prose_of(page: str) -> str:
    return parts_of(page, read(page))[1]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def block_titled(title: str) -> Block:
    (found,) = [block for block in BLOCKS if block.title == title]
    return found


def commands_in(block: Block) -> list[list[str]]:
    """The words of each command of a block, comments left out, as in a POSIX shell."""
    text = block.text
    if block.language == "powershell":
        text = text.replace(".venv\\Scripts\\", "").replace("\\", "/")
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def names_in(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`\n]+)`", text)


def links_in(text: str) -> list[str]:
    """Targets of Markdown links and pictures, those in backticks left out."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]+`", "", text))


def anchors_of(page: str) -> set[str]:
    """The anchors that mkdocs and GitHub make of a page's headings."""
    found = set()
    for heading in re.findall(r"^#+ +(.+)$", prose_of(page), flags=re.MULTILINE):
        given = re.search(r"\{#([\w-]+)\}$", heading)
        plain = re.sub(r"[^\w\s-]", "", heading.lower()).strip()
        found.add(given[1] if given else re.sub(r"[\s-]+", "-", plain))
    return found


def tables_of(page: str) -> dict[str, list[list[str]]]:
    """The cells of each table's rows, by the heading before it; a second one goes on below it."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in prose_of(page).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            found.setdefault(heading, []).append(cells)
    return {heading: without_head(rows) for heading, rows in found.items()}


def without_head(rows: list[list[str]]) -> list[list[str]]:
    """Leave out headings, which stand above a line of dashes."""
    dashes = [n for n, row in enumerate(rows) if re.fullmatch(r"[-: ]+", "".join(row))]
    heads = set(dashes) | {n - 1 for n in dashes}
    return [row for n, row in enumerate(rows) if n not in heads]


def code_of(cell: str) -> str:
    """What a cell has in its first backticks."""
    return names_in(cell)[0]
