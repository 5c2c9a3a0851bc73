"""The source of a table's parts: rows, headings, numbers aligned in their column. Needs the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dimebench.tables.latex.text import latex_text

_NUMERIC = re.compile(r"[0-9.,+\u2212<%\[\]\u2013 ]*")
_NUMBER = re.compile(r"([<+\u2212]?)([\d,]+)((?:\.\d+)?%?)")
_SIGNS = str.maketrans(
    {"\u2212": "$-$", "+": "$+$", "<": "$<$", "%": r"\%", "\u2013": "--"}
)  # of one width in every font
_LONG = 12  # characters of a word that a caption may part
UNBROKEN = 20  # characters without a joint, at most


def written(text: str) -> str:
    """A line as LaTeX: a number's signs are those of mathematics, names are escaped."""
    return text.translate(_SIGNS) if _NUMERIC.fullmatch(text) else latex_text(text)


def caption_text(text: str) -> str:
    """A caption as LaTeX: long names may be parted where they have a joint, or after some characters."""
    return " ".join(_parted(word) if len(word) > _LONG else latex_text(word) for word in text.split(" "))


def _parted(word: str) -> str:
    pieces = re.findall(rf"[^/:,=_+@.-]{{1,{UNBROKEN}}}[/:,=_+@.-]*|[/:,=_+@.-]+", word)
    if not re.search(r"[/:,=_+@.\d-]", word.rstrip(".,:;")):
        return latex_text(word)  # a word of prose, which TeX parts itself
    return r"\allowbreak{}".join(latex_text(piece) for piece in pieces)


def aligned(numbers: Sequence[str], bold: Sequence[bool], marks: Sequence[str]) -> list[str]:
    """The numbers of a column, all made as wide as the widest on either side of the decimal point."""
    found = [_NUMBER.fullmatch(text) for text in numbers]
    known = [each.groups() for each in found if each]
    signed = any(sign for sign, _, _ in known)
    whole = max((digits for _, digits, _ in known), key=len, default="")
    rest = max((tail for _, _, tail in known), key=len, default="")
    lines = []
    for text, each, heavy, mark in zip(numbers, found, bold, marks, strict=True):
        line = rf"\textbf{{{written(text)}}}" if heavy and text else written(text)
        line += rf"\rlap{{$^{{{mark}}}$}}" if mark else ""
        if each:
            sign, digits, tail = each.groups()
            before = whole[: len(whole) - len(digits)] + "\u2212" * (signed and not sign)
            line = _phantom(before) + line + _phantom(rest[len(tail) :])
        lines.append(line)
    return lines


def _phantom(text: str) -> str:
    """Its width alone; all digits are equally wide."""
    return rf"\phantom{{{written(re.sub('[1-9]', '0', text))}}}" if text else ""


def row(cells: Iterable[str], after: str = "") -> str:
    r"""A row; `after` is the space below it. The `\\` of the row before would take a bracket or star for its own."""
    line = " & ".join(cells).rstrip() + rf" \\{after}"
    return "{}" + line if line.startswith(("[", "*")) else line
