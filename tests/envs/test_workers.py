"""Worker processes come and go with their vector env, whatever happens to either."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dimebench.envs import EnvError, ParallelVectorEnv, make_vector_env, task_spec
from tests.processes import alive, wait_until_gone

TASK = "dm_control/pendulum-swingup"
ACTION = np.zeros((3, 1), np.float32)


def make() -> ParallelVectorEnv:
    envs = ParallelVectorEnv(task_spec(TASK), [0, 1, 2], workers=2)
    envs.reset()
    return envs


def mappings() -> int:
    """How many times this process has a vector env's shared memory in its own."""
    return Path("/proc/self/maps").read_text().count("dimebench-envs")


@pytest.fixture(scope="module")
def envs() -> Iterator[ParallelVectorEnv]:
    envs = make()
    yield envs
    envs.close()


def test_at_most_one_worker_per_seed(envs: ParallelVectorEnv) -> None:
    assert len(envs.pids) == 2
    one = make_vector_env(TASK, [0], workers=8)
    assert isinstance(one, ParallelVectorEnv)
    assert len(one.pids) == 1
    one.close()


def test_a_worker_has_one_thread_the_parents_renderer_and_no_torch(envs: ParallelVectorEnv) -> None:
    for pid in envs.pids:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        for name in (b"OMP_NUM_THREADS", b"MKL_NUM_THREADS", b"OPENBLAS_NUM_THREADS"):
            assert name + b"=1" in environment
        assert f"MUJOCO_GL={os.environ['MUJOCO_GL']}".encode() in environment
        libraries = Path(f"/proc/{pid}/maps").read_text()
        assert "libmujoco" in libraries
        assert "torch" not in libraries


def test_signals_to_the_terminal_or_the_whole_job_are_the_parents_business(envs: ParallelVectorEnv) -> None:
    for pid in envs.pids:
        assert os.getpgid(pid) == pid != os.getpgid(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(pid, number)
    envs.step(ACTION)
    assert all(alive(pid) for pid in envs.pids)


@pytest.mark.parametrize("during_a_step", [False, True])
def test_a_killed_worker_is_named(during_a_step: bool) -> None:
    envs = make()
    if during_a_step:
        os.kill(envs.pids[1], signal.SIGSTOP)  # or it would be done before it is killed
        envs.start(ACTION)
    os.kill(envs.pids[1], signal.SIGKILL)
    line = rf"^{TASK}: environment worker 2 of 2 died \(SIGKILL\)$"
    with pytest.raises(EnvError, match=line):
        envs.finish() if during_a_step else envs.step(ACTION)
    for again in (lambda: envs.step(ACTION), envs.reset, envs.save, lambda: envs.reseed([0, 1, 2])):
        with pytest.raises(EnvError, match=line):
            again()
    pids = envs.pids
    envs.close()
    assert not any(alive(pid) for pid in pids)


def test_a_hung_worker_is_named_and_ended() -> None:
    envs = make()
    for worker in envs._workers:
        worker._timeout_s = 1.5
    os.kill(envs.pids[0], signal.SIGSTOP)
    line = f"^{TASK}: environment worker 1 of 2 did not answer within 1.5 s$"
    with pytest.raises(EnvError, match=line):
        envs.step(ACTION)
    with pytest.raises(EnvError, match=line):
        envs.save()
    pids = envs.pids
    envs.close()
    assert not any(alive(pid) for pid in pids)


def test_nothing_is_left_of_a_closed_vector_env() -> None:
    gc.collect()  # what earlier tests have left
    before, files = mappings(), len(os.listdir("/proc/self/fd"))
    envs = make()
    pids = envs.pids
    envs.start(ACTION)
    envs.close()  # in the middle of a step
    assert not any(alive(pid) for pid in pids)
    with pytest.raises(EnvError, match=f"^{TASK}: it is closed$"):
        envs.reset([0])
    assert mappings() > before
    del envs
    gc.collect()
    assert mappings() == before
    assert len(os.listdir("/proc/self/fd")) <= files + 1


PARENT = """
import sys, time
from tests.envs.test_workers import make
envs = make()
print(*envs.pids, flush=True)
if sys.argv[1] == "raise":
    raise RuntimeError
time.sleep(600)
"""


@pytest.mark.parametrize("end", ["raise", "killed"])
def test_nothing_is_left_of_a_parent_that_did_not_close(end: str) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, end], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root
    ) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        if end == "killed":
            parent.kill()
    wait_until_gone(pids)  # and the memory that they share with them: it has no name
