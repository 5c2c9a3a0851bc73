"""Checks of an installation before days of training rely on it. Nothing here raises."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dimebench.cores import available, quota, usable_cores
from dimebench.engines.local.process import Events, Job, WorkerProcess
from dimebench.envs import EnvError, all_packages, known_libraries, known_tasks, library_of, task_spec
from dimebench.envs import physics_fingerprint as physics
from dimebench.errors import DimebenchError, one_line
from dimebench.planning.cells import Cell
from dimebench.planning.code.closure import code_of, code_version
from dimebench.planning.process_env import WORKER_ENVIRONMENT
from dimebench.store import atomic_write, read_evals, read_run, read_train
from dimebench.store.claims import Watch
from dimebench.store.provenance import machine, package_versions
from dimebench.training.block import Block, Protocol, plain_settings

RENDER = """
import mujoco
world = '<mujoco><worldbody><light pos="0 0 3"/><geom size="1"/></worldbody></mujoco>'
model = mujoco.MjModel.from_xml_string(world)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 48, 64)
renderer.update_scene(data)
pixels = renderer.render()
print(f"renders {pixels.shape[1]}x{pixels.shape[0]}" if pixels.any() else "renders nothing but black")
"""
SELF_TEST_S = 300.0  # longer, and the self-test counts as failed


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    group: str  # versions, device, rendering, results, library, task, resume
    name: str
    ok: bool
    detail: str


def versions() -> Iterator[Check]:
    facts = {"dimebench": code_version(), **{key: str(value) for key, value in machine().items()}}
    for name, detail in (facts | package_versions(all_packages())).items():
        yield Check("versions", name, True, detail)


def device() -> Iterator[Check]:
    import torch

    for i in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(i).total_memory / 2**30
        yield Check("device", f"cuda:{i}", True, f"{torch.cuda.get_device_name(i)}, {memory:.0f} GiB")
    if not torch.cuda.is_available():
        yield Check("device", "cpu", True, "no CUDA device")
    yield Check("device", "cores", True, cores_here())


def cores_here() -> str:
    """How many cores training may use, and why not all of the machine's."""
    usable, there = usable_cores(), os.cpu_count() or 1
    if usable >= there:
        return str(there)
    limit = quota()
    why = f"a CPU quota of {limit:g}" if limit is not None and usable < available() else "the CPU affinity"
    return f"{usable} of {there}: {why}"


def rendering() -> Iterator[Check]:
    """Training needs no renderer; videos do. Tried in a subprocess, since a broken driver may crash it."""
    try:
        command, environment = [sys.executable, "-c", RENDER], {**os.environ, "MUJOCO_GL": "egl"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        words = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
        detail = words[-1] if words else f"ends with exit code {done.returncode}"
    except (OSError, subprocess.SubprocessError) as error:
        detail = str(error)
    ok = detail.startswith("renders ")
    yield Check("rendering", "egl", True, detail if ok else f"none here, training does without: {detail}")


def results_folder(folder: Path) -> Iterator[Check]:
    """Whether the folder supports what training needs: renames, and claims that exclude each other."""
    try:
        free = shutil.disk_usage(folder).free / 2**30
        with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as name:
            atomic_write(Path(name) / "file", b"doctor")
            first, second = Watch().acquire(Path(name)), Watch().acquire(Path(name))
    except OSError as error:
        yield Check("results", str(folder), False, f"{error.filename or folder}: {error.strerror}")
        return
    if first is None or second is not None:
        yield Check("results", str(folder), False, "two processes can make the same file: claims do not work here")
    else:
        yield Check("results", str(folder), True, f"writable, claims work, {free:.0f} GiB free")


def libraries() -> Iterator[Check]:
    """Whether every environment library can be imported."""
    for prefix in known_libraries():
        try:
            yield Check("library", prefix, True, f"{len(known_tasks(prefix))} tasks")
        except EnvError as error:
            yield Check("library", prefix, False, str(error))


def tasks(names: Sequence[str]) -> Iterator[Check]:
    """Loads every task, steps it, and prints its physics fingerprint."""
    for name in names:
        try:
            spec = task_spec(name)
            detail = f"{spec.obs_dim} observations, {spec.act_dim} actions, physics {physics(name)}"
            yield Check("task", name, True, detail)
        except EnvError as error:
            yield Check("task", name, False, str(error))


def self_test_block(task: str) -> Block:
    """SAC with small networks: 1,000 env steps, killed somewhere in the middle."""
    from dimebench.agents.sac import SAC

    small: dict[str, Any] = {"critic_hidden": (16,), "actor_hidden": (16,), "batch_size": 16}
    return Block(
        suite="doctor",
        algorithm="sac",
        variant="sac",
        task=task,
        seeds=(0,),
        settings=plain_settings(SAC.Settings(**small, learning_starts=100, replay_capacity=2000)),
        protocol=Protocol(env_steps=1000, action_repeat=4, eval_interval=400, eval_episodes=1),
        score={"kind": "final", "lower": 0.0, "upper": 1000.0},
        device="cpu",
        threads=1,
        code=code_of("sac", task).digest,
        versions=package_versions(library_of(task).packages),
        cell=f"doctor/sac/{task}",
        command="dimebench doctor",
    )


def resume(make: Callable[[], Block]) -> Iterator[Check]:
    """Train a block without interruption, and again killed by SIGKILL in the middle and resumed: the same bits?"""
    name = "killed and resumed"
    try:
        with tempfile.TemporaryDirectory() as folder:
            block, whole, cut = make(), Path(folder) / "whole", Path(folder) / "cut"
            _train(block, whole, _is_done)
            killed_at = _train_and_kill(block, cut)
            _train(block, cut, _is_done)
            problem = _difference(block, whole, cut)
        where = f"{block.algorithm} on {block.task}, killed after env step {killed_at} of {block.protocol.env_steps}"
        yield Check("resume", name, not problem, f"{where}: {problem or 'the same bits'}")
    except (OSError, subprocess.SubprocessError, RuntimeError, DimebenchError) as error:
        yield Check("resume", name, False, one_line(error))


def _train(block: Block, results: Path, enough: Callable[[dict[str, Any]], bool]) -> None:
    """Train in a worker process and kill it with SIGKILL at the first event for which `enough` is true.

    Raises RuntimeError if training fails before that, or takes longer than SELF_TEST_S.
    """
    events: Events = queue.Queue()
    deadline = time.monotonic() + SELF_TEST_S
    worker = WorkerProcess([], WORKER_ENVIRONMENT, events)
    try:
        worker.start(
            Job(Cell(block.variant, block.task, block.seeds), block, claims=[]),
            results=str(results),
            checkpoint_every_s=0.05,
            keep_checkpoints=False,
            hang_timeout_s=SELF_TEST_S,
        )
        while True:
            _, event = events.get(timeout=max(0.0, deadline - time.monotonic()))
            if event["event"] == "failed":
                raise RuntimeError(event["reason"])
            if event["event"] == "died":
                raise RuntimeError(f"the worker process died ({event['how']})")
            if enough(event):
                return
    except queue.Empty:
        raise RuntimeError(f"training is not over after {SELF_TEST_S:.0f} s") from None
    finally:
        worker.kill("")
        worker.close(SELF_TEST_S)


def _train_and_kill(block: Block, results: Path) -> int:
    """Kill the training once it has a checkpoint past the random start. Returns the last reported env step."""
    checkpoints, step = block.checkpoint_folder(results), 0

    def enough(event: dict[str, Any]) -> bool:
        nonlocal step
        step = event.get("env_step", step)
        learning = step > block.settings["learning_starts"]
        return (learning and any(checkpoints.glob("[0-9]*/manifest.json"))) or _is_done(event)

    _train(block, results, enough)
    return step


def _is_done(event: dict[str, Any]) -> bool:
    return bool(event["event"] == "done")


def _difference(block: Block, whole: Path, cut: Path) -> str:
    """What differs between two results apart from wall-clock times; "" if nothing does."""
    found = [[read_run(block.run_folder(results, seed)) for seed in block.seeds] for results in (whole, cut)]
    for name, read in (("evals.parquet", read_evals), ("train.parquet", read_train)):
        one, other = (read(list(filter(None, runs))).drop(columns="wall_time_s") for runs in found)
        if not one.equals(other):
            return f"{name} differs"
    first, second = ((block.checkpoint_folder(each) / "policy.safetensors").read_bytes() for each in (whole, cut))
    return "" if first == second else "the final policy differs"
