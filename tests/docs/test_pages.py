"""The documentation says what there is: links lead somewhere, what pages name exists."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from dimebench.cli.main import COMMANDS
from dimebench.errors import INTERNAL, INTERRUPTED, NOT_COMPARABLE, OK, READER_GONE, SOME_FAILED, USAGE
from tests.cli.calls import process
from tests.docs.pages import PAGES, ROOT, fenced, name_of, without_code

LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"`((?:dimebench|tests|docs|benchmarks|suites)/[\w./-]*)(?:: (\w[\w.]*))?[^`\n]*`")
DOTTED = re.compile(r"\b(dimebench(?:\.[A-Za-z_]\w*)+)")
EXIT_CODES = {OK, INTERNAL, USAGE, SOME_FAILED, NOT_COMPARABLE, INTERRUPTED, READER_GONE}
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which also tells what was


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def found(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            here: object = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(here, part):
                return False
            here = getattr(here, part)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(without_code(page.read_text())):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


@pytest.mark.parametrize("page", CURRENT, ids=name_of)
def test_every_file_and_name_that_a_page_tells_of_exists(page: Path, made_by_recipes: set[str]) -> None:
    text = page.read_text()
    for path, attribute in NAMED.findall(text):
        if path in made_by_recipes:
            continue
        assert (ROOT / path).exists(), path
        if attribute:
            module = path.removesuffix(".py").replace("/", ".")
            assert found(f"{module}.{attribute}"), f"{path}: {attribute}"


def test_every_name_of_the_architecture_exists() -> None:
    names = set(DOTTED.findall((ROOT / "docs" / "architecture.md").read_text()))
    assert len(names) > 10
    assert [name for name in sorted(names) if not found(name)] == []


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text())}
    assert {page for page in PAGES if "docs" in page.parts} - linked == {index}


def test_every_command_that_a_page_types_is_one() -> None:
    known = {command.__name__.rstrip("_") for command in COMMANDS}
    for page in CURRENT:
        typed = re.findall(r"^ {4}dimebench ([a-z]+)", page.read_text(), re.MULTILINE)
        assert set(typed) <= known, page


def test_the_reference_has_every_command_and_every_exit_code() -> None:
    text = (ROOT / "docs" / "reference" / "commands.md").read_text()
    for command in COMMANDS:
        assert re.search(rf"^\| .*`{command.__name__.rstrip('_')}`.* \|", text, re.MULTILINE), command.__name__
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == EXIT_CODES


def test_every_make_target_that_a_page_types_is_one() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in CURRENT:
        assert set(re.findall(r"(?:^ +|`)make ([a-z]+)", page.read_text(), re.MULTILINE)) <= targets, page


def test_the_readme_is_short_and_shows_what_the_command_says(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    answer = process("compare", "dime", "sac", "--results", str(ROOT / "results" / "recorded"), cwd=tmp_path)
    shown = text.split("--results results/recorded\n\n", 1)[1].split("\n\n`", 1)[0]
    sentence, table = shown.split("[...]")
    assert " ".join(sentence.split()) in answer.out
    rows = [line.strip() for line in table.splitlines() if line.strip()]
    assert len(rows) == 4
    assert [row for row in rows if row not in answer.lines] == []


def test_no_block_is_left_open() -> None:
    for page in PAGES:
        assert page.read_text().count("```") == 2 * len(fenced(page.read_text())), page
