"""Commands that speak with Slurm, on a machine without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dimebench.engines.events import PoolSettings
from dimebench.engines.manifest import JobManifest
from dimebench.planning.plan import make_plan
from tests.cli.calls import Call, refused
from tests.planning.requests import request


def test_without_slurm_each_command_says_so(dimebench: Call, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place))
    refused(
        dimebench("run", "suite=tiny", "--on", "slurm"),
        "--on slurm: there is no sbatch here; log in to a machine of the cluster that submits jobs",
    )
    made = make_plan(request(), [0], place / "results", "cpu")
    JobManifest.write(made, PoolSettings(), "slurm")
    refused(dimebench("cancel"), "there is no squeue here: ask on a machine of the cluster")
    answer = dimebench("status")
    assert answer.code == 0
    assert answer.lines == [
        "no runs in 'results'",
        "the queue is not shown: there is no squeue here: ask on a machine of the cluster",
    ]
