"""Names from elsewhere: what looks alike is one name, and every name that is written can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimebench.store import StoreError
from dimebench.store.external import folder_name
from dimebench.store.foreign.names import LONGEST, tidy


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("SAC\u00a0(ours)", "SAC (ours)"),
        ("  SAC \t x\r\n", "SAC x"),
        ("agent\u200dx", "agentx"),
        ("S\u00adAC", "SAC"),
        ("\ufeffSAC", "SAC"),
        ("\u202eSAC", "SAC"),
        ("\uff33\uff21\uff23", "SAC"),
        ("e\u0301", "\u00e9"),
        ("a\u2009b\u3000c", "a b c"),
        ("拡散 \u03b1", "拡散 \u03b1"),
    ],
)
def test_a_name_is_written_in_one_way(name: str, plain: str) -> None:
    assert tidy(name, "algorithm") == plain
    assert tidy(plain, "algorithm") == plain


@pytest.mark.parametrize("name", ["a\x00b", "a\x1b[2Jb", "a\ud800", "\ue000", "a\u0378"])
def test_what_cannot_be_shown_is_refused_in_a_line_that_can(name: str) -> None:
    with pytest.raises(StoreError, match=r"algorithm .* holds characters that cannot be shown") as caught:
        tidy(name, "algorithm")
    assert str(caught.value).isprintable()


def test_a_name_without_end_is_refused() -> None:
    assert tidy("a" * LONGEST, "algorithm")
    with pytest.raises(StoreError, match="longer than 200 characters"):
        tidy("a" * (LONGEST + 1), "algorithm")


@given(st.text(max_size=60))
def test_every_tidy_name_is_one_line_and_stays(name: str) -> None:
    try:
        plain = tidy(name, "algorithm")
    except StoreError:
        return
    assert plain.isprintable()
    assert plain == plain.strip() == tidy(plain, "algorithm")


@given(st.lists(st.text("a:@ -~/.é", min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
def test_two_variants_never_share_a_folder(names: list[str]) -> None:
    one, other = (folder_name(f"ext:{name}") for name in names)
    assert one != other
    assert not any("/" in folder or folder.startswith(".") for folder in (one, other))
