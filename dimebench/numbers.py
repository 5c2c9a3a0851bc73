"""How numbers are written, the same in the terminal, the figures and the page."""

from __future__ import annotations

from collections.abc import Sequence

LARGEST = 1e15  # of a return, a score's bound or a step: beyond it no statistics are exact
NARROWEST = 1e-9  # between the two bounds of a score


def unit(value: float, digits: int = 3) -> str:
    """A normalised score or a probability; never "-0.000"."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def signed(value: float, digits: int = 3) -> str:
    """A difference, with its sign."""
    text = unit(value, digits)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"


def raw(value: float) -> str:
    """A return: about four significant digits, with commas between thousands."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return unit(value, 1 if size >= 10 else 2)


def rate(value: float, digits: int = 3) -> str:
    """Env steps per second with this many significant digits and commas between thousands; above 1 no exponent."""
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


AXES = {"env_step": "env steps", "grad_step": "gradient steps", "wall_time": "seconds of training"}


def place(value: int, axis: str = "env_step") -> str:
    """A position on an axis: 500,000 env steps; 12,000 gradient steps; 2 h 05 min of training."""
    if axis == "wall_time":
        return f"{duration(value)} of training"
    return f"{value:,} {AXES[axis]}"


def p_value(value: float) -> str:
    """p = 0.013, or p < 0.001."""
    text = p_short(value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def p_short(value: float) -> str:
    """0.013, or <0.001: never "0.05" for more than that."""
    if value < 0.001:
        return "<0.001"
    digits = next((n for n in (2, 3, 4) if value <= 0.05 or float(f"{value:.{n}g}") > 0.05), 2)
    return f"{value:.{digits}g}"


def short_steps(value: float) -> str:
    """A count of env steps for an axis: 0, 25k, 1M, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if float(f"{abs(value) / size:.3g}") >= 1:  # 999,900 is 1M, not 1e+03k
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def percent(fraction: float) -> str:
    """95%, 99.2%, 99.98%: never "100%" for less than all."""
    digits = next(n for n in range(3, 18) if fraction >= 1 or float(f"{100 * fraction:.{n}g}") < 100)
    return f"{100 * fraction:.{digits}g}%"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """13 s, 4 min 10 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def time_unit(longest: float) -> tuple[str, float]:
    """The unit that an axis of times up to so many seconds is written in, and its seconds."""
    return ("hours", 3600.0) if longest >= 7200 else ("minutes", 60.0) if longest >= 120 else ("seconds", 1.0)


def probability(value: float) -> str:
    """A probability with two digits."""
    return unit(value, 2)


def span(fewest: int, most: int) -> str:
    """10, or 9-10."""
    return str(most) if fewest == most else f"{fewest}-{most}"


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def few(names: Sequence[str], most: int = 3, apart: str = ", ") -> str:
    """a, b and c; of more than `most` names the first ones: a, b, c and 4 more."""
    if apart != ", " or len(names) > most:
        shown, more = apart.join(names[:most]), len(names) - most
        return f"{shown} and {more} more" if more > 0 else shown
    return listed(names)


def differ(names: Sequence[str]) -> str:
    """a differs; a, b, c differ; a, b, c and 2 more differ; "" for none."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} differ{'s' if len(names) == 1 else ''}" if names else ""
