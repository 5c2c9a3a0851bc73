"""The words for a look at a comparison while seeds are trained."""

from __future__ import annotations

from dimebench.numbers import p_value, signed, unit
from dimebench.stats import AnytimeMonitoring, Monitoring


def describe(pair: tuple[str, str], found: Monitoring | AnytimeMonitoring) -> str:
    """The latest look at a pair in one line."""
    if isinstance(found, AnytimeMonitoring):
        return _anytime(pair, found)
    last, taken = found.analyses[-1], len(found.analyses)
    bound = "nothing can be decided yet" if last.critical is None else f"decided from +-{unit(last.critical)}"
    return (
        f"look {taken} of {len(found.planned)}, {last.seeds} seeds: {pair[0]} - {pair[1]}, IQM difference "
        f"{signed(last.difference)} ({bound}; alpha spent {last.spent:.2g}): {verdict(pair, found)}"
    )


def _anytime(pair: tuple[str, str], found: AnytimeMonitoring) -> str:
    last, taken = found.looks[-1], len(found.looks)
    guard = ""
    if last.p_guard is not None and not last.decided:
        guard = f", but Student's {p_value(last.p_guard)}"
    return (
        f"look {taken}, {last.seeds} seeds: {pair[0]} - {pair[1]}, IQM difference {signed(last.difference)} "
        f"(e-value {last.e_value:.3g}, decided from {1 / found.alpha:.3g}{guard}): {verdict(pair, found)}"
    )


def verdict(pair: tuple[str, str], found: Monitoring | AnytimeMonitoring) -> str:
    """What is decided, in words."""
    a, b = pair
    if found.verdict == "undecided":
        return f"undecided between {a} and {b}"
    return f"{a} is better than {b}" if found.verdict == "A better" else f"{b} is better than {a}"


def after(found: Monitoring | AnytimeMonitoring) -> str:
    """After how many seeds."""
    if isinstance(found, AnytimeMonitoring):
        return f"after {found.looks[-1].seeds} seeds per task"
    return f"after {found.analyses[-1].seeds} of at most {found.planned[-1]} seeds per task"
