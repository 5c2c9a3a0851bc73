"""The recipes of CONTRIBUTING.md, by what they add."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, fenced


@pytest.fixture(scope="session")
def recipes() -> dict[str, list[tuple[str, str]]]:
    """Heading -> the fenced blocks, in order."""
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## Recipes\n", 1)[1]
    _, *parts = re.split(r"^### (.+)$", text, flags=re.MULTILINE)
    return {title: fenced(body) for title, body in zip(parts[::2], parts[1::2], strict=True)}


@pytest.fixture(scope="session")
def made_by_recipes(recipes: dict[str, list[tuple[str, str]]]) -> set[str]:
    """The files that a reader makes: those that blocks name alone in their first line, and the algorithm's page."""
    first = [content.partition("\n")[0].removeprefix("# ") for blocks in recipes.values() for _, content in blocks]
    return {line for line in first if "/" in line and " " not in line} | {"docs/algorithms/linear.md"}
