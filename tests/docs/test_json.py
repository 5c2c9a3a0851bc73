"""The page on the JSON of `compare` has every key that appears, and no other, each of the type that it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dimebench.analysis.published import cite
from dimebench.analysis.question import Question
from dimebench.reference import find
from dimebench.stats import NumpyEngine
from dimebench.wording.programs import SCHEMA, to_json
from tests.analysis.factory import RUN, WALK, Book, four_variants
from tests.analysis.test_summary import of
from tests.docs.pages import ROOT
from tests.reference.test_other_versions import other_versions

PAGE = ROOT / "docs" / "reference" / "json.md"
SHARED = ("estimate", "interval", "band")
PLAIN: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "free object": (dict,),
}
Types = dict[str, str]  # path -> type, as the page writes it


@pytest.fixture(scope="module")
def documented() -> Types:
    """Every path of the page, the objects that appear in many places written out."""
    own: dict[str, Types] = {}
    for title, body in re.findall(r"^##+ (.+?)$(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        keys = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \| [^|]+ \|$", body, re.MULTILINE))
        for path in re.findall(r"`([^`]+)`", title) or [""]:
            own[path] = own.get(path, {}) | keys

    def written_out(path: str, kind: str) -> Iterator[tuple[str, str]]:
        yield path, kind
        head, below = kind.removesuffix(" or null"), path
        if head.startswith("map of "):
            head, below = re.sub(r"^map of (\w+) by \w+$", r"\1", head), f"{path}{{}}"
        below += "[]" if head == "objects" else ""
        keys = own.get(head if head in SHARED else below, {}) if head in (*SHARED, "object", "objects") else {}
        for key, its_kind in keys.items():
            yield from written_out(f"{below}.{key}".lstrip("."), its_kind)

    return dict(pair for key, kind in own[""].items() for pair in written_out(key, kind))


@pytest.fixture(scope="module")
def printed() -> list[Any]:
    """JSON of summaries that together have every key: a family, published figures, what is left out, one seed."""
    rng, steps = np.random.default_rng(0), (0, 500_000, 1_000_000)
    book = Book()
    for variant, level in (("dime", 700), ("sac", 650), ("random", 20)):
        for task in (RUN, WALK):
            for seed in range(4):
                final = level + float(rng.normal(0, 20))
                book.add(variant, task, seed, (0, final / 2, final), env_steps=steps)
    book.add("sac", RUN, 7, (0, 1, 2), status="failed", reason="boom", env_steps=steps)
    book.add("dime", "dm_control/fish-swim", 0, (0, 1, 2), env_steps=steps)
    found = of(book, question=Question(delta=0.02, engine=NumpyEngine(200)))
    single = of(Book().cell("dime", RUN, [700]).cell("sac", RUN, [300]).cell("crossq", RUN, [300]))
    ranked = of(four_variants())
    versions = cite(other_versions(), [find("paper:CrossQ")])
    return [json.loads(to_json(one)) for one in (cite(found, [find("paper:DIME")]), single, ranked, versions)]


def paths(value: Any, types: Types, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every path below `path`, with its value."""
    kind = types.get(path, "")
    if isinstance(value, dict) and "free object" not in kind:
        for key, below in value.items():
            step = f"{path}{{}}" if kind.startswith("map of ") else f"{path}.{key}".lstrip(".")
            if not kind.startswith("map of "):
                yield step, below
            yield from paths(below, types, step)
    elif isinstance(value, list):
        for below in value:
            yield from paths(below, types, f"{path}[]")


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a type that the page names."""
    head = kind.removesuffix(" or null")
    if value is None:
        return head != kind
    if head in PLAIN:
        return isinstance(value, PLAIN[head]) and (head == "boolean" or not isinstance(value, bool))
    if head.startswith("list of "):
        return isinstance(value, list) and all(fits(each, head.removeprefix("list of ")) for each in value)
    if head == "objects":
        return isinstance(value, list) and all(isinstance(each, dict) for each in value)
    return (head in SHARED or head.startswith("map of ")) and isinstance(value, dict)


def test_every_key_that_appears_is_on_the_page_with_its_type(documented: Types, printed: list[Any]) -> None:
    seen = [pair for one in printed for pair in paths(one, documented)]
    assert {path for path, _ in seen} - set(documented) == set()
    assert [(path, value) for path, value in seen if not fits(value, documented[path])] == []


def test_every_key_on_the_page_appears(documented: Types, printed: list[Any]) -> None:
    assert set(documented) - {path for one in printed for path, _ in paths(one, documented)} == set()
    assert len(documented) > 150


def test_the_version_comes_first_and_is_that_of_the_page(printed: list[Any]) -> None:
    assert all(next(iter(one.items())) == ("schema", SCHEMA) for one in printed)
    assert f"is the version of what this page says, now {SCHEMA}:" in " ".join(PAGE.read_text().split())


def test_a_verdict_is_that_of_its_numbers(printed: list[Any]) -> None:
    """One meaning of a name on both levels: the judged interval and the adjusted p say what the verdict says."""
    found = printed[1]["comparisons"]  # one seed of each
    assert all((one["p_value"], one["judged"], one["judged_at"]) == (None, None, None) for one in found)
    for comparison in (*printed[0]["comparisons"], *printed[2]["comparisons"]):
        for one in (comparison, *comparison["tasks"]):
            apart = not one["judged"]["low"] <= 0 <= one["judged"]["high"]
            assert one["judged"]["confidence"] == pytest.approx(one["judged_at"])
            assert one["adjusted_p"] >= one["p_value"]
            if one["verdict"] != "equivalent":
                assert apart == ("better" in one["verdict"]) == (one["adjusted_p"] <= 0.05)
