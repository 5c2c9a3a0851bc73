"""A variant's key: a short piece of its line with its marker, as SVG, for chips, tables and legends of a page."""

from __future__ import annotations

from functools import cache

from markupsafe import Markup
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path

from dimebench.figures.style import RC, VariantStyle, series_index

WIDTH, HEIGHT = 32, 12
LINE = 1.3  # thinner than in figures, so that its dashes have room
LETTER = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}


@cache
def key_svg(style: VariantStyle, open: bool = False) -> Markup:
    """The line with its dashes and its marker in the page's colour of the style; `open`: the marker is not filled.

    32 x 12, for an element of HTML; hidden from screen readers, which read the name beside it.
    """
    colour = f"var(--series-{series_index(style)})"
    dashes = " ".join(f"{LINE * length:.4g}" for length in style.dashes)
    pattern = f' stroke-dasharray="{dashes}"' if dashes else ""
    fill = "var(--paper)" if open else colour
    return Markup(  # numbers and names of this module alone
        f'<svg class="key" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">'
        f'<path d="M0 {HEIGHT // 2}H{WIDTH}" fill="none" stroke="{colour}" stroke-width="{LINE}"{pattern}></path>'
        f'<path d="{_outline(style.marker)}" fill="{fill}" stroke="{colour}"></path></svg>'
    )


def _outline(marker: str) -> str:
    """matplotlib's own marker as the `d` of a path, in the middle of the key."""
    shape = MarkerStyle(marker)
    size = RC["lines.markersize"]
    written = []
    for points, code in shape.get_path().transformed(shape.get_transform()).iter_segments():
        at = [
            f"{WIDTH / 2 + size * value:.4g}" if axis % 2 == 0 else f"{HEIGHT / 2 - size * value:.4g}"
            for axis, value in enumerate(points)
        ]
        letter = LETTER[code]
        written.append(letter if letter == "Z" else letter + " ".join(at))
    return "".join(written)
