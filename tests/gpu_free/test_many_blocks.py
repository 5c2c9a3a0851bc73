"""A process trains compiled blocks of any number and sizes; each compiles what it needs, once, before it trains."""

from __future__ import annotations

import pytest

from tests.agents.learners import LEARNERS
from tests.gpu_free.blocks import LIMIT, SIZES
from tests.gpu_free.judging import two_sided
from tests.gpu_free.processes import found_by

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "what",
    [
        ("sac", "compile+graph"),
        ("dime", "compile+graph", "acting"),
        *(pytest.param((name, "compile+graph"), marks=SLOW) for name in LEARNERS if name != "sac"),
        *(pytest.param((name, "compile"), marks=SLOW) for name in LEARNERS),
    ],
    ids=" ".join,
)
def test_ten_blocks_of_ten_sizes_in_one_process(what: tuple[str, ...]) -> None:
    found = found_by("blocks", *what)
    assert len(found) == len(SIZES)
    for block in found:
        assert len(block["compiled"]) >= 2
        for function, (variants, kinds) in block["compiled"].items():
            assert variants == kinds * (2 if function in two_sided(what[0]) else 1), function
        assert block["late"] == 0, "nothing is compiled once training has begun"
        assert block["faults"] == {}, "nor in a capture"


def test_blocks_that_share_compiled_code_reach_the_limit_of_variants() -> None:
    *trained, last = found_by("blocks", "sac", "compile+graph", "shared")
    assert last == {"error": "FailOnRecompileLimitHit"}
    assert len(trained) == LIMIT
