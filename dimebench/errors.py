"""The base of all errors that a user sees: one line that names what is wrong, and the command's exit code.

A message names the file, the key or the value, and the nearest name that exists (`nearest`). Imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

OK, INTERNAL, USAGE, SOME_FAILED, NOT_COMPARABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130
READER_GONE = 141  # as a shell tells of a command that SIGPIPE has ended

LONGEST_QUOTE = 60  # characters of a user's own text shown back in a message


class DimebenchError(Exception):
    """Something that a user can mend. The message is one complete, printable line."""

    exit_code: ClassVar[int] = USAGE

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class UsageError(DimebenchError):
    """An option's value that cannot be used; one line that names it."""


def nearest(name: str, known: Iterable[str], key: Callable[[str], str] = str) -> str:
    """The tail of a message about an unknown name: "" or " (nearest: a, b)" or " (known: a, b, ...)".

    The names that are `close`; without any, the first eight that exist.
    """
    names = list(dict.fromkeys(known))
    if not names:
        return ""
    if found := close(name, names, key):
        return f" (nearest: {', '.join(found)})"
    shown = names[:8] + (["..."] if len(names) > 8 else [])
    return f" (known: {', '.join(shown)})"


def close(name: str, known: Iterable[str], key: Callable[[str], str] = str) -> list[str]:
    """Up to three names that are close to an unknown one, and about as close as the closest. Case does not count.

    `key`: the part of a name that is compared, where a prefix makes all look alike; of equal parts the first name.
    """
    import difflib

    by_key: dict[str, str] = {}
    for each in known:
        by_key.setdefault(key(each).lower(), each)
    wanted = key(name).lower()

    def alike(other: str) -> float:
        return difflib.SequenceMatcher(None, other, wanted).ratio()  # the order that get_close_matches uses

    found = difflib.get_close_matches(wanted, by_key, n=3, cutoff=0.6)
    found = [each for each in found if alike(each) > alike(found[0]) - 0.15]
    if not found and len(wanted) > 1:
        found = [lower for lower in by_key if wanted in lower or lower in wanted][:3]
    return [by_key[lower] for lower in found]


def shorten(text: str, width: int = LONGEST_QUOTE) -> str:
    """`text`, cut short with "..." when it is longer than `width` characters."""
    return text if len(text) <= width else text[: width - 3] + "..."


def printable(text: str) -> str:
    """`text` as one line that any terminal can show: line ends as spaces, other controls escaped."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def one_line(text: object) -> str:
    """The text, or an error's message, as one printable line with single spaces."""
    return printable(" ".join(str(text).split()))


def first_line(error: BaseException) -> str:
    """The first line of a library's message, at most 300 characters, without its full stop; its type without any."""
    lines = str(error).strip().splitlines()
    return lines[0][:300].rstrip(".") if lines else type(error).__name__


def last_line(stderr: str, code: int) -> str:
    """The last line of what a process said when it failed; its exit code where it said nothing."""
    return (stderr.strip().splitlines()[-1:] or [f"exit code {code}"])[0]


def _escape(char: str) -> str:
    return " " if char in "\r\n" else char.encode("unicode_escape").decode("ascii")
