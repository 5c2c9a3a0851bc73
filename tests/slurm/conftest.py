"""A cluster on loopback for the tests of this folder; without Slurm they skip and say why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dimebench.store import StoreError, read_runs
from tests.cli.conftest import dimebench, place  # noqa: F401 (fixtures)
from tests.processes import WATCHED
from tests.slurm.cluster import Cluster, why_not


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    # slurmstepd writes its title over its environment, but for the path of the configuration: that has the mark too.
    cluster = Cluster(tmp_path_factory.mktemp("slurm") / os.environ[WATCHED])
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster that sbatch and its kin talk to in this test; its queue is empty before and after."""
    for name, value in _cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # jobs start elsewhere
    monkeypatch.setattr("dimebench.engines.slurm.engine.LOOK_EVERY_S", 0.3)
    monkeypatch.setattr("dimebench.engines.slurm.engine.LOST_AFTER_S", 1.0)
    yield _cluster
    _cluster.clear()


def reached(results: Path) -> dict[tuple[str, int], int]:
    """Env steps of the runs there are, by variant and seed."""
    try:
        return {(run.variant, run.seed): run.progress["env_step"] for run in read_runs(results)}
    except StoreError:  # no folder yet
        return {}
