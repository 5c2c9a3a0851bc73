"""The words for an interim analysis of a group-sequential comparison."""

from __future__ import annotations

from dimebench.numbers import signed, unit
from dimebench.stats import Monitoring


def describe(pair: tuple[str, str], found: Monitoring) -> str:
    """The latest interim analysis of a pair in one line."""
    last, taken = found.analyses[-1], len(found.analyses)
    bound = "nothing can be decided yet" if last.critical is None else f"decided from +-{unit(last.critical)}"
    return (
        f"look {taken} of {len(found.planned)}, {last.seeds} seeds: {pair[0]} - {pair[1]}, IQM difference "
        f"{signed(last.difference)} ({bound}; alpha spent {last.spent:.2g}): {verdict(pair, found)}"
    )


def verdict(pair: tuple[str, str], found: Monitoring) -> str:
    """What is decided, in words."""
    a, b = pair
    if found.verdict == "undecided":
        return f"undecided between {a} and {b}"
    return f"{a} is better than {b}" if found.verdict == "A better" else f"{b} is better than {a}"
