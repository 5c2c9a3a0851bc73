"""Colours and type of the figures, on paper and on screen, by day and by night.

A variant keeps its colour, marker and dashes wherever it is drawn. The series colours are told apart under the common
colour-vision deficiencies (`tests/figures/test_style.py` has the distances) and stand out from the paper at 3:1 or
more. Any two variants differ in marker or dashes too, so that they are told apart in grey ink; and in two of colour,
marker and dashes, for up to 42 of them.
Inside a page the light colours are replaced by CSS variables, which also know the dark ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from dimebench.analysis.published import PEERS
from dimebench.analysis.summary import Summary

INK, MUTED, GRID, PAPER = "#1d2733", "#5c6773", "#d5dbe1", "#fefefe"


Dashes = tuple[float, ...]  # lengths of dash and gap in turn, in line widths; empty: a solid line


@dataclass(frozen=True)
class VariantStyle:
    """How one variant is drawn; `light` on white, `dark` on a dark page."""

    light: str
    dark: str
    marker: str  # as matplotlib names it
    dashes: Dashes = ()

    @property
    def line(self) -> Any:
        """The dashes as matplotlib's `linestyle`."""
        return (0, self.dashes) if self.dashes else "-"


SERIES = (
    VariantStyle("#0067b1", "#5cb3ff", "o"),  # blue
    VariantStyle("#cc4400", "#ff9457", "s"),  # vermilion
    VariantStyle("#00856f", "#2fd3b0", "D"),  # bluish green
    VariantStyle("#981675", "#c74cc5", "^"),  # purple
    VariantStyle("#c68201", "#f5d71e", "v"),  # ochre
    VariantStyle("#3b95e3", "#b1f7fc", "P"),  # sky
    VariantStyle("#652512", "#8b6e4c", "X"),  # brown
)
DASHES: tuple[Dashes, ...] = (
    (),
    (3.0, 1.4),  # dashed
    (5.2, 1.4, 1.2, 1.4),  # dash, dot
    (8.0, 2.0),  # long dashes
    (4.4, 1.2, 1.2, 1.2, 1.2, 1.2),  # dash, dot, dot
    (7.0, 1.4, 2.6, 1.4),  # long and short dashes
)
DOTTED: Dashes = (1.0, 1.65)  # of published references alone
FLOOR = VariantStyle("#868e97", "#98a3af", ".", DASHES[1])
FIRST = ("dime", "sac", "crossq")  # the variants whose styles never change

PAGE_COLOURS = {
    "ink": (INK, "#e4e9ee"),
    "muted": (MUTED, "#a3aebb"),
    "grid": (GRID, "#333d48"),
    "paper": (PAPER, "#12171d"),
}

RC: dict[str, Any] = {
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # a `$` in a name is a dollar
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.0,
    "svg.fonttype": "path",
    "svg.hashsalt": "dimebench",  # the same figure is the same file
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}


def styles_of(summary: Summary) -> dict[str, VariantStyle]:
    """The style of everything in a summary: its variants, its floor, and its published references."""
    stored = summary.stored_name  # a variant keeps its style under another name
    own, cited = list(summary.shown), [citation.variant for citation in summary.published]
    found = styles(list(map(stored, own)), summary.floor and stored(summary.floor), list(map(stored, cited)))
    return {name: found[stored(name)] for name in (*own, *cited)}


def styles(variants: Sequence[str], floor: str | None, cited: Sequence[str] = ()) -> dict[str, VariantStyle]:
    """The style of every variant and published reference.

    Fixed for `dime`, `sac`, `crossq` and the floor; by name for the others. A reference has the colour of the fixed
    variant that is the same algorithm, else one that the variants leave; its line is dotted.
    """
    found = {name: SERIES[index] for index, name in enumerate(FIRST) if name in variants}
    others = sorted(set(variants) - {*FIRST, floor})
    found |= {name: _turned(len(FIRST) + index) for index, name in enumerate(others)}
    own = {PEERS[name]: SERIES[index] for index, name in enumerate(FIRST)}
    strange = sorted(set(cited) - {*own})
    theirs = own | {name: _turned(len(FIRST) + len(others) + index) for index, name in enumerate(strange)}
    found |= {name: replace(theirs[name], dashes=DOTTED) for name in cited}
    return found | ({floor: FLOOR} if floor else {})


def _turned(index: int) -> VariantStyle:
    """The style at a place of the sequence: with each turn of the colours, other dashes and other markers."""
    turn, place = divmod(index, len(SERIES))
    marker = SERIES[(place + 3 * turn) % len(SERIES)].marker
    return replace(SERIES[place], marker=marker, dashes=DASHES[turn % len(DASHES)])


def series_index(style: VariantStyle) -> int:
    """The number of its CSS colour, `--series-N`."""
    return [each.light for each in (*SERIES, FLOOR)].index(style.light)


def css_variables(dark: bool) -> str:
    """The page's colours as CSS declarations."""
    pairs = {**PAGE_COLOURS, **{f"series-{i}": (s.light, s.dark) for i, s in enumerate((*SERIES, FLOOR))}}
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in pairs.items())


@cache
def variable_of() -> dict[str, str]:
    """Light colour as drawn -> the CSS variable that stands for it in a page."""
    found = {light: f"var(--{name})" for name, (light, _) in PAGE_COLOURS.items()}
    return found | {style.light: f"var(--series-{i})" for i, style in enumerate((*SERIES, FLOOR))}


def label(name: str, width: int = 30) -> str:
    """A name for a figure: on one line, and not longer than there is room for."""
    text = json.dumps(name, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text if len(text) <= width else f"{text[: width - 1]}…"
