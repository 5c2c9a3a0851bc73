"""What the tests of the documentation share: the pages, and the fenced blocks in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def fenced(text: str) -> list[tuple[str, str]]:
    """The language and the content of each fenced block."""
    return [(match[1], match[2]) for match in _FENCE.finditer(text)]


def without_code(text: str) -> str:
    """The text without fenced and indented blocks."""
    return "\n".join(line for line in _FENCE.sub("", text).splitlines() if not line.startswith("    "))
