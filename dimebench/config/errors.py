"""The one exception of this room, and the words that help a reader out of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST_QUOTE = 60  # characters of a user's own text shown back in a message


class ConfigError(Exception):
    """A suite, a word or a setting that cannot be used. The message is one complete, printable line."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of a message about an unknown name: "" or " (nearest: a, b)" or " (known: a, b, ...)".

    Case does not count. Up to three names that are close, and about as close as the closest; without any, the
    first eight that exist.
    """
    names = list(dict.fromkeys(known))
    if not names:
        return ""
    by_lower: dict[str, str] = {}
    for each in names:
        by_lower.setdefault(each.lower(), each)
    wanted = name.lower()
    close = difflib.get_close_matches(wanted, by_lower, n=3, cutoff=0.6)
    close = [each for each in close if _alike(wanted, each) > _alike(wanted, close[0]) - 0.15]
    if not close and len(wanted) > 1:
        close = [lower for lower in by_lower if wanted in lower or lower in wanted][:3]
    if close:
        return f" (nearest: {', '.join(by_lower[lower] for lower in close)})"
    shown = names[:8] + (["..."] if len(names) > 8 else [])
    return f" (known: {', '.join(shown)})"


def shorten(text: str, width: int = LONGEST_QUOTE) -> str:
    """`text`, cut short with "..." when it is longer than `width` characters."""
    return text if len(text) <= width else text[: width - 3] + "..."


def printable(text: str) -> str:
    """`text` as one line that any terminal can show: line ends as spaces, other controls escaped."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()  # the order that get_close_matches uses


def _escape(char: str) -> str:
    return " " if char in "\r\n" else char.encode("unicode_escape").decode("ascii")
