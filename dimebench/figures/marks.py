"""What a drawing tells the page beside its ink: which variant an artist shows, and the numbers under the pointer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dimebench.analysis.summary import Summary

MARK = "variant"  # an SVG id `variant-3-17`: artist 17 of its figure, of variant 3


def numbers_of(summary: Summary) -> dict[str, int]:
    """Every variant's number in the page: those shown, then the published ones."""
    names = [*summary.shown, *(citation.variant for citation in summary.published)]
    return {name: number for number, name in enumerate(names)}


def mark(axes: Axes, number: int, *artists: Artist) -> None:
    """Say that artists show the variant of this number."""
    figure: Any = axes.figure
    for artist in artists:
        figure.marked = getattr(figure, "marked", 0) + 1
        artist.set_gid(f"{MARK}-{number}-{figure.marked}")


def tell_curve(
    axes: Axes, number: int, x: Iterable[float], y: Iterable[float], low: Any = None, high: Any = None
) -> None:
    """The numbers of a curve, to be shown at the pointer's x."""
    series = {"v": number, "x": _short(x), "y": _short(y)}
    if low is not None and high is not None:
        series |= {"low": _short(low), "high": _short(high)}
    _hover(axes, "curves").append(series)


def tell_place(axes: Axes, number: int, x: float, y: float, text: str, xs: tuple[float, float] | None = None) -> None:
    """A text for a place of the figure: data coordinates, `xs` its reach along x (default: the whole width)."""
    _hover(axes, "places").append({"v": number, "x": x, "y": y, "text": text, "xs": list(xs) if xs else None})


def panels(figure: Figure) -> list[dict[str, Any]]:
    """After drawing: each panel's box in fractions of the figure (y down), its limits and what it told."""
    found = []
    for axes in figure.axes:
        told = getattr(axes, "told", None)
        if not told:
            continue
        box = axes.get_position()
        sides = [box.x0, 1 - box.y1, box.x1, 1 - box.y0]
        x, y = axes.get_xlim(), axes.get_ylim()
        limits = {"x": [float(v) for v in x], "y": [float(v) for v in y], "log": axes.get_xscale() == "log"}
        found.append(
            {"box": [round(float(side), 5) for side in sides], **limits, "title": axes.get_title("left"), **told}
        )
    return found


def _hover(axes: Any, kind: str) -> list[dict[str, Any]]:
    if not hasattr(axes, "told"):
        axes.told = {"curves": [], "places": []}
    return axes.told[kind]


def _short(values: Iterable[float]) -> list[float]:
    """Five significant digits: what a tooltip can show."""
    return [float(f"{value:.5g}") for value in values]
