"""Blocks on a real Ray cluster: nodes and workers that die, and Ctrl-C, cost time and nothing else."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dimebench.engines.events import Event, Outcome, PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.engines.manifest import JobManifest
from dimebench.engines.ray.pool import RayPool, ResourceRequest
from dimebench.planning.cells import Plan
from dimebench.planning.plan import make_plan
from dimebench.store import read_run, read_runs
from dimebench.store.claims import Watch, claimed_by
from dimebench.training.block import Block
from tests.planning.requests import request
from tests.ray.conftest import TwoNodes
from tests.training.blocks import assert_same_outputs, left_on_disk

STEPS = 600
pytestmark = pytest.mark.timeout(900)  # Ray alone takes minutes to start on a machine with much other work

WORDS = (f"steps={STEPS}", "evaluation.interval=200")
SETTINGS = PoolSettings(workers=2, checkpoint_every_s=0.1)


def planned(results: Path, *seeds: int) -> Plan:
    return make_plan(request(*WORDS), seeds or (0, 1), results, "cpu")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same two runs, trained by this machine's own pool."""
    results = tmp_path_factory.mktemp("local")
    assert LocalPool(planned(results), SETTINGS).run(lambda event: None).failed == []
    return results


def carry_out(results: Path, plan: Plan, once_begun: Callable[[list[Block]], None]) -> tuple[Outcome, list[Event]]:
    """Train on the cluster; `once_begun` is called as soon as the first run has a checkpoint and goes on."""
    blocks = [block for _, block in plan.blocks()]
    events: list[Event] = []

    def watch() -> None:
        first = blocks[0].run_folder(results, 0)
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            run = read_run(first)
            if run is not None and run.progress["env_step"] > 0:
                once_begun(blocks)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    outcome = RayPool(plan, SETTINGS).run(events.append)
    thread.join(timeout=10)
    return outcome, events


def pids(block: Block, results: Path) -> list[int]:
    """The worker of Ray, and the process that trains for it."""
    owner = claimed_by(block.run_folder(results, block.seeds[0]))
    assert owner is not None
    return [pid for pid, _ in owner.processes]


def assert_as_undisturbed(results: Path, undisturbed: Path) -> None:
    runs = read_runs(results)
    assert [(run.status, run.progress["env_step"]) for run in runs] == [("finished", STEPS)] * 2
    assert all(Watch().holder(run.path) is None for run in runs)
    assert not (results / ".launch").exists()
    for _, block in planned(undisturbed.parent / "nothing").blocks():
        assert_same_outputs(left_on_disk(block, results), left_on_disk(block, undisturbed))


def resumed(results: Path) -> list[int]:
    return sorted(run.provenance["resumed"] for run in read_runs(results))


def test_ctrl_c_lets_tasks_save(two_nodes: TwoNodes, tmp_path: Path) -> None:
    plan = make_plan(request("steps=100000", "evaluation.interval=50000"), [0], tmp_path, "cpu")
    outcome, _ = carry_out(tmp_path, plan, lambda blocks: os.kill(os.getpid(), signal.SIGINT))
    assert outcome.interrupted
    assert outcome.failed == []
    (run,) = read_runs(tmp_path)
    assert run.status == "interrupted"
    assert 0 < run.progress["env_step"] < 100_000
    assert Watch().holder(run.path) is None
    assert any(tmp_path.rglob("manifest.json"))


def test_a_node_that_dies_costs_time_and_nothing_else(
    two_nodes: TwoNodes, undisturbed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def kill(blocks: list[Block]) -> None:
        two_nodes.kill(two_nodes.node_of(pids(blocks[0], tmp_path)[0]))

    outcome, events = carry_out(tmp_path, planned(tmp_path), kill)
    assert (outcome.failed, outcome.interrupted) == ([], False)
    assert resumed(tmp_path) == [0, 1], "one went on from its checkpoint, the other was not touched"
    (notice,) = [event for event in events if event.kind == "notice"]
    assert notice.block.seeds == (0,)
    assert "goes on from env step" in notice.facts["text"]
    assert "env step 0 " not in notice.facts["text"]
    assert_as_undisturbed(tmp_path, undisturbed)
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", ""), "Ray keeps its word to itself"
    two_nodes.fill()


class _Unseen(RayPool):
    """Its nodes do not see the manifest, as where the results folder is on this machine's own disk."""

    def _write_manifest(self, requests: list[ResourceRequest]) -> JobManifest:
        manifest = super()._write_manifest(requests)
        (manifest.folder / "order.json").unlink()
        return manifest


def test_nodes_that_do_not_see_the_results_fail_in_one_line(two_nodes: TwoNodes, tmp_path: Path) -> None:
    events: list[Event] = []
    outcome = _Unseen(planned(tmp_path, 0), SETTINGS).run(events.append)
    ((block, reason),) = outcome.failed
    assert block.seeds == (0,)
    assert reason.endswith(
        "order.json: there is no such job manifest (does every node see the results folder there?)"
    )
    assert "\n" not in reason
    assert [event.kind for event in events] == ["failed"]
    assert read_runs(tmp_path) == []
