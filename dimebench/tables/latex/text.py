"""Text for LaTeX: what pdflatex shows without a package as commands, and what the rest needs.

pdflatex knows accented Latin letters in UTF-8 (since 2018). Greek letters and symbols are written as mathematics,
which every engine knows. For other scripts the file says how to compile it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from dimebench.errors import printable, shorten

_SPECIAL = {
    **{char: "\\" + char for char in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "`": r"\`{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
}
_JOINED = "-',"  # two of them would become one sign
_TYPE = {
    "\u00a0": "~",
    "\u202f": r"\,",
    "\u2009": r"\,",
    "\u00ad": r"\-",  # spaces, and where a word may be parted
    "\u2010": "-",
    "\u2011": "-",
    "\u2013": "--",
    "\u2014": "---",
    "\u2026": r"\ldots{}",
    "\u2018": "`",
    "\u2019": "'",
    "\u201c": "``",
    "\u201d": "''",
    "¡": "!`",
    "¿": "?`",
    "§": r"\S{}",
    "¶": r"\P{}",
    "©": r"\copyright{}",
    "£": r"\pounds{}",
}
_MATHS = {
    "\u2212": "-",
    "\u00d7": r"\times",
    "÷": r"\div",
    "±": r"\pm",
    "·": r"\cdot",
    "¬": r"\neg",
    "∞": r"\infty",
    "≤": r"\leq",
    "≥": r"\geq",
    "≠": r"\neq",
    "≈": r"\approx",
    "∈": r"\in",
    "∑": r"\sum",
    "√": r"\surd",
    "←": r"\leftarrow",
    "→": r"\rightarrow",
    "↑": r"\uparrow",
    "↓": r"\downarrow",
    "∂": r"\partial",
    "°": r"^\circ",
    "¹": "^1",
    "²": "^2",
    "³": "^3",
    "µ": r"\mu",
    "∇": r"\nabla",
    "ϵ": r"\epsilon",
    "ς": r"\varsigma",
    "ϑ": r"\vartheta",
    "ϕ": r"\phi",
    "φ": r"\varphi",
    "ε": r"\varepsilon",
}
_SMALL = {
    *("alpha", "beta", "gamma", "delta", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"),
    *("nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "chi", "psi", "omega"),
}
_CAPITAL = {"gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"}
_AS_LATIN = {  # Greek letters that TeX has no commands for
    "\u0391": "A",
    "\u0392": "B",
    "\u0395": "E",
    "\u0396": "Z",
    "\u0397": "H",
    "\u0399": "I",
    "\u039a": "K",
    "\u039c": "M",
    "\u039d": "N",
    "\u039f": "O",
    "\u03a1": "P",
    "\u03a4": "T",
    "\u03a7": "X",
    "\u03bf": "o",
}
_MATH_ACCENTS = {"\u0301": r"\acute", "\u0308": r"\ddot"}
_ACCENTS = {  # over or under a letter, in every encoding of fonts
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
    "\u0331": "b",
}
T1 = r"\usepackage[T1]{fontenc}"
_LETTERS = set("ßæœøłıÆŒØŁ")  # as they are
_T1 = set("ÐðÞþĐđŊŋĄąĘęĮįŲų«»„\u201a\u2039\u203a")


def latex_text(text: str) -> str:
    """The text as LaTeX; on one line, and what pdflatex does not know as it is."""
    line = _line(text)
    pairs = zip(" " + line, line, strict=False)
    return "".join("{}" + char if char == before and char in _JOINED else _of(char) for before, char in pairs)


def latex_needs(texts: Iterable[str]) -> list[str]:
    """Comment lines that say what such texts need; none where they compile as they are."""
    encoded, other = beyond_pdflatex(texts)
    lines = []
    if encoded and not other:
        lines.append(f"% {encoded}: {T1}")
    if other:
        lines.append(f"% {shorten(other)}: pdflatex does not know them. Compile with lualatex or xelatex, and")
        lines.append(r"% \usepackage{fontspec} \setmainfont{a font that has them, such as Noto Serif CJK SC}")
    return lines


def beyond_pdflatex(texts: Iterable[str]) -> tuple[str, str]:
    """The characters that need the package `T1`, and those that need another engine; texts may be LaTeX already."""
    given = {char for text in texts for char in _line(text) if _of(char) == char}
    rest = {char for char in given if not char.isascii() and not _is_accented(char)} - _LETTERS
    return "".join(sorted(rest & _T1)), "".join(sorted(rest - _T1))


def _line(text: str) -> str:
    """The text on one line, letters with their accents as one character where there is one."""
    return unicodedata.normalize("NFC", "".join(char if char in _TYPE else printable(char) for char in text))


def _parted(char: str) -> tuple[str, str]:
    """A letter, and the accents on it."""
    parts = unicodedata.normalize("NFD", char)
    return parts[0], parts[1:]


def _of(char: str) -> str:
    if char.isascii():
        return _SPECIAL.get(char, char)
    maths = _in_maths(char)
    if maths:
        return rf"\ensuremath{{{maths}}}"
    if char in _TYPE:
        return _TYPE[char]
    base, marks = _parted(char)
    if _is_accented(char) and ord(char) > 0x17F:
        return rf"\{_ACCENTS[marks[0]]}{{{base}}}"
    return "" if unicodedata.category(char) == "Cf" else char


def _is_accented(char: str) -> bool:
    """Whether it is a letter of ASCII with one accent that TeX has."""
    base, marks = _parted(char)
    return base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS


def _in_maths(char: str) -> str:
    """The character as mathematics; "" where it is none. A Greek letter may have one accent."""
    base, marks = _parted(char)
    if marks:
        letter = _in_maths(base) if all(mark in _MATH_ACCENTS for mark in marks) and len(marks) == 1 else ""
        return rf"{_MATH_ACCENTS[marks[0]]}{{{letter}}}" if letter else ""
    if char in _MATHS:
        return _MATHS[char]
    if char in _AS_LATIN:
        return rf"\mathrm{{{_AS_LATIN[char]}}}"
    kind, _, name = unicodedata.name(char, "").removeprefix("GREEK ").partition(" LETTER ")
    name = "lambda" if name == "LAMDA" else name.lower()
    if kind == "SMALL" and name in _SMALL:
        return "\\" + name
    return "\\" + name.capitalize() if kind == "CAPITAL" and name in _CAPITAL else ""
