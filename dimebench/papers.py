"""The paper formats that a report can be written for: widths, height and type of their text.

Lengths in points of TeX (72.27 to the inch). Sources: neurips_2025.sty (`textwidth` 5.5 inches, 10 pt Times),
icml2025.sty (columns of 3.25 inches, 0.25 apart; 10 pt Times), and LaTeX's own `article` at 10 pt.
"""

from __future__ import annotations

from dataclasses import dataclass

POINTS = 72.27  # of TeX, in an inch


@dataclass(frozen=True)
class Paper:
    """A format: the widths of a column and of the whole text in points, the body's size, its families of type."""

    name: str
    column_pt: float
    text_pt: float
    body_pt: float
    families: tuple[str, ...]  # of a figure's text, the first one that is installed
    height_pt: float  # of a page's text

    @property
    def two_columns(self) -> bool:
        return self.column_pt < self.text_pt


_TIMES = ("Times New Roman", "Times", "Nimbus Roman", "TeX Gyre Termes", "Liberation Serif", "STIXGeneral")
_MODERN = ("Latin Modern Roman", "CMU Serif", "cmr10", "STIXGeneral")

PAPERS = {
    paper.name: paper
    for paper in (
        Paper("neurips", 5.5 * POINTS, 5.5 * POINTS, 10.0, _TIMES, 9 * POINTS),
        Paper("icml", 3.25 * POINTS, 6.75 * POINTS, 10.0, _TIMES, 9 * POINTS),
        Paper("plain", 345.0, 345.0, 10.0, _MODERN, 550.0),
    )
}
