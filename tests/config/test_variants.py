"""Variants: one name however typed, read back to itself, and a folder that is safe and nobody else's."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dimebench.config import ConfigError, Variant, parse_variant, split_list
from dimebench.config.names import SETTING
from tests.config.conftest import one_line

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), max_size=12).filter(str.isprintable),
    st.sampled_from(
        ["no", "on", "8", "1e6", "null", "true", ".inf", "a,b", "a:b=c", "../..", "/", "[", "'", '"', "\\", "~"]
    ),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
KEYS = st.one_of(st.from_regex(SETTING, fullmatch=True), st.sampled_from(["utd", "critic_hidden", "UTD"]))
VARIANTS = st.builds(
    Variant,
    st.sampled_from(["dime", "sac", "gaussian-dime", "my_algo", "Dime"]),
    st.dictionaries(KEYS, VALUES, max_size=4).map(lambda given: tuple(given.items())),
)


@pytest.mark.parametrize(
    ("typed", "name", "slug"),
    [
        ("dime", "dime", "dime"),
        ("dime:diffusion_steps=8", "dime:diffusion_steps=8", "dime@diffusion_steps-8"),
        ("dime:utd=1:diffusion_steps=8", "dime:diffusion_steps=8:utd=1", "dime@diffusion_steps-8@utd-1"),
        ("dime:learning_rate=3e-4", "dime:learning_rate=0.0003", "dime@learning_rate-0.0003"),
        ("dime:learning_rate=1e-5", "dime:learning_rate=1e-05", "dime@learning_rate-1e-05"),
        ("sac:replay_capacity=1e6", "sac:replay_capacity=1000000", "sac@replay_capacity-1000000"),
        ("dime:activation=relu", "dime:activation=relu", "dime@activation-relu"),
        ("dime:x=no", "dime:x=no", "dime@x-no"),
        ("dime:x=true", "dime:x=true", "dime@x-true"),
        ("dime:x=-1", "dime:x=-1", "dime@x--1"),
        ("dime:x='8'", 'dime:x="8"', "dime@x-8~"),
        ("dime:critic_hidden=[64, 64]", "dime:critic_hidden=[64,64]", "dime@critic_hidden-64-64~"),
        ('dime:x="a:b,c"', 'dime:x="a:b,c"', "dime@x-a-b-c~"),
    ],
)
def test_a_variant_has_one_name_and_one_folder(typed: str, name: str, slug: str) -> None:
    variant = parse_variant(typed)
    assert variant.name == str(variant) == name
    stem, hashed, _ = slug.partition("~")
    assert variant.slug.startswith(stem + hashed)
    assert len(variant.slug) == len(stem) + (17 if hashed else 0)


def test_equal_means_the_same_name() -> None:
    assert parse_variant("dime:utd=1.0:x=2") == parse_variant("dime:x=2:utd=1")
    assert parse_variant("dime:utd=true") != parse_variant("dime:utd=1")
    assert len({parse_variant("dime:utd=1"), parse_variant("dime:utd=1.0"), parse_variant("dime:utd=true")}) == 2
    assert Variant("dime", (("h", [64, 64]),)) == parse_variant("dime:h=[64,64]")


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("", ": '' is no algorithm name"),
        ("all", "all: 'all' is no algorithm name"),
        ("../dime", "../dime: '../dime' is no algorithm name"),
        ("di me", "di me: 'di me' is no algorithm name"),
        ("dime:", "dime:: '' is not key=value"),
        ("dime:utd", "dime:utd: 'utd' is not key=value"),
        ("dime:utd=", "dime:utd=: utd: no value given"),
        ("dime:../x=1", "dime:../x=1: '../x' is no setting's name"),
        ("dime:utd=1:utd=2", "dime:utd=1:utd=2: utd is set twice"),
        ("dime:utd=.nan", "dime:utd=.nan: utd: .nan is not a finite number"),
        ("dime:utd={a: 1}", "dime:utd={a: 1}: utd: a mapping cannot be a variant's setting"),
        ("dime:h=[64,64", "dime:h=[64,64: ] is missing at the end"),
        ("dime:h=64]", "dime:h=64]: ] closes nothing"),
        ("dime:x='a", "dime:x='a: ' is missing at the end"),
        ('dime:x="\\n"', 'dime:x="\\n": x: the text holds a character that cannot be printed'),
    ],
)
def test_what_is_no_variant_says_why(typed: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_variant(typed)
    assert str(caught.value) == line


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**100, b"x", {1}, object()])
def test_a_variant_built_in_code_is_held_to_the_same_rules(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^x: "):
        Variant("dime", (("x", value),))


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("dime", ["dime"]),
        ("dime, sac", ["dime", "sac"]),
        ("dime,dime:critic_hidden=[64,64]", ["dime", "dime:critic_hidden=[64,64]"]),
        ("a:x=[[1,2],[3]],b", ["a:x=[[1,2],[3]]", "b"]),
        ('a:x="1,2",b', ['a:x="1,2"', "b"]),
        ("a:x='it''s, so',b", ["a:x='it''s, so'", "b"]),
        (r'a:x="\",",b', [r'a:x="\","', "b"]),
        ("it's,b", ["it's", "b"]),
    ],
)
def test_commas_in_brackets_and_quotes_belong_to_the_item(text: str, items: list[str]) -> None:
    assert split_list(text) == items


@pytest.mark.parametrize("text", ["", " ", "a,", ",a", "a,,b", "[a", "a]", "{a,", 'x="a'])
def test_an_empty_item_or_an_open_bracket_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        split_list(text)


@given(VARIANTS)
@example(Variant("dime", (("x", ["a,b", [":"], "'", '"', "\\"]), ("y", "null"))))
@settings(max_examples=150, deadline=None)
def test_a_name_reads_back_to_its_variant(variant: Variant) -> None:
    again = parse_variant(variant.name)
    assert again == variant
    assert again.settings == variant.settings
    assert parse_variant(again.name).name == variant.name
    assert split_list(f"{variant.name},sac") == [variant.name, "sac"]


@given(VARIANTS)
@settings(max_examples=150, deadline=None)
def test_a_slug_is_one_folder_on_any_system(variant: Variant) -> None:
    slug = variant.slug
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.@~-]*[A-Za-z0-9_]|[A-Za-z]", slug)
    assert slug == slug.lower()
    assert len(slug) <= 100
    for path in (PurePosixPath("results", slug), PureWindowsPath("results", slug)):
        assert path.parent.name == "results"
        assert path.name == slug


@given(VARIANTS, VARIANTS)
@example(parse_variant("dime:x=relu"), parse_variant("dime:x=Relu"))
@example(parse_variant("dime:x=8"), parse_variant("dime:x='8'"))
@example(parse_variant("dime:x=[1,2]"), parse_variant("dime:x='1-2'"))
@example(parse_variant("dime:x=1-y:z=2"), parse_variant("dime:x='1-y@z-2'"))
@settings(max_examples=150, deadline=None)
def test_distinct_names_have_distinct_slugs(one: Variant, other: Variant) -> None:
    assert (one.name == other.name) == (one.slug == other.slug)


@given(st.text(max_size=30))
@settings(max_examples=150, deadline=None)
def test_whatever_is_typed_is_a_variant_or_one_line(text: str) -> None:
    one_line(lambda: parse_variant(text))
