"""Who leads, in two lines at most: what they name is what was claimed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimebench.stats import Comparison, Estimate, Verdict, claimed
from dimebench.wording.standing import MOST_LINES, standing


def made(names: str, verdicts: Mapping[str, Verdict]) -> list[Comparison]:
    """Every pair of the names, of which earlier ones have the higher IQM; undecided where nothing is said."""
    iqm = {name: Estimate(1 - place / 100, None) for place, name in enumerate(names)}
    zero = Estimate(0.0, None)
    found = []
    for a, b in itertools.combinations(names, 2):
        verdict, judged = verdicts.get(a + b, "undecided"), (0.95, None, None, 1, 9, 9)
        found.append(Comparison(a, b, iqm[a], iqm[b], zero, zero, (), verdict, "", *judged, delta=0.05))
    return found


BETTER: Verdict = "A better"
CASES: list[tuple[str, dict[str, Verdict], list[str]]] = [
    ("abc", {"ab": BETTER, "ac": BETTER, "bc": BETTER}, ["a is better than b and c"]),
    ("abcde", dict.fromkeys(("ab", "ac", "ad", "ae"), BETTER), ["a is better than each of the 4 others"]),
    ("abc", {"ac": BETTER, "bc": BETTER}, ["a and b lead, both better than c; undecided between them"]),
    ("abcd", {"ac": BETTER, "bc": BETTER},
     ["a and b lead, both better than c; undecided between them", "nobody is better than d either"]),
    ("abcdef", dict.fromkeys(("ac", "ad", "ae", "af", "bc", "bd", "be", "bf"), BETTER),
     ["a and b lead, both better than the 4 others; undecided between them"]),
    ("abcdef", dict.fromkeys(("ad", "ae", "af", "bd", "be", "cd", "cf"), BETTER),
     ["a, b and c lead, each better than d; undecided between them"]),
    ("abcde", {"ac": BETTER, "bd": BETTER},
     ["a and b lead; undecided between them", "nobody is better than e either"]),
    ("abc", {"ac": BETTER}, ["a leads: better than c; undecided against b"]),
    ("abc", {"ac": BETTER, "ab": "equivalent"}, ["a leads: better than c; equivalent within 0.05 to b"]),
    ("abcd", {"ab": "equivalent", "ac": BETTER, "ad": BETTER, "cd": "equivalent"},
     ["a leads: better than c and d; equivalent within 0.05 to b", "equivalent within 0.05: c and d"]),
    ("abcdef", {"ac": BETTER, "ad": BETTER, "ab": "equivalent", "bc": BETTER},
     ["a and b lead, both better than c; equivalent within 0.05", "nobody is better than e and f either"]),
    ("abc", {}, ["undecided between a, b and c"]),
    ("abcde", {}, ["undecided between all 5 variants"]),
    ("abcde", {"ab": "equivalent"}, ["undecided between all 5 variants", "equivalent within 0.05: a and b"]),
    ("abc", dict.fromkeys(("ab", "ac", "bc"), "equivalent"), ["a, b and c are equivalent within 0.05"]),
]  # fmt: skip


@pytest.mark.parametrize(("names", "verdicts", "lines"), CASES)
def test_standing_in_words(names: str, verdicts: Mapping[str, Verdict], lines: list[str]) -> None:
    assert standing(made(names, verdicts)) == lines


def test_of_one_against_each_nothing_is_said_between_the_others() -> None:
    alike = made("abcd", dict.fromkeys(("ab", "ac", "ad"), "equivalent"))[:3]
    assert standing(alike) == ["a and each of the 3 others are equivalent within 0.05"]
    assert standing(made("abcd", {})[:3]) == ["undecided between a and each of the 3 others"]


@given(st.integers(3, 12), st.data())
def test_two_lines_at_most_and_no_leader_that_somebody_is_better_than(count: int, data: st.DataObject) -> None:
    names = "abcdefghijkl"[:count]
    verdicts: list[Verdict] = ["A better", "undecided", "equivalent"]
    pairs = ["".join(pair) for pair in itertools.combinations(names, 2)]
    given_ = dict(zip(pairs, data.draw(st.lists(st.sampled_from(verdicts), min_size=len(pairs), max_size=len(pairs))),
                      strict=True))  # fmt: skip
    found = made(names, given_)
    lines = standing(found)
    assert 1 <= len(lines) <= MOST_LINES
    head = re.match(r"([a-l](?:, [a-l])*(?: and [a-l])?)(?: and \d+ more)? (?:leads?[:;,]|is better)", lines[0])
    beaten = {worse for _, worse in claimed(found)}
    if head is None:
        assert not claimed(found)
    else:
        leaders = set(re.findall(r"\b[a-l]\b", head[1]))
        assert leaders
        assert not leaders & beaten
        assert leaders <= {better for better, _ in claimed(found)}
