"""Several GPUs, here pretend ones: the real pool packs real worker processes, which train on the CPU."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dimebench.engines.events import Event, PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.planning.cells import Plan
from dimebench.planning.packing import Gpu, Item
from dimebench.planning.plan import make_plan
from dimebench.store import read_runs
from dimebench.training.block import Block
from tests.engines.test_local import _no_process_stays_behind  # noqa: F401 (a fixture)
from tests.faults.conftest import faulty, place  # noqa: F401 (fixtures)
from tests.planning.requests import request
from tests.training.blocks import stop_after, train

Given = dict[int, dict[str, str]]  # by process

GPUS = (Gpu("3", 100), Gpu("GPU-5f2a", 50))
NEEDS = {"seed-000": (40, 1.0), "seed-001": (60, 5.0), "seed-002": (40, 3.0), "seed-003": (30, 2.0)}


def needs(block: Block) -> Item:
    memory, seconds = NEEDS.get(block.name, (60, 9.0))
    return Item(block.name, memory, seconds)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    """The environment that each process was started with; one of them may have ended when it is looked at."""
    given: Given = {}

    def start(*words: Any, env: Mapping[str, str], **more: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(*words, env=env, **more)
        given[process.pid] = dict(env)
        return process

    recording = SimpleNamespace(**vars(subprocess) | {"Popen": start})
    monkeypatch.setattr("dimebench.engines.local.process.subprocess", recording)
    return given


class Looking:
    """Follows which block is on which pretend GPU, as the environments that the workers were given say."""

    def __init__(self, plan: Plan, per_gpu: int, given: Given) -> None:
        self.given = given
        self.pool = LocalPool(plan, PoolSettings(gpus=GPUS, per_gpu=per_gpu), needs)
        self.begun: list[str] = []
        self.seen: dict[str, list[tuple[str, ...]]] = {gpu.name: [] for gpu in GPUS}
        self.pids: list[int] = []

    def __call__(self, event: Event) -> None:
        if event.kind != "started":
            return
        self.begun.append(event.block.name)
        beside: dict[str, list[str]] = {gpu.name: [] for gpu in GPUS}
        for worker in self.pool._slots.working():
            assert worker.job is not None
            facts = self.given[worker.process.pid]
            assert facts["OMP_NUM_THREADS"] == facts["MKL_NUM_THREADS"] == "1"
            beside[facts["CUDA_VISIBLE_DEVICES"]].append(worker.job.block.name)
            if worker.job.block == event.block:
                self.pids.append(worker.process.pid)
        for gpu in GPUS:
            if beside[gpu.name]:
                self.seen[gpu.name].append(tuple(sorted(beside[gpu.name])))


def test_blocks_share_gpus_as_far_as_they_fit_the_longest_first(tmp_path: Path, given: Given) -> None:
    plan = make_plan(request(), range(4), tmp_path, "cpu")
    looking = Looking(plan, per_gpu=2, given=given)
    outcome = looking.pool.run(looking)
    assert (outcome.failed, outcome.interrupted) == ([], False)
    assert {(run.seed, run.status) for run in read_runs(tmp_path)} == {(seed, "finished") for seed in range(4)}
    assert looking.begun[:2] == ["seed-001", "seed-002"]
    assert sorted(looking.begun) == sorted(NEEDS)
    assert looking.seen["3"][0] == ("seed-001",), "the longest on the GPU with the most room"
    for gpu in GPUS:
        for beside in looking.seen[gpu.name]:
            assert len(beside) <= 2
            assert sum(NEEDS[name][0] for name in beside) <= gpu.memory
    assert ("seed-001", "seed-003") in looking.seen["3"], "beside each other"
    assert len(set(looking.pids)) == 4, "a process leaves after its block, with the memory that it held"


def test_out_of_memory_parts_a_block_among_others_and_its_parts_are_packed_too(
    faulty: Path,  # noqa: F811 (the fixture)
    given: Given,
) -> None:
    results = faulty
    ((_, block),) = make_plan(request("steps=60", algo="greedy"), [0], results, "cpu").blocks()
    assert train(replace(block, seeds=(0, 1)), results, stop_after(40)) == "interrupted"
    plan = make_plan(request("steps=60", algo="greedy"), [0, 1, 2], results, "cpu")
    looking = Looking(plan, per_gpu=3, given=given)
    outcome = looking.pool.run(looking)
    assert (outcome.failed, outcome.interrupted) == ([], False)
    assert looking.begun[0] == "seeds-000-to-001"
    assert {"seed-000", "seed-001"} <= set(looking.begun)
    assert {(run.seed, run.status) for run in read_runs(results)} == {(seed, "finished") for seed in range(3)}
    # Each part is taken to need what the whole did, 60: never both on one GPU, whatever was thought of a single seed.
    assert not any({"seed-000", "seed-001"} <= set(beside) for beside in looking.seen["3"] + looking.seen["GPU-5f2a"])
