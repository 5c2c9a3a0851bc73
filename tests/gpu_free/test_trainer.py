"""Every learner through the real training loop on a CUDA device that is not there."""

from __future__ import annotations

import pytest

from tests.agents.learners import LEARNERS
from tests.gpu_free.judging import problems
from tests.gpu_free.processes import found_by

SLOW = pytest.mark.slow
OTHERS = [name for name in LEARNERS if name not in ("dime", "sac")]


@pytest.mark.parametrize(
    "runs",
    [
        ("whole", "dime"),
        ("whole", "sac", "random"),
        *(("plain", name) for name in OTHERS),
        *(pytest.param(("whole", name), marks=SLOW) for name in OTHERS),
    ],
    ids=" ".join,
)
def test_a_learner_trains_on_cuda_as_a_gpu_wants_it(runs: tuple[str, ...]) -> None:
    """No wait, host copy or Python number in a capture, nothing captured later than it must, and:

    graphs, a replay on the host and resuming give the bits of a run that is eager, on the device and never cut.
    """
    assert wrong(*runs) == {}


@pytest.mark.parametrize(
    "algorithm",
    ["dime", "sac", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)],
)
def test_nothing_is_compiled_in_a_capture_or_once_training_has_begun(algorithm: str) -> None:
    """And each function once for each kind of call and side of BatchRenorm's warm-up."""
    assert wrong("compiled", algorithm) == {}


def wrong(what: str, *algorithms: str) -> dict[str, list[str]]:
    """What is wrong with the runs of some learners, by run."""
    found = found_by("runs", what, *algorithms)
    return {
        f"{name}: {case}": lines
        for name in algorithms
        for case, shown in found[name].items()
        if (lines := problems(name, case, shown))
    }
