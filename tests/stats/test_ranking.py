"""Letters say exactly what is claimed, with none to spare; rank intervals hold wherever the claims do."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.stats import claimed, compare_all, ranked
from dimebench.stats.ranking import Claim

Groups = dict[str, set[str]]  # letter -> names


@st.composite
def relations(draw: st.DrawFn) -> tuple[list[str], set[Claim]]:
    """Names, and any claims about them: each pair is claimed one way, the other way, or not at all."""
    names = [f"v{k}" for k in range(draw(st.integers(1, 9)))]
    pairs = itertools.combinations(names, 2)
    return names, {way for a, b in pairs if (way := draw(st.sampled_from([None, (a, b), (b, a)])))}


@st.composite
def truths(draw: st.DrawFn) -> tuple[dict[str, int], set[Claim]]:
    """True levels, ties among them, and some of the true claims."""
    levels = {f"v{k}": draw(st.integers(0, 5)) for k in range(draw(st.integers(1, 8)))}
    true = [(a, b) for a, b in itertools.permutations(levels, 2) if levels[a] > levels[b]]
    return levels, set(draw(st.lists(st.sampled_from(true), unique=True))) if true else set()


def groups_of(names: Sequence[str], claims: set[Claim]) -> Groups:
    found: Groups = {}
    for row in ranked(names, claims):
        for letter in re.findall(r"[a-z]\d*", row.letters):
            found.setdefault(letter, set()).add(row.name)
    return found


def says(groups: Groups, names: Iterable[str], claims: set[Claim]) -> bool:
    """Whether every name has a letter, and two share one exactly when neither is claimed better."""
    pairs = itertools.combinations_with_replacement(names, 2)
    return all(any({a, b} <= group for group in groups.values()) == (not claims & {(a, b), (b, a)}) for a, b in pairs)


@given(relations())
def test_two_names_share_a_letter_exactly_when_neither_is_claimed_better(relation) -> None:
    names, claims = relation
    assert [row.name for row in ranked(names, claims)] == names
    assert says(groups_of(names, claims), names, claims)


@given(relations())
def test_no_letter_and_no_name_of_a_letter_can_be_left_out(relation) -> None:
    names, claims = relation
    groups = groups_of(names, claims)
    for letter, group in groups.items():
        assert not says({key: groups[key] for key in groups if key != letter}, names, claims)
        for name in group:
            assert not says(groups | {letter: group - {name}}, names, claims)


@given(relations(), st.randoms(use_true_random=False))
def test_letters_come_in_the_order_of_names_whatever_the_order_of_claims(relation, random) -> None:
    names, claims = relation
    shuffled = random.sample(sorted(claims), len(claims))
    assert ranked(names, claims) == ranked(names, dict.fromkeys(shuffled).keys())
    groups = groups_of(names, claims)
    assert list(groups) == sorted(groups)
    assert ranked(names, claims)[0].letters.startswith("a")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_groups_that_do_not_overlap_have_one_letter_each(levels: list[int]) -> None:
    names = {f"v{k}": level for k, level in enumerate(sorted(levels, reverse=True))}
    claims = {(a, b) for a, b in itertools.permutations(names, 2) if names[a] > names[b]}
    assert len(groups_of([*names], claims)) == len(set(levels))
    assert {len(row.letters) for row in ranked([*names], claims)} == {1}


@given(st.lists(st.integers(0, 40), min_size=1, max_size=25), st.integers(0, 20))
def test_names_told_apart_from_one_distance_on_need_no_more_letters_than_names(levels: list[int], far: int) -> None:
    names = {f"v{k}": level for k, level in enumerate(sorted(levels, reverse=True))}
    claims = {(a, b) for a, b in itertools.permutations(names, 2) if names[a] > names[b] + far}
    groups = groups_of([*names], claims)
    assert len(groups) <= len(set(levels))
    assert says(groups, names, claims)


@given(truths())
@settings(max_examples=200)
def test_rank_intervals_hold_every_true_rank_where_the_claims_are_true(truth) -> None:
    levels, claims = truth
    for row in ranked(sorted(levels), claims):
        better = sum(level > levels[row.name] for level in levels.values())
        worse = sum(level < levels[row.name] for level in levels.values())
        first, last = 1 + better, len(levels) - worse  # of those that tie
        assert 1 <= row.best_rank <= first <= last <= row.worst_rank <= len(levels)


def test_every_claim_narrows_the_ranks() -> None:
    names = ["a", "b", "c", "d"]
    every = set(itertools.combinations(names, 2))
    assert [(row.best_rank, row.worst_rank) for row in ranked(names, every)] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert {(row.best_rank, row.worst_rank) for row in ranked(names, set())} == {(1, 4)}
    one = ranked(names, {("a", "d"), ("b", "d")})
    assert [(row.letters, row.best_rank, row.worst_rank) for row in one] == [
        ("a", 1, 3),
        ("a", 1, 3),
        ("ab", 1, 4),
        ("b", 3, 4),
    ]


def test_a_letter_that_others_make_redundant_is_swept() -> None:
    # Neighbours up to two places apart are alike. Letter b joins v1 and v3 alone: v2 shares a with v1 and c with v3.
    names = [f"v{k}" for k in range(5)]
    claims = {(names[i], names[k]) for i, k in itertools.combinations(range(5), 2) if k - i > 2}
    assert [row.letters for row in ranked(names, claims)] == ["a", "ab", "ac", "bc", "c"]


def test_letters_go_on_after_z() -> None:
    names = [f"v{k:02}" for k in range(30)]
    found = ranked(names, set(itertools.combinations(names, 2)))
    assert [row.letters for row in found[24:28]] == ["y", "z", "a2", "b2"]


@pytest.mark.parametrize(("delta", "alike"), [(None, "undecided"), (0.2, "equivalent")])
def test_only_better_and_worse_are_claims(delta: float | None, alike: str) -> None:
    near = [0.50 + 0.002 * k for k in range(10)]
    scores = {"low": [[x - 0.4 for x in near]], "one": [near], "two": [[x + 0.001 for x in near]]}
    comparisons = compare_all(scores, list(itertools.combinations(scores, 2)), resamples=200, delta=delta)
    assert [c.verdict for c in comparisons] == ["B better", "B better", alike]
    assert claimed(comparisons) == {("one", "low"), ("two", "low")}
