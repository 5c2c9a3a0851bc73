"""The chain's kernels compute what the eager chain computes, in Triton's interpreter on a CPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.agents.chains import Size, eager, log_ratio, of_path, random_chain
from tests.agents.learners import DIMS, draw, make, streams

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")

SIZES = {
    "one-step": Size(seeds=1, rows=5, actions=3, hidden=(17,), steps=1),
    "one-action-one-row": Size(seeds=3, rows=1, actions=1, hidden=(8, 5), steps=3),
    "rows-beside-tiles": Size(seeds=3, rows=21, actions=5, hidden=(17, 13), steps=3),
    "three-layers": Size(seeds=2, rows=16, actions=18, hidden=(24, 40, 33), steps=3),
    "wider-than-a-tile": Size(seeds=1, rows=18, actions=38, hidden=(300, 20), steps=2),
}
ROUNDED = Size(seeds=2, rows=21, actions=5, hidden=(32, 24), steps=3)
LEARNERS = {"updates": 4, "seeds": [3, 11], "settings": {"policy_delay": 2}}
# Relative to the largest element of what is compared.
TOLERANCES = {"float32": 3e-6, "tf32": 2e-3, "bf16": 5e-2}


def _cases() -> dict[str, Any]:
    cases: dict[str, Any] = {
        name: {"inputs": random_chain(size), "of_path": of_path(size), "precision": "float32"}
        for name, size in SIZES.items()
    }
    for precision in ("tf32", "bf16"):
        cases[precision] = {"inputs": random_chain(ROUNDED), "of_path": of_path(ROUNDED), "precision": precision}
    # One step: what it magnifies so much tells nothing after another.
    cases["clipped"] = cases["one-step"] | {"inputs": random_chain(SIZES["one-step"], far=1e4)}
    lost = random_chain(SIZES["rows-beside-tiles"])
    lost[0][1, 4, 2] = torch.tensor(0x7FFFFFFF, dtype=torch.int32).view(torch.float32)  # a GPU's NaN
    cases["lost"] = cases["rows-beside-tiles"] | {"inputs": lost}
    cases["lost-tf32"] = cases["lost"] | {"precision": "tf32"}
    cases["learner"] = LEARNERS | {"obs": torch.ones(2, 1, DIMS.obs)}
    return cases


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    return _cases()


@pytest.fixture(scope="module")
def found(cases: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of every case, what the kernels gave in the interpreter."""
    folder: Path = tmp_path_factory.mktemp("interpreted")
    torch.save(cases, folder / "cases")
    command = [sys.executable, "-m", "tests.agents.interpreted", str(folder / "cases"), str(folder / "results")]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "results")


def assert_close(got: Sequence[Tensor], expected: Sequence[Tensor], precision: str) -> None:
    assert len(got) == len(expected)
    for i, (one, other) in enumerate(zip(got, expected, strict=True)):
        assert one.shape == other.shape, i
        off = (one.double() - other.double()).abs().max() / other.abs().max().clamp(min=1e-12)
        assert off < TOLERANCES[precision], (i, float(off))


@pytest.mark.parametrize("name", [*SIZES, "clipped", "tf32", "bf16"])
def test_path_and_every_gradient_are_the_eager_chain_s(
    name: str, cases: dict[str, Any], found: dict[str, Any]
) -> None:
    """In float64, and in float32 as it is run."""
    case, got = cases[name], found[name]
    for dtype in (torch.float64, torch.float32):
        inputs = [tensor.to(dtype) for tensor in case["inputs"]]
        path, gradients = eager(inputs, case["of_path"].to(dtype), dtype)
        assert_close([got["path"], *got["gradients"]], [path, *gradients], case["precision"])


@pytest.mark.parametrize("name", [*SIZES, "clipped", "tf32", "bf16"])
def test_without_gradients_state_and_log_ratio_are_those_of_the_path(
    name: str, cases: dict[str, Any], found: dict[str, Any]
) -> None:
    case, got = cases[name], found[name]
    assert_close([got["last"]], [got["path"][:, -1]], "float32")
    exact = [tensor.double() for tensor in case["inputs"]]
    assert_close([got["log_w"]], [log_ratio(exact, got["path"].double())], "float32")


def test_scores_reach_their_clip_in_the_case_for_it(cases: dict[str, Any]) -> None:
    case = cases["clipped"]
    path, gradients = eager(case["inputs"], case["of_path"])
    keep, eta, scale, eps = case["inputs"][1:5]
    scores = (path[:, 1:] - keep[:, :, None] * path[:, :-1] - scale[:, :, None] * eps) / eta[:, :, None]
    clipped = scores.abs() > 9_999
    assert 0.2 < clipped.float().mean() < 0.9
    assert gradients[-1].abs().max() > 0


@pytest.mark.parametrize("name", ["lost", "lost-tf32"])
def test_a_number_that_is_none_stays_one_and_in_its_row(
    name: str, cases: dict[str, Any], found: dict[str, Any]
) -> None:
    """As in the eager chain: a learner that diverges has to be seen to."""
    path, _ = eager(cases[name]["inputs"], cases[name]["of_path"])
    assert torch.equal(found[name]["path"].isnan(), path.isnan())
    assert torch.equal(found[name]["log_w"].isnan(), path.isnan().any(-1).any(1))


def test_precisions_differ_as_their_names_say(cases: dict[str, Any], found: dict[str, Any]) -> None:
    case = cases["tf32"]
    path, _ = eager([t.double() for t in case["inputs"]], case["of_path"].double(), torch.float64)
    tf32, bf16 = ((found[name]["path"] - path).abs().max() for name in ("tf32", "bf16"))
    assert 1e-5 < tf32 < bf16 / 3


def test_a_learner_with_the_kernels_learns_what_one_without_learns(found: dict[str, Any]) -> None:
    got, seeds = found["learner"], LEARNERS["seeds"]
    agent, source = make("dime", seeds, **LEARNERS["settings"]), streams(seeds)
    before = {name: arena.detach().clone() for name, arena in agent.arenas.items()}
    for metrics in got["metrics"]:
        expected = agent.update(*draw(agent, source))
        assert metrics.keys() == expected.keys()
        for key, value in metrics.items():
            torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-4)
    action = agent.act(torch.ones(2, 1, DIMS.obs), source.normal("act", agent.policy_noise(1)))
    torch.testing.assert_close(got["action"], action, rtol=1e-3, atol=1e-3)
    state = agent.state_dict()
    off = [(got["state"][key] - state[key]).abs().flatten() for key in state if key.startswith("policy.")]
    assert (torch.cat(off) > 1e-4).float().mean() < 0.02
    assert not torch.equal(before["policy"], agent.arenas["policy"])
