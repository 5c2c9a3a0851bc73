"""`dimebench doctor`: what it checks, and that it reports a failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dimebench.envs import physics_fingerprint
from tests.cli.calls import TASK, Call, refused


def test_it_finds_this_machine_well_and_prints_fingerprints(dimebench: Call, place: Path) -> None:
    answer = dimebench("doctor", "suite=tiny", "--json")
    assert (answer.code, answer.err) == (0, "")
    checks = json.loads(answer.out)
    groups = {"versions", "device", "rendering", "results", "library", "task", "resume"}
    assert {check["group"] for check in checks} == groups
    assert all(check["ok"] for check in checks)
    found = {check["name"]: check["detail"] for check in checks}
    assert found[TASK].endswith(f"physics {physics_fingerprint(TASK)}")
    assert found["killed and resumed"].endswith(": the same bits")
    assert sorted(path.name for path in place.iterdir()) == ["suites"], "nothing is left behind"


def test_a_check_that_fails_is_reported_and_ends_with_3(
    dimebench: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dimebench import doctor

    monkeypatch.setattr(doctor, "resume", lambda make: iter([doctor.Check("resume", "killed", False, "differs")]))
    monkeypatch.setattr(doctor, "rendering", lambda: iter(()))
    answer = dimebench("doctor", "suite=tiny")
    assert answer.code == 3
    assert answer.lines[-2] == "FAILED  resume     killed: differs"
    assert answer.lines[-1].endswith(" checks, 1 failed")


def test_words_that_it_does_not_know_are_refused(dimebench: Call, place: Path) -> None:
    refused(dimebench("doctor", "sac"), "'sac': doctor takes suite=NAME alone")
    refused(dimebench("doctor", "suite=tinny"), "unknown suite 'tinny' (nearest: tiny)")
