"""matplotlib's SVG files made fit to stand inside one page: no fetches, no colliding ids, themed colours."""

from __future__ import annotations

import html
import re

from markupsafe import Markup

from dimebench.figures.marks import MARK
from dimebench.figures.style import variable_of

_TAG = re.compile(r"<[^>]*>")
PIXELS = 1.54  # of the page for each point of a drawing, so that its text is as large as the page's
_LONG = re.compile(r"(\d\.\d)\d+")  # a tenth of a point is less than a pixel


def inline(svg: str, prefix: str, description: str) -> Markup:
    """The <svg> element of a file, for a page.

    `prefix` sets its ids apart from those of the page's other figures; `description` is read out by a
    screen reader. Text is matplotlib's own, which escapes it; only tags are rewritten here.
    """
    body = svg[svg.index("<svg") :]
    for unwanted in (r"<metadata>.*?</metadata>", r"<style.*?</style>", r"<!--.*?-->"):
        body = re.sub(unwanted, "", body, flags=re.DOTALL)
    body = _TAG.sub(lambda tag: _rewrite(tag.group(), prefix), body)
    wide = re.search(r'viewBox="0 0 ([\d.]+) ', body)
    full = f' style="--full: {float(wide.group(1)) * PIXELS:.0f}px"' if wide else ""
    opening = f'<svg role="img" aria-label="{html.escape(description, quote=True)}"{full}'
    return Markup(body.replace("<svg", opening, 1).strip())


def _rewrite(tag: str, prefix: str) -> str:
    """One tag with prefixed ids and references, page colours, and without XML names and fixed sizes."""
    if "=" not in tag:
        return tag
    tag = re.sub(r'\s(?:xmlns(?::\w+)?|version)="[^"]*"', "", tag)
    tag = re.sub(rf'\sid="{MARK}-(\d+)-\d+"', r' data-v="\1"', tag)
    tag = re.sub(r'\sid="([^"]+)"', rf' id="{prefix}-\1"', tag)
    tag = re.sub(r'\sd="[^"]+"', lambda path: _LONG.sub(r"\1", path.group()), tag)
    tag = re.sub(r'\s(?:xlink:)?href="#([^"]+)"', rf' href="#{prefix}-\1"', tag)
    tag = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", tag)
    for colour, variable in variable_of().items():
        tag = tag.replace(colour, variable)
    return tag
