"""The comparison with other libraries: taking turns, with our own loop as both sides, and a peer that is absent."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

COMPARE = Path(__file__).parents[2] / "benchmarks" / "peers" / "compare.py"
SHORT = ["--task", "pendulum-swingup", "--critic", "8", "--rounds", "3", "--turn", "2", "--warm", "2"]


def compare(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(COMPARE), *SHORT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_two_sides_take_turns_and_a_peer_that_is_not_installed_is_skipped_with_the_reason() -> None:
    if find_spec("sbx") is not None:
        pytest.skip("sbx is installed here")
    done = compare("--peers", "sbx,ours", "--json", "all.actor_hidden=[8]")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "sbx: skipped: No module named 'sbx'; install the extra `peers`\n"
    answer = json.loads(done.stdout)
    assert list(answer["found"]) == ["ours", "ours-3"]
    assert answer["versions"]["ours"] == answer["versions"]["ours-3"]
    for figures in answer["found"].values():
        assert len(figures["turns"]) == 3
        assert all(clock > 0 and cpu > 0 for clock, cpu in figures["turns"])
    assert answer["found"]["ours"]["ratio"] == answer["found"]["ours"]["cpu_ratio"] == 1.0


def test_a_peer_that_nobody_knows_is_refused() -> None:
    done = compare("--peers", "sb2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("unknown peer 'sb2' (known: sb3, sbx, torchrl, ours)\n")
