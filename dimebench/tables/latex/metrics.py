"""How wide a line of text is in a paper's type, and where a line may be parted.

The widths are those of the fonts' own metrics (Adobe's Times-Roman and Times-Bold, Knuth's cmr10 and cmbx10). Kerning
and ligatures only make a line narrower. Signs of mathematics are Computer Modern's in either family.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_JOINT = re.compile(r"[^ /:,=_+@.-]*[ /:,=_+@.-]*")
_TIMES = {
    200: "|",
    250: ",.",
    278: "/:;\\ijlt",
    333: "!'()-I[]`fr",
    389: "Js",
    444: "?acez",
    500: '"#$*0123456789_bdghknopquvxy^{}',
    556: "FPS~",
    611: "ELTZ",
    667: "BCR",
    722: "ADGHKNOQUVXYw",
    778: "&m+<=>\u2212",  # the last five: _SIGNS
    833: "%",
    889: "M",
    921: "@",
    944: "W",
}
_MODERN = {
    278: "!',.:;[]`il|",
    306: "fj",
    334: "-",
    362: "I",
    389: "()t",
    395: "rs",
    445: "cez",
    473: "?",
    500: '"$*/0123456789\\^ago{}~_',
    528: "Jkqvxy",
    556: "Sbdhnpu",
    625: "LZ",
    681: "EFP",
    723: "BCTw",
    750: "AHNRUVXY",
    778: "&+<=>@DKOQ\u2212",
    834: "#%Gm",
    917: "M",
    1028: "W",
}
_SIGNS = "+<=>\u2212"  # of mathematics
_SPACES = {"times": 250, "modern": 334}
_BOLD = {"times": 1.06, "modern": 1.16}
_SMALLER = {7: 1.14, 8: 1.063, 9: 1.028, 10: 1.0}  # Computer Modern is wider, for its size, the smaller it is
_WIDTHS = {
    family: {char: width for width, chars in widths.items() for char in chars}
    | dict.fromkeys(" \u00a0", _SPACES[family])
    for family, widths in (("times", _TIMES), ("modern", _MODERN))
}


@dataclass(frozen=True)
class Type:
    """A family ("times" or "modern") at a size in points."""

    family: str
    size: int

    def width(self, text: str, bold: bool = False) -> float:
        """Of the text on one line, in points; at most a little more than what TeX makes of it."""
        signs = sum(map(text.count, _SIGNS))
        letters = _units(self.family, text) - 778 * signs
        grown = _SMALLER[self.size]
        units = (grown if self.family == "modern" else 1.0) * letters + grown * 778 * signs
        return units * self.size * (_BOLD[self.family] if bold else 1.0) / 1000

    def folded(self, text: str, room: float) -> list[str]:
        """Lines of at most `room` points, ended where a name has a joint, else wherever the room ends."""
        lines = []
        for part in text.split("\n"):
            lines.append("")
            for piece in _pieces(part):
                if lines[-1] and self.width((lines[-1] + piece).rstrip()) > room:
                    lines.append("")
                if not lines[-1] and self.width(piece.rstrip()) > room:
                    *full, piece = self._cut(piece, room)
                    lines[-1:] = [*full, ""]
                lines[-1] += piece
        return [line.strip() for line in lines]

    def _cut(self, piece: str, room: float) -> list[str]:
        lines = [""]
        for char in piece:
            if lines[-1] and char != " " and self.width(lines[-1] + char) > room:
                lines.append("")
            lines[-1] += char
        return lines

    def longest_piece(self, text: str) -> float:
        """The width of what has no joint within it."""
        return max((self.width(piece.rstrip()) for part in text.split("\n") for piece in _pieces(part)), default=0.0)


@lru_cache(maxsize=50_000)
def _units(family: str, text: str) -> int:
    """The width in thousandths of the type's size."""
    widths = _WIDTHS[family]
    return sum(widths[char] if char in widths else _other(widths, char) for char in text)


def _other(widths: dict[str, int], char: str) -> int:
    wide = 1000 if unicodedata.east_asian_width(char) in "WF" else 850
    return widths.get(unicodedata.normalize("NFD", char)[0], wide)


def _pieces(text: str) -> list[str]:
    return [piece for piece in _JOINT.findall(text) if piece]
