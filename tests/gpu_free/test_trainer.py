"""Every learner through the real training loop on a CUDA device that is not there."""

from __future__ import annotations

import pytest

from tests.gpu_free.judging import problems
from tests.gpu_free.processes import found_by


@pytest.mark.parametrize("algorithms", [("dime",), ("dime-gaussian",), ("crossq",), ("sac", "random")], ids=" ".join)
def test_a_learner_trains_on_cuda_as_a_gpu_wants_it(algorithms: tuple[str, ...]) -> None:
    """No wait, host copy, Python number or compiling in a capture, nothing compiled later than it must, and:

    graphs, a replay on the host and resuming give the bits of a run that is eager, on the device and never cut.
    """
    found = found_by("runs", *algorithms)
    wrong = {
        f"{name}: {case}": found_wrong
        for name in algorithms
        for case, shown in found[name].items()
        if (found_wrong := problems(name, case, shown))
    }
    assert wrong == {}
