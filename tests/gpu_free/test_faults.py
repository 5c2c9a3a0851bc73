"""The fake device finds what is wrong: each kind of fault is planted once."""

from __future__ import annotations

import pytest

from tests.gpu_free.judging import problems
from tests.gpu_free.processes import found_by

FINDINGS = {  # fault: the beginnings of what is to be found
    "what is not for a capture": [
        "item() in a capture",
        "a tensor made of Python's numbers in a capture",
        "add of tensors on the device and on the host",
        "a copy to the host in a capture",
        "a copy to the device in a capture",
        "indexing by a mask in a capture",
        "synchronize in a capture",
        "stream synchronize in a capture",
        "random numbers drawn in a capture",
    ],
    "work that is not joined": ["a capture ends while work on another stream has not been waited for"],
    "work that is not joined, eager": ["a stream uses what another one computes, without waiting for it"],
    "layouts that change": ["target_sample is compiled in a capture", "target_sample is compiled 2 times, not 1"],
    "no warm-up": ["something is compiled or captured as late as at env step"],
    "a count in the loss": ["other bits than the run that it repeats"],
    "an action that is fetched at once": ["a copy to the host (training/off_policy.py OffPolicyLearner.ask)"],
    "an action that is not waited for": ["diverged, not finished"],
    "a buffer that is filled too early": ["a host buffer changed while its copy to the device was under way"],
}


@pytest.mark.slow
def test_every_planted_fault_is_found() -> None:
    shown = found_by("faults")
    found = {fault: problems("sac", mode, run) for fault, (mode, run) in shown.items()}
    assert found.pop("nothing") == []
    assert found.keys() == FINDINGS.keys()
    missed = {
        fault: [due for due in FINDINGS[fault] if not any(line.startswith(due) for line in wrong)]
        for fault, wrong in found.items()
    }
    assert not any(missed.values()), (missed, found)
