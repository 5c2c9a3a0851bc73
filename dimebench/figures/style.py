"""Colours and type of the figures, on paper and on screen, by day and by night.

A variant keeps its colour wherever it is drawn. The series colours are told apart under the common
colour-vision deficiencies; marker and line style repeat the distinction, so that it survives grey ink.
Inside a page the light colours are replaced by CSS variables, which also know the dark ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from dimebench.analysis.published import PEERS

INK, MUTED, GRID, PAPER = "#1d2733", "#5c6773", "#d5dbe1", "#fefefe"


LineStyle = Literal["-", "--", "-.", ":"]


@dataclass(frozen=True)
class VariantStyle:
    """How one variant is drawn; `light` on white, `dark` on a dark page."""

    light: str
    dark: str
    marker: str
    line: LineStyle


SERIES = (
    VariantStyle("#0067b1", "#5cb3ff", "o", "-"),  # blue
    VariantStyle("#cc4400", "#ff9457", "s", "-"),  # vermilion
    VariantStyle("#00856f", "#2fd3b0", "D", "-"),  # bluish green
    VariantStyle("#a8328a", "#ee7fc8", "^", "-"),  # purple
    VariantStyle("#c49a00", "#e6c229", "v", "-"),  # ochre
    VariantStyle("#4b9fcb", "#b5e3ff", "P", "-"),  # sky
    VariantStyle("#5a3a2c", "#a8806a", "X", "-"),  # brown
)
FLOOR = VariantStyle("#868e97", "#98a3af", ".", "--")
FIRST = ("dime", "sac", "crossq")  # the variants whose colours never change
LINES: tuple[LineStyle, ...] = ("-", "--", "-.", ":")

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


def styles(variants: Sequence[str], floor: str | None) -> dict[str, VariantStyle]:
    """The style of every variant. Fixed for `dime`, `sac`, `crossq` and the floor; by name for the others."""
    found = {name: SERIES[index] for index, name in enumerate(FIRST) if name in variants}
    for index, name in enumerate(sorted(set(variants) - {*FIRST, floor})):
        base = SERIES[(len(FIRST) + index) % len(SERIES)]
        turn = (len(FIRST) + index) // len(SERIES)
        found[name] = VariantStyle(base.light, base.dark, base.marker, LINES[turn % len(LINES)])
    return found | ({floor: FLOOR} if floor else {})


def cited_style(variant: str) -> VariantStyle:
    """The style of a published reference: its peer's colour, where the peer's colour never changes."""
    own = next((name for name, reference in PEERS.items() if reference == variant and name in FIRST), None)
    return SERIES[FIRST.index(own)] if own else VariantStyle(FLOOR.light, FLOOR.dark, "o", ":")


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
