"""How large a figure and its type are, and what of it is drawn: for a report, its page, or a paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from dimebench.analysis.summary import Summary
from dimebench.figures import fonts
from dimebench.figures.style import RC
from dimebench.papers import POINTS, Paper

SPARED = 2.0  # points by which a figure's text is smaller than that of the body of a paper
SMALLEST = 6.0  # points: no text of a figure is smaller
GLYPH = 0.56  # mean width of a character, in sizes of its type


@dataclass(frozen=True)
class Look:
    """Widths in inches, sizes of type in points."""

    width: float = 7.2
    size: float = 9.0  # of axes' labels
    small: float = 8.0  # of ticks and of remarks
    family: str = fonts.SANS
    legend: bool = True

    @property
    def names(self) -> float:
        """Size of the names of rows."""
        return max(self.small, self.size - 0.5)

    def letters(self, inches: float) -> int:
        """About how many characters of a name have room there."""
        return max(6, int(inches * 72 / (GLYPH * self.names)))

    def inches(self, letters: int) -> float:
        """About how wide a name of so many characters is."""
        return GLYPH * self.names * letters / 72

    @property
    def room(self) -> int:
        """Characters of a name beside the rows of a figure."""
        return self.letters(min(2.0, 0.36 * self.width))

    def columns(self, panels: int, least: float, beside: float = 0.0) -> int:
        """How many panels of at least so many inches stand in a row, about as many in each.

        beside: what the first one's names take.
        """
        most = max(1, min(panels, int((self.width - beside) / least)))
        return -(-panels // -(-panels // most))

    def rc(self, summary: Summary) -> dict[str, Any]:
        """The settings of matplotlib for a figure of the summary with this look."""
        title = self.size + 0.5
        return RC | {
            **fonts.rc_of(summary, self.family),
            "font.size": self.size,
            "axes.titlesize": title,
            "xtick.labelsize": self.small,
            "ytick.labelsize": self.small,
            "legend.fontsize": self.names,
        }


REPORT = Look()
PAGE = replace(REPORT, legend=False)  # the page has one legend for all


def paper_looks(paper: Paper) -> dict[str, Look]:
    """The looks of a paper's figures by what their files' names end in: as wide as the text, and as a column of it.

    Text is as large as the body's, less `SPARED`, where the file is included in its own size.
    """
    size = max(SMALLEST, paper.body_pt - SPARED)
    look = Look(paper.text_pt / POINTS, size, size, _family(paper.families))
    column = replace(look, width=paper.column_pt / POINTS)
    return {"": look} | ({"-column": column} if paper.two_columns else {})


def _family(families: Iterable[str]) -> str:
    """The first of the families that is here as TrueType: others would be Type 3 in a PDF, which journals refuse."""
    return next((family for family in families if fonts.true_type(family)), fonts.SERIF)
