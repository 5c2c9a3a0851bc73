"""A figure being drawn, with what the page needs to know of it: which variant each artist shows, and the numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dimebench.analysis.summary import Summary

Numbers = Iterable[float]
MARK = "variant"  # an SVG id `variant-3-17`: artist 17 of its figure, of variant 3


def numbers_of(summary: Summary) -> dict[str, int]:
    """Every variant's number in the page: those shown, then the published ones."""
    names = [*summary.shown, *(citation.variant for citation in summary.published)]
    return {name: number for number, name in enumerate(names)}


class Drawing:
    """A figure of a summary; artists are marked with their variant, panels get their numbers."""

    def __init__(self, summary: Summary, width: float, height: float) -> None:
        """width, height: inches."""
        self.figure = Figure(figsize=(width, height))
        self._numbers = numbers_of(summary)
        # what each panel shows under the pointer
        self._hovers: dict[Axes, dict[str, list[Any]]] = defaultdict(lambda: {"curves": [], "places": []})
        self._marked = 0

    def mark(self, variant: str, *artists: Artist) -> None:
        """Say that artists show the variant."""
        for artist in artists:
            self._marked += 1
            artist.set_gid(f"{MARK}-{self._numbers[variant]}-{self._marked}")

    def add_curve(
        self, axes: Axes, variant: str, x: Numbers, y: Numbers, low: Numbers | None, high: Numbers | None
    ) -> None:
        """The numbers of a curve, to be shown at the pointer's x."""
        series: dict[str, Any] = {"v": self._numbers[variant], "x": _short(x), "y": _short(y)}
        if low is not None and high is not None:
            series |= {"low": _short(low), "high": _short(high)}
        self._hovers[axes]["curves"].append(series)

    def add_text(
        self, axes: Axes, variant: str, x: float, y: float, text: str, xs: Sequence[float] | None = None
    ) -> None:
        """A text for a place of a panel: data coordinates, `xs` its reach along x (default: the whole width)."""
        place = {"v": self._numbers[variant], "x": x, "y": y, "text": text, "xs": list(xs) if xs else None}
        self._hovers[axes]["places"].append(place)

    def panels(self) -> list[dict[str, Any]]:
        """After drawing: each panel's box in fractions of the figure (y down), its limits and its numbers."""
        found = []
        for axes in self.figure.axes:
            if axes not in self._hovers:
                continue
            box = axes.get_position()
            sides = [box.x0, 1 - box.y1, box.x1, 1 - box.y0]
            x, y = axes.get_xlim(), axes.get_ylim()
            limits = {"x": [float(v) for v in x], "y": [float(v) for v in y], "log": axes.get_xscale() == "log"}
            about = {"box": [round(float(side), 5) for side in sides], **limits, "title": axes.get_title("left")}
            found.append(about | self._hovers[axes])
        return found


def _short(values: Numbers) -> list[float]:
    """Five significant digits: what a tooltip can show."""
    return [float(f"{value:.5g}") for value in values]
