"""A ranking from pairwise claims: letters for what is not told apart, and the ranks that each name may have.

Letters are a compact letter display by insert-and-absorb with sweeping (Piepho 2004, J. Computational and Graphical
Statistics 13, 456-466): two names share a letter exactly when neither is claimed better, and no letter is redundant.

Rank intervals are confidence sets for ranks (Mogstad, Romano, Shaikh and Wilhelm 2024, Review of Economic Studies 91,
476-518). A rank is 1 + the number of names that are truly better. If all claims are true, it is at least 1 + the
number claimed better, and at most the number of names less those claimed worse. So where the chance of any wrong
claim is at most alpha, all intervals hold together with probability 1 - alpha.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import combinations_with_replacement
from string import ascii_lowercase

from dimebench.stats.compare import Comparison

Claim = tuple[str, str]  # better, worse
Group = frozenset[int]  # places of names that share a letter


@dataclass(frozen=True)
class Ranked:
    """A name with its letters ("ab") and its rank interval; rank 1 is the best."""

    name: str
    letters: str
    best_rank: int
    worst_rank: int


def claimed(comparisons: Iterable[Comparison]) -> frozenset[Claim]:
    """The differences that are claimed; "undecided" and "equivalent" claim none."""
    return frozenset(comparison.winner for comparison in comparisons if comparison.winner)


def ranked(names: Sequence[str], claims: Set[Claim]) -> tuple[Ranked, ...]:
    """The names in their order, best first; letters are given out in it. `claims` holds a pair one way at most."""
    place = {name: k for k, name in enumerate(names)}
    groups = _swept(_groups(len(names), {frozenset((place[a], place[b])) for a, b in claims}))
    letters = {group: _letter(k) for k, group in enumerate(sorted(groups, key=sorted))}
    better, worse = Counter(name for _, name in claims), Counter(name for name, _ in claims)
    return tuple(
        Ranked(
            name,
            "".join(letter for group, letter in letters.items() if place[name] in group),
            1 + better[name],
            len(names) - worse[name],
        )
        for name in names
    )


def _groups(count: int, apart: Set[Group]) -> list[Group]:
    """Insert and absorb: every largest group of which no two are apart."""
    groups = [frozenset(range(count))]
    for pair in sorted(apart, key=sorted):
        whole = [group for group in groups if not pair <= group]
        halves = [group - {one} for group in groups if pair <= group for one in sorted(pair)]
        groups = whole + [half for half in halves if not any(half <= group for group in whole)]
    return groups


def _swept(groups: Iterable[Group]) -> list[Group]:
    """Without each group, then each member of a group, whose every pair also shares another group.

    One pass does: a pair that shares this group alone keeps both its members in it.
    """
    groups = sorted(groups, key=lambda group: (len(group), sorted(group)))
    shared = Counter(pair for group in groups for pair in _pairs(group))
    kept = []
    for group in groups:
        if all(shared[pair] > 1 for pair in _pairs(group)):
            shared.subtract(_pairs(group))
        else:
            kept.append(set(group))
    for members in kept:
        for one in sorted(members):
            own = [pair for pair in _pairs(members) if one in pair]
            if all(shared[pair] > 1 for pair in own):
                shared.subtract(own)
                members.remove(one)
    return [frozenset(members) for members in kept]


def _pairs(group: Iterable[int]) -> list[tuple[int, int]]:
    """The pairs of a group, each member with itself among them: who shares with nobody needs a letter too."""
    return list(combinations_with_replacement(sorted(group), 2))


def _letter(index: int) -> str:
    """a to z, then a2 to z2, and so on."""
    turn, place = divmod(index, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(turn + 1) if turn else "")
