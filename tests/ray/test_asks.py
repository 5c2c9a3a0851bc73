"""What blocks ask of a Ray cluster: fractions of a GPU, cores, memory. The cluster alone is made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dimebench.engines.events import Event, PoolSettings
from dimebench.engines.ray.cluster import dead_hosts, largest
from dimebench.engines.ray.pool import RayPool
from dimebench.planning.cells import Hardware
from dimebench.planning.memory import block_memory, gpu_fraction
from dimebench.planning.plan import make_plan
from tests.planning.requests import request

GIB = 2**30


def node(name: str, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeManagerHostname": name, "Alive": alive, "NodeID": name, "Resources": resources}


CLUSTER = [node("a", CPU=16, GPU=2, memory=64 * GIB), node("b", CPU=8, memory=32 * GIB), node("c", False, CPU=64)]


def pool(results: Path, device: str, *words: str, size: int | None = None, **more: Any) -> RayPool:
    plan = make_plan(request(*words), [0, 1, 2], results, device, hardware=Hardware(cores=4))
    asked = request(*words).suite.resources
    return RayPool(plan, PoolSettings(), asked.of, asked.parallel, size, **more)


def test_a_block_on_a_gpu_asks_for_the_share_that_its_memory_needs(tmp_path: Path) -> None:
    size = 80 * GIB
    made = pool(tmp_path, "cuda", size=size)
    ((_, block),) = made.plan.blocks()
    (ask,) = made._requests(CLUSTER)
    assert ask.gpus == gpu_fraction(block, size, tmp_path)
    assert 0.01 <= ask.gpus < 0.1
    assert ask.memory == block_memory(block, tmp_path, size).host
    assert ask.cpus == 1 + block.env_workers == 4
    assert ask.options() == {"num_cpus": 4, "num_gpus": ask.gpus, "memory": ask.memory}


def test_without_the_size_of_a_gpu_a_block_gets_a_whole_one_and_a_cpu_block_none(tmp_path: Path) -> None:
    (ask,) = pool(tmp_path, "cuda")._requests(CLUSTER)
    assert ask.gpus == 1
    asks = pool(tmp_path, "cpu")._requests(CLUSTER)
    assert {(each.gpus, each.cpus) for each in asks} == {(0.0, 1)}
    assert len(asks) == 3


def test_what_is_asked_for_goes_before_what_is_estimated(tmp_path: Path) -> None:
    words = ("resources.gpus=2", "resources.cpus=5", "resources.memory=3GB", "resources.parallel=1")
    made = pool(tmp_path, "cuda", *words, size=80 * GIB)
    (ask,) = made._requests(CLUSTER)
    assert ask.options() == {"num_cpus": 5, "num_gpus": 2.0, "memory": 3 * GIB}
    manifest = made._write_manifest([ask])
    assert manifest.resources[0]["cpus"] == 5
    assert manifest.engine == "ray"


def test_an_estimate_never_asks_for_more_than_a_node_has(tmp_path: Path) -> None:
    small = [node("a", CPU=1, memory=1000)]
    ask = pool(tmp_path, "cpu")._requests(small)[0]
    assert (ask.memory, ask.cpus) == (1000, 1)
    assert ask.fits(small[0])


def test_what_no_node_has_is_said_once(tmp_path: Path) -> None:
    made = pool(tmp_path, "cpu", "resources.cpus=17")
    said: list[Event] = []
    made._report = said.append
    made._report_infeasible(made._requests(CLUSTER), CLUSTER)
    assert [event.kind for event in said] == ["notice"]
    assert said[0].facts["text"].startswith("no node has 17 CPUs, ")
    assert said[0].facts["text"].endswith(" GiB of memory now; waits for one")
    said.clear()
    made = pool(tmp_path, "cpu", "resources.cpus=16")
    made._report = said.append
    made._report_infeasible(made._requests(CLUSTER), CLUSTER)
    assert said == []


def test_a_host_is_dead_when_none_of_its_nodes_lives() -> None:
    assert dead_hosts(CLUSTER) == {"c"}
    assert dead_hosts([*CLUSTER, node("c", CPU=1)]) == frozenset()
    assert largest(CLUSTER, "CPU") == 16, "the dead have nothing"


def test_longer_blocks_come_first(tmp_path: Path) -> None:
    made = pool(tmp_path, "cpu", "algo=sac,random", "steps=400")
    asks = made._requests(CLUSTER)
    learning = {ask.seconds for (cell, _), ask in zip(made._pairs, asks, strict=True) if cell.variant == "sac"}
    floor = {ask.seconds for (cell, _), ask in zip(made._pairs, asks, strict=True) if cell.variant == "random"}
    assert min(learning) > max(floor)


@pytest.mark.parametrize("error", ["OutOfMemoryError", "WorkerCrashedError"])
def test_the_reason_of_a_death_is_one_line(error: str) -> None:
    exceptions = pytest.importorskip("ray", reason="Ray is not installed").exceptions
    from dimebench.engines.ray.pool import task_failure

    made = (
        exceptions.OutOfMemoryError("much\nmore") if error == "OutOfMemoryError" else exceptions.WorkerCrashedError()
    )
    what = "ran out of memory" if error == "OutOfMemoryError" else "died"
    assert task_failure(made) == f"its worker {what} on 4 attempts ({error})"
