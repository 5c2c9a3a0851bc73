"""Parsers of options' values and of commands' words; all raise UsageError for what cannot be used."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dimebench.errors import UsageError, nearest

if TYPE_CHECKING:
    from dimebench.config import Request

MOST_SEEDS, LARGEST_SEED = 10_000, 999_999_999
_SEEDS = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*")


def parse_request(words: list[str] | None) -> Request:
    """What the words of `run`, `plan` and `bench` ask for. Raises ConfigError."""
    from dimebench.agents.registry import known_algorithms
    from dimebench.config import parse_words

    return parse_words(words or [], algorithms=known_algorithms())


def parse_seeds(text: str) -> list[int]:
    """`10` is the seeds 0 to 9, `3-7` a range with both ends, `1,4,9` a list. Raises UsageError."""
    word = f"--seeds {text}"
    if not _SEEDS.fullmatch(text):
        raise UsageError(f"{word}: write a number (10), a range (3-7) or a list (1,4,9)")
    if max(map(len, re.findall("[0-9]+", text))) > len(str(LARGEST_SEED)):
        raise UsageError(f"{word}: seeds go from 0 to {LARGEST_SEED}")
    ranges = [(0, int(text) - 1)] if text.isdigit() else [_ends(part) for part in text.split(",")]
    for first, last in ranges:
        if last < first:
            backwards = f"the range {first}-{last} ends before it begins"
            raise UsageError(f"{word}: {'at least one seed is needed' if text.isdigit() else backwards}")
    if sum(last - first + 1 for first, last in ranges) > MOST_SEEDS:
        raise UsageError(f"{word}: at most {MOST_SEEDS} seeds at a time")
    return sorted({seed for first, last in ranges for seed in range(first, last + 1)})


def _ends(part: str) -> tuple[int, int]:
    first, _, last = part.partition("-")
    return int(first), int(last or first)


def whole_number(option: str, least: int, what: str = "") -> Callable[[str], int]:
    """A parser for an option's value: a whole number, also written 1e6, from `least` on. It raises UsageError."""

    def parse(text: str) -> int:
        try:
            value = float(text)
        except ValueError:
            value = 0.5
        if not value.is_integer():
            raise UsageError(f"{option} {text}: must be a whole number")
        if value < least:
            raise UsageError(f"{option} {text}: must be at least {least}{what}")
        return int(value)

    return parse


def number_above_0(option: str, what: str = "number", most: float = sys.float_info.max) -> Callable[[str], float]:
    """A parser for an option's value: a number above 0. It raises UsageError."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= most:
            raise UsageError(f"{option} {text}: must be a {what} above 0")
        return value

    return parse


def score_margin(option: str) -> Callable[[str], float]:
    """A parser for an option's value: a margin of normalised score, between 0 and 1. It raises UsageError."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < 1:
            raise UsageError(f"{option} {text}: must be above 0 and below 1, a margin of normalised score")
        return value

    return parse


def seconds_above_0(option: str) -> Callable[[str], float]:
    """A parser for an option's value: seconds above 0, `inf` for no limit. It raises UsageError."""
    return number_above_0(option, "number of seconds", float("inf"))


def parse_trackers(text: str) -> list[str]:
    """The trackers of `--log A,B`."""
    from dimebench.export.trackers import TRACKERS

    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"--log {text}: unknown tracker '{name}'{nearest(name, TRACKERS)}")
    return names


def one_of(option: str, what: str, *known: str) -> Callable[[str], str]:
    """A parser for an option's value: one of a few words. It raises UsageError, with the nearest of them."""

    def parse(text: str) -> str:
        if text not in known:
            raise UsageError(f"{option} {text}: unknown {what}{nearest(text, known)}")
        return text

    return parse


def some_of(option: str, text: str, known: Sequence[str]) -> list[str]:
    """The words of an option's list A,B, each once. Raises UsageError for one that is not known, or none at all."""
    chosen, every = list(dict.fromkeys(word for word in text.split(",") if word)), f" (known: {', '.join(known)})"
    for word in chosen:
        if word not in known:
            hint = nearest(word, known) if len(known) > 3 else every
            raise UsageError(f"{option} {text}: unknown format '{word}'{hint}")
    if not chosen:
        raise UsageError(f"{option}: name a format{every}")
    return chosen


def parse_allow(words: list[str] | None, known: Sequence[str] | None = None) -> list[str]:
    """The differences that `--allow A,B` names (known, by default: between runs to compare). Raises UsageError."""
    if known is None:
        from dimebench.analysis.select import ALLOWABLE

        known = ALLOWABLE
    names = [name for word in words or [] for name in word.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(f"--allow {name}: unknown difference '{name}'{nearest(name, known)}")
    return names


def split_words(words: list[str] | None, keys: Sequence[str] = ("suite",)) -> tuple[list[str], str | None]:
    """The names among the words of a command that reads runs, each in its one form, and the suite of `suite=NAME`.

    keys: those that the command knows, for the message about another one.
    """
    names: list[str] = []
    suites: list[str] = []
    for word in words or []:
        key, equals, value = word.partition("=")
        if equals and key == "suite":
            if not value:  # as of `suite=$UNSET`: it must not mean all
                raise UsageError("suite=: no value given")
            suites.append(value)
        elif equals and ":" not in key:
            raise UsageError(f"{word}: unknown key '{key}'{nearest(key, keys)}")
        else:
            names.append(canonical(word))
    if len(suites) > 1:
        raise UsageError(f"suite={suites[1]}: suite is already set by suite={suites[0]}")
    return names, suites[0] if suites else None


def canonical(name: str) -> str:
    """The name under which `run` stores a variant: settings in order, `1e1` as 10."""
    from dimebench.config import ConfigError, parse_variant

    try:
        return parse_variant(name).name
    except ConfigError:
        return name  # no name that `run` gives: the runs on disk say whether they know it
