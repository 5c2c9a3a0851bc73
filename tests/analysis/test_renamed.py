"""Variants under other names: everywhere, with the same numbers and the same look."""

from __future__ import annotations

import pickle

import pytest

from dimebench.analysis.errors import AmbiguousVariantError, UnknownVariantError
from dimebench.analysis.renamed import parse_names, renamed
from dimebench.figures.style import styles_of
from dimebench.tables.answer import plain_lines
from tests.analysis.factory import RUN, Book, four_variants
from tests.analysis.test_summary import of

NAMES = {"dime": "DIME", "dime-wide": "DIME$_\\mathrm{wide}$", "sac": "SAC=", "crossq": "a & b"}


def test_every_name_is_changed_and_nothing_else() -> None:
    found = of(four_variants())
    other = renamed(found, NAMES)
    assert other.variants == tuple(NAMES[name] for name in found.variants)
    held = pickle.dumps(other.comparisons) + pickle.dumps([*other.cells, *other.aggregates, *other.ranking])
    assert not [name for name in ("dime-wide", "crossq") if name.encode() in held]
    text, changed = "\n".join(plain_lines(found)), "\n".join(plain_lines(other))
    assert {name: name in changed for name in NAMES.values()} == dict.fromkeys(NAMES.values(), True)
    assert "crossq" in text
    assert "crossq" not in changed
    back = renamed(other, {new: old for old, new in NAMES.items()})
    assert back.comparisons == found.comparisons
    assert back.ranking == found.ranking
    assert back.cells == found.cells
    assert renamed(found, {}) is found


def test_a_variant_keeps_its_look_under_another_name() -> None:
    found = of(four_variants())
    looks, others = styles_of(found), styles_of(renamed(found, NAMES))
    assert {NAMES[name]: look for name, look in looks.items()} == others
    twice = renamed(renamed(found, {"dime": "x"}), {"x": "y"})
    assert styles_of(twice)["y"] == looks["dime"]


def test_names_are_split_at_the_longest_one_that_there_is() -> None:
    book = Book().cell("dime", RUN, [1, 2]).cell("dime:utd=1", RUN, [1, 2]).cell("sac", RUN, [1, 2])
    found = of(book)
    words = ["dime:utd=1=DIME (UTD=1)", "dime=D=1"]
    assert parse_names(words, found) == {"dime:utd=1": "DIME (UTD=1)", "dime": "D=1"}
    assert parse_names(["dime=sac", "sac=dime"], found) == {"dime": "sac", "sac": "dime"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["crosq=C"], r"--name crosq=C: no 'crosq' in this report \(nearest: crossq"),
        (["dime"], r"--name dime: write OLD=NEW"),
        (["dime= "], r"--name dime= : write OLD=NEW"),
        (["dime=A", "sac=A"], r"--name: both 'dime' and 'sac' would be called 'A'"),
        (["dime=sac"], r"--name: both 'dime' and 'sac' would be called 'sac'"),
        (["dime=A", "dime=B"], r"--name dime=B: 'dime' is called 'A' already"),
    ],
)
def test_names_that_do_not_fit_are_refused(words: list[str], message: str) -> None:
    with pytest.raises((UnknownVariantError, AmbiguousVariantError), match=message):
        parse_names(words, of(four_variants()))
