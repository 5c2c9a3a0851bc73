"""Identity: one text for one thing, and a line for each difference."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.config import ConfigError, canonical_json, differences, identity_hash

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from(["a", "b", "c", "a.b"]), VALUES, max_size=3)


def test_canonical_json_is_sorted_ascii_and_without_spaces() -> None:
    obj = {"b": [1, 2.0, 3e-4, 1e16], "a": {"é": None, "x": True}, "c": (1, "2")}
    assert canonical_json(obj) == ('{"a":{"x":true,"\\u00e9":null},"b":[1,2.0,0.0003,1e+16],"c":[1,"2"]}')


def test_the_hash_is_known() -> None:
    assert identity_hash({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert identity_hash({"a": 1}) != identity_hash({"a": 1.0})


@pytest.mark.parametrize(
    ("obj", "line"),
    [
        ({"a": {"b": math.nan}}, "a.b: nan is not a finite number"),
        ({"a": [0, math.inf]}, "a[1]: inf is not a finite number"),
        ({"a": {1: 2}}, "a: the key 1 is not text"),
        ({"a": {1, 2}}, "a: a set cannot be part of a run's identity"),
        (b"x", "the value: a bytes cannot be part of a run's identity"),
    ],
)
def test_what_has_no_canonical_text_is_refused(obj: Any, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        canonical_json(obj)
    assert str(caught.value) == line


@given(MAPPINGS)
@settings(deadline=None)
def test_the_text_does_not_depend_on_order_and_reads_back(obj: dict[str, Any]) -> None:
    text = canonical_json(obj)
    assert text == canonical_json(dict(reversed(obj.items())))
    assert text == canonical_json(json.loads(text))
    assert text.isascii()


def test_differences_are_told_by_dotted_key() -> None:
    there = {"protocol": {"env_steps": 300, "action_repeat": 1}, "settings": {"utd": 2, "h": (64, 64)}, "code": "x"}
    here = {
        "protocol": {"env_steps": 1000000, "action_repeat": 1},
        "settings": {"h": [64, 64], "tau": 0.5},
        "code": "y",
    }
    assert differences(there, here) == [
        'code: "x" there, "y" here',
        "protocol.env_steps: 300 there, 1000000 here",
        "settings.tau: absent there, 0.5 here",
        "settings.utd: 2 there, absent here",
    ]


def test_differences_see_types_and_empty_sections() -> None:
    assert differences({"a": 1}, {"a": 1.0}) == ["a: 1 there, 1.0 here"]
    assert differences({"a": True}, {"a": 1}) == ["a: true there, 1 here"]
    assert differences({"a": {}}, {}) == ["a: {} there, absent here"]
    assert differences({}, {"a": {"b": None}}) == ["a.b: absent there, null here"]
    assert differences({"a": {"b": 1}}, {"a": 5}) == ['a: {"b":1} there, 5 here']


@given(MAPPINGS, MAPPINGS)
@settings(deadline=None)
def test_there_are_differences_exactly_when_the_hashes_differ(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert (differences(a, b) == []) == (identity_hash(a) == identity_hash(b))
    assert all(line.isprintable() for line in differences(a, b))


def test_config_imports_nothing_heavy_and_nothing_of_other_rooms() -> None:
    code = "import sys, dimebench.config; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "torch",
        "numpy",
        "pandas",
        "mujoco",
        "dm_control",
        "gymnasium",
        "matplotlib",
        "rich",
        "typer",
    }
    rooms = {name for name in loaded if name.startswith("dimebench.") and name.count(".") == 1}
    assert rooms == {"dimebench.config", "dimebench.errors", "dimebench.numbers"}
