"""Fonts for names: DejaVu, which comes with matplotlib, and installed ones for the characters that it lacks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib import font_manager

from dimebench import own_matplotlib
from dimebench.analysis.summary import Summary

SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"
SERIF = "STIXGeneral"  # like Times; it comes with matplotlib too
OWN = "\N{MINUS SIGN}…τ"  # characters that figures have beside those of names
# Tried first where a character is missing, in this order; then every other font that is installed.
FIRST = (
    *(
        f"{family} {language}"
        for family in ("Noto Sans CJK", "Source Han Sans")
        for language in ("SC", "JP", "TC", "KR")
    ),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "IPAexGothic", "IPAGothic", "Unifont"),
)
MOST_FONTS = 4  # beside DejaVu


def families(texts: Iterable[str], first: str = SANS) -> list[str]:
    """The fonts that together show the texts, as far as any here do: `first`, then one for what the others lack.

    Without a need the first stands alone: a figure then does not depend on what is installed.
    """
    found, missing = [first], _characters(texts) - _has(first)
    for family in _others() if missing else ():
        covered = missing & _has(family)
        if covered:
            found.append(family)
            missing -= covered
        if not missing or len(found) > MOST_FONTS:
            break
    return found


def not_shown(texts: Iterable[str]) -> list[str]:
    """The characters that no font here shows, in order."""
    wanted = list(texts)
    shown = frozenset().union(*map(_has, families(wanted)))
    return sorted(_characters(wanted) - shown)


def texts_of(summary: Summary) -> list[str]:
    """The names that stand in its figures."""
    cited = [citation.variant for citation in summary.published]
    return [summary.suite, *summary.shown, *summary.tasks, *cited]


def rc_of(summary: Summary, first: str = SANS) -> dict[str, Any]:
    """The settings of matplotlib for a figure with these names, in that family as far as it has them."""
    family = families(texts_of(summary) if first == SANS else [*texts_of(summary), OWN], first)
    # Type 42 is for TrueType: what else a font file may hold is embedded as outlines.
    outlines = any(Path(_file(name)).suffix.lower() != ".ttf" for name in family)
    return {"font.family": family} | ({"pdf.fonttype": 3} if outlines else {})


def true_type(family: str) -> bool:
    """Whether the family is installed as TrueType, with a mark for all of ASCII."""
    here = _has(family)
    return {chr(code) for code in range(33, 127)} <= here and Path(_file(family)).suffix.lower() == ".ttf"


def _characters(texts: Iterable[str]) -> set[str]:
    """Those beyond ASCII that leave a mark on paper."""
    return {char for text in texts if not text.isascii() for char in text if char > "\x7f" and char.isprintable()}


def _others() -> Iterable[str]:
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    rest = sorted(name for name in installed - {*FIRST} if not name.startswith(("Last Resort", "STIX", "cm")))
    return [SANS, *(name for name in FIRST if name in installed), *rest]


@cache
def _has(family: str) -> frozenset[str]:
    """The characters of a font; none where it cannot be drawn from, as pictures of fixed size."""
    try:
        font = font_manager.get_font(_file(family))
    except Exception:  # a broken file
        return frozenset()
    return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()


@cache
def _file(family: str) -> str:
    """Where the font is. Raises ValueError where there is none of that family."""
    with own_matplotlib.importing():  # or a weight that it lacks is told of
        return str(font_manager.findfont(family, fallback_to_default=False))
