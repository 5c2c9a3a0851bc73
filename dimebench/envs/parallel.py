"""A vector env whose environments are stepped by worker processes while the caller does something else.

Needs Linux. Shared memory has no name (memfd), so that nothing is left over however the processes end; workers exit
when their parent is gone.
"""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from dimebench.envs.arrays import RESET, STEP, Arrays, layout
from dimebench.envs.environment import Seed
from dimebench.envs.share import Setup, State
from dimebench.envs.spec import EnvError, TaskSpec
from dimebench.envs.vector import VectorEnv
from dimebench.envs.worker_process import BUILDING_S, EnvWorkerProcess

TIMEOUT_S = 300.0  # a worker that does not answer for so long counts as hung; steps and resets take milliseconds


class ParallelVectorEnv(VectorEnv):
    """Bit for bit what SerialVectorEnv does, in `workers` processes with equal shares of the environments.

    After an error that says that a worker died or hangs, only `close` may be called.
    """

    def __init__(
        self,
        spec: TaskSpec,
        seeds: Sequence[Seed],
        action_repeat: int = 1,
        workers: int = 1,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Raises EnvError when a worker cannot build its environments, or where there are no such processes."""
        if not hasattr(os, "eventfd"):
            raise EnvError(f"{spec.name}: worker processes need Linux: use 0 workers")
        envs = len(seeds)
        self._workers: list[EnvWorkerProcess] = []
        self._awake: list[int] = []  # workers that carry out a command
        size = layout(spec, envs).itemsize
        memory = os.memfd_create("dimebench-envs")
        try:
            os.ftruncate(memory, size)
            arrays = Arrays.over(mmap.mmap(memory, size), spec, envs)
            self._shares = _split(envs, workers)
            for number, share in enumerate(self._shares):
                own = seeds[share.start : share.stop]
                setup = Setup(spec, action_repeat, own, share.start, envs, number, memory, -1, -1)
                self._workers.append(EnvWorkerProcess(setup, len(self._shares), timeout_s))
                self._workers[-1].build()
            bounds, *_ = [worker.answer(BUILDING_S) for worker in self._workers]
        except BaseException:
            self.close()
            raise
        finally:
            os.close(memory)
        super().__init__(spec, arrays, bounds, action_repeat)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.pid for worker in self._workers]

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        for worker in self._workers:
            worker.join()
        self._workers, self._started = [], None

    def _reset(self, which: list[int]) -> None:
        self._wake(RESET, which)
        self._wait()

    def _begin_step(self, which: list[int]) -> None:
        self._wake(STEP, which)

    def _end_step(self, which: list[int]) -> None:
        self._wait()

    def _save(self) -> State:
        return {key: value for state in self._ask("save", [()] * len(self._shares)) for key, value in state.items()}

    def _restore(self, state: State) -> None:
        owners = {str(i): number for number, share in enumerate(self._shares) for i in share}
        parts: list[State] = [{} for _ in self._shares]
        for key, value in state.items():
            if (owner := owners.get(key.partition(".")[0])) is not None:
                parts[owner][key] = value
        self._ask("restore", [(part,) for part in parts])

    def _reseed(self, seeds: Sequence[Seed]) -> None:
        self._ask("reseed", [(list(seeds[share.start : share.stop]),) for share in self._shares])

    def _wake(self, command: int, which: list[int]) -> None:
        self._wait()  # for what an interrupted `finish` left behind
        arrays = self._arrays
        arrays.command[0] = command
        if len(which) == self._size:
            arrays.chosen[:] = True
            self._awake = list(range(len(self._workers)))
        else:
            arrays.chosen[:] = False
            arrays.chosen[which] = True
            self._awake = [i for i, share in enumerate(self._shares) if arrays.chosen[share.start : share.stop].any()]
        for i in self._awake:
            self._workers[i].wake()

    def _wait(self) -> None:
        """Until every worker has carried out its command. Raises the error of the first environment that has one."""
        if not self._workers:
            raise EnvError(f"{self.spec.name}: it is closed")
        while self._awake:
            self._workers[self._awake[0]].wait()
            del self._awake[0]
        failed = self._arrays.failed
        if failed.any():
            (text, number), *_ = [self._workers[i].receive() for i in np.flatnonzero(failed)]
            failed[:] = False
            error = EnvError(text)
            error.environment = number
            raise error

    def _ask(self, name: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """One request to every worker, and their answers. Raises the first error, once all have answered."""
        self._wait()
        for worker, own in zip(self._workers, arguments, strict=True):
            worker.send((name, *own))
        answers, errors = [], []
        for worker in self._workers:
            try:
                answers.append(worker.answer())
            except EnvError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return answers


def worker_count(envs: int, cores: int) -> int:
    """How many processes should step `envs` environments beside a learner, where `cores` cores may be used.

    One core is left to the learner; more processes are used only where the longest share becomes shorter. 0: step
    in the learner's own process.
    """
    free = min(envs, cores - 1)
    if free < 1:
        return 0
    longest = -(-envs // free)
    return -(-envs // longest)


def _split(envs: int, workers: int) -> list[range]:
    """Shares of consecutive environments whose sizes differ by one at most, none of them empty."""
    workers = min(workers, envs)
    edges = [envs * i // workers for i in range(workers + 1)]
    return [range(first, last) for first, last in itertools.pairwise(edges)]
