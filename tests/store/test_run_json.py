"""run.json comes from disk, where anybody may have edited it: it is read whole, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.store import Run, StoreError
from dimebench.store.schema import _misfit
from tests.store.runs import make_run

PATH = Path("results/small/dime/dm_control/dog-run/seed-000")
GOOD = make_run(Path("results")).to_json()


def changed(**changes: Any) -> dict[str, Any]:
    """A good run.json with other values; "score__kind" is `kind` within `score`."""
    plain = json.loads(json.dumps(GOOD))
    for name, value in changes.items():
        *outer, last = name.split("__")
        place = plain
        for key in outer:
            place = place[key]
        place[last] = value
    return plain


def test_a_run_is_what_its_run_json_says() -> None:
    run = make_run(Path("results"))
    assert Run.from_json(run.path, json.loads(json.dumps(run.to_json()))) == run


def test_keys_that_are_not_known_here_do_no_harm() -> None:
    assert Run.from_json(PATH, changed(colour="blue", score__note="ours")).suite == "small"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"schema": True}, "not a run.json of schema 1"),
        ({"schema": 1.0}, "not a run.json of schema 1"),
        ({"schema": 10**5000}, "not a run.json of schema 1"),
        ({"schema": 7}, "written in schema 7; this dimebench reads schema 1"),
        ({"suite": ["small"]}, "'suite' must be printable text"),
        ({"variant": "dime\x1b[2J"}, "'variant' must be printable text"),
        ({"task": ""}, "'task' must be printable text"),
        ({"seed": True}, "'seed' must be a whole number from 0"),
        ({"seed": -1}, "'seed' must be a whole number from 0"),
        ({"seed": 2**63}, "'seed' must be a whole number from 0"),
        ({"block": None}, "'block' must be printable text"),
        ({"reason": 3}, "'reason' must be text or null"),
        (
            {"status": "done"},
            "unknown status 'done' (known: running, finished, interrupted, failed, diverged)",
        ),
        ({"identity": []}, "'identity' must be a mapping"),
        ({"identity": {"of": {}}}, "'identity.sha256' is missing"),
        ({"identity__of": {}}, "'identity.of.protocol' is missing"),
        ({"identity__of__protocol": {}}, "'identity.of.protocol.env_steps' is missing"),
        ({"identity__of__settings": [1]}, "'identity.of.settings' must be a mapping"),
        ({"provenance": "me"}, "'provenance' must be a mapping"),
        ({"score": {"kind": "final", "lower": 0.0}}, "'score.upper' is missing"),
        ({"score__kind": "best"}, "unknown score 'best' (known: final, auc)"),
        ({"score__upper": 0}, "score.upper must be above score.lower"),
        ({"score__upper": float("inf")}, "'score.upper' must be a number from -1e+15 to 1e+15"),
        ({"score__lower": float("nan")}, "'score.lower' must be a number from -1e+15 to 1e+15"),
        ({"score__upper": 10**400}, "'score.upper' must be a number from -1e+15 to 1e+15"),
        ({"progress__env_step": "300"}, "'progress.env_step' must be a whole number from 0"),
        ({"progress__wall_time_s": None}, "'progress.wall_time_s' must be a number from -1e+15 to 1e+15"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_key(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(StoreError) as caught:
        Run.from_json(PATH, changed(**changes))
    assert str(caught.value) == f"{PATH / 'run.json'}: {problem}"


@pytest.mark.parametrize("key", [key for key in GOOD if key != "schema"])
def test_every_key_is_needed(key: str) -> None:
    content = changed()
    del content[key]
    with pytest.raises(StoreError, match=f"run.json: '{key}' is missing"):
        Run.from_json(PATH, content)


def test_nesting_without_end_is_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(100_000):
        nested = {"more": nested}
    with pytest.raises(StoreError, match="nested too deeply"):
        Run.from_json(PATH, changed(provenance=nested))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def held(content: Any) -> None:
    """Reading `content` gives a run that can be used, or a StoreError of one line."""
    refused, run = "", None
    try:
        run = Run.from_json(PATH, content)
    except StoreError as error:
        refused = str(error)
    if run is None:
        assert refused.startswith(f"{PATH / 'run.json'}: ")
        assert len(refused.splitlines()) == 1
        return
    assert f"{run.suite}{run.variant}{run.task}".isprintable()
    assert run.identity["of"]["protocol"]["env_steps"] + run.progress["env_step"] + run.seed >= 0
    assert run.score["upper"] > run.score["lower"]
    assert repr(Run.from_json(PATH, run.to_json())) == repr(run)


@settings(max_examples=200, deadline=None)
@given(content=JSON)
def test_anything_at_all_is_read_or_refused(content: Any) -> None:
    held(content)


@settings(max_examples=300, deadline=None)
@given(key=st.sampled_from(sorted(GOOD)), inner=st.none() | st.text(max_size=12), value=JSON)
def test_a_good_run_json_with_one_value_replaced_is_read_or_refused(key: str, inner: str | None, value: Any) -> None:
    content = changed()
    place = content[key]
    if inner is not None and isinstance(place, dict):
        place[sorted(place)[len(inner) % len(place)] if place else inner] = value
    else:
        content[key] = value
    held(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)


@given(st.data())
def test_a_misfit_is_found_where_it_is_and_nowhere_else(data: st.DataObject) -> None:
    shape = {"a": str, "b": {"a": int, "b": float, "c": {}}, "c": (str, type(None))}
    good = {"a": "x", "b": {"a": 3, "b": 2.5, "c": {"z": 1}}, "c": None}
    at = data.draw(st.sampled_from([(), ("a",), ("b",), ("b", "a"), ("b", "b"), ("b", "c"), ("c",)]))
    value: Any = json.loads(json.dumps(good))
    missing = bool(at) and data.draw(st.booleans())
    if at:
        holder = value
        for key in at[:-1]:
            holder = holder[key]
        if missing:
            del holder[at[-1]]
        else:
            holder[at[-1]] = data.draw(json_values)
    problem = _misfit(value, shape)
    if missing:
        assert problem == f"'{'.'.join(at)}' is missing"
    else:
        assert problem.startswith(f"'{'.'.join(at)}") or not problem
        assert at or not problem
