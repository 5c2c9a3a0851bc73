"""Who leads: the claims of several comparisons in two lines at most, whatever the number of variants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from dimebench.numbers import few, listed
from dimebench.stats import Comparison, claimed

MOST_LINES = 2


def standing(comparisons: Sequence[Comparison]) -> list[str]:
    """One line, or two.

    Leads who is better than somebody while nobody is better than it. At the confidence of the claims the truly best
    variant is among those that nobody is better than; the second line names those of them that do not lead, or else
    what is equivalent.
    """
    order, wins = _by_iqm(comparisons), Counter(better for better, _ in claimed(comparisons))
    beaten = {worse for _, worse in claimed(comparisons)}
    unbeaten = [name for name in order if name not in beaten]
    leaders = [name for name in unbeaten if wins[name]]
    alike = {frozenset((c.a, c.b)): c.delta for c in comparisons if c.verdict == "equivalent"}
    if not leaders:
        return _nobody(order, alike, comparisons)
    if len(leaders) == 1:
        first, open_ = _one(leaders[0], order, comparisons), []
        alike = {pair: delta for pair, delta in alike.items() if leaders[0] not in pair}  # those are told
    else:
        first = f"{few(leaders)} lead{_ahead_of(leaders, order, comparisons)}; {_between(leaders, alike)}"
        open_ = [name for name in unbeaten if name not in leaders]
    second = f"nobody is better than {few(open_)} either" if open_ else _equivalents(alike, {*leaders})
    return [first, *[second] * bool(second)]


def _by_iqm(comparisons: Iterable[Comparison]) -> list[str]:
    """The compared variants, the highest IQM first."""
    iqm: dict[str, float] = {}
    for c in comparisons:
        iqm |= {c.a: c.iqm_a.point, c.b: c.iqm_b.point}
    return sorted(iqm, key=lambda name: (-iqm[name], name))


Alike = dict[frozenset[str], float | None]  # equivalent pairs, with their margin


def _nobody(order: Sequence[str], alike: Alike, comparisons: Sequence[Comparison]) -> list[str]:
    """Where no difference is claimed."""
    all_ = few(order) if len(order) <= 3 else f"all {len(order)} variants"
    first, others = order[0], len(order) - 1
    if len(comparisons) < others * len(order) // 2:  # equivalent to one does not mean equivalent to each other
        all_ = f"{first} and each of the {others} others"
    if len(alike) == len(comparisons):
        return [f"{all_} are equivalent{_within(alike.values())}"]
    second = _equivalents(alike, set())
    return [f"undecided between {all_}", *[second] * bool(second)]


def _one(leader: str, order: Sequence[str], comparisons: Sequence[Comparison]) -> str:
    """Where one variant leads: whom it is better than, and whom not."""
    others = [name for name in order if name != leader]
    verdicts = {(c.b if c.a == leader else c.a): c for c in comparisons if leader in (c.a, c.b)}
    better = [name for name in others if name in verdicts and verdicts[name].winner]
    if better == others:
        each = listed(others) if len(others) <= 3 else f"each of the {len(others)} others"
        return f"{leader} is better than {each}"
    parts = [f"better than {few(better) if len(others) <= 3 else f'{len(better)} of the {len(others)} others'}"]
    rest = [name for name in others if name not in better]
    equal = [name for name in rest if name in verdicts and verdicts[name].verdict == "equivalent"]
    open_ = [name for name in rest if name not in equal]
    parts += [f"undecided against {few(open_)}"] if open_ else []
    parts += [f"equivalent{_within(verdicts[name].delta for name in equal)} to {few(equal)}"] if equal else []
    return f"{leader} leads: {'; '.join(parts)}"


def _ahead_of(leaders: Sequence[str], order: Sequence[str], comparisons: Sequence[Comparison]) -> str:
    """Whom every leader is better than; "" for nobody."""
    claims = claimed(comparisons)
    others = [name for name in order if name not in leaders]
    worse = [name for name in others if all((leader, name) in claims for leader in leaders)]
    if not worse:
        return ""
    each, rest = "both" if len(leaders) == 2 else "each", f"the {len(others)} others"
    if len(worse) <= 3:
        rest = few(worse)
    elif len(worse) < len(others):
        rest = f"{len(worse)} of {rest}"
    return f", {each} better than {rest}"


def _between(leaders: Sequence[str], alike: Alike) -> str:
    inside = [pair for pair in alike if pair <= {*leaders}]
    pairs = len(leaders) * (len(leaders) - 1) // 2
    if len(inside) == pairs:
        return f"equivalent{_within(alike.values())}"
    return "undecided between them" if not inside else "no difference between them is claimed"


def _equivalents(alike: Alike, besides: set[str]) -> str:
    """The equivalent pairs; those within `besides` are told already. "" for none."""
    pairs = [" and ".join(sorted(pair)) for pair in alike if not pair <= besides or not besides]
    return f"equivalent{_within(alike.values())}: {few(pairs, apart='; ')}" if pairs else ""


def _within(deltas: Iterable[float | None]) -> str:
    return " within " + few([f"{delta:g}" for delta in dict.fromkeys(deltas) if delta is not None])
