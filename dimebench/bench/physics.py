"""The environments of a block, stepped with random actions, beside the simulator alone under the same actions."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np

from dimebench.envs import SerialVectorEnv, VectorEnv, make_vector_env
from dimebench.training.block import Block
from dimebench.training.rng import sequence

TURN = 50  # env steps of one side before the other's turn


@dataclass(frozen=True)
class PhysicsTimes:
    """Seconds of an env step of all seeds: all of it, and the simulator's part (None where that is not MuJoCo)."""

    envs: float
    simulator: float | None


def physics_times(block: Block, seconds: float) -> PhysicsTimes:
    """The two sides take turns, so that a busy machine slows both equally; resets are not timed."""
    streams, repeat = [sequence(seed, "env") for seed in block.seeds], block.protocol.action_repeat
    envs = make_vector_env(block.task, streams, repeat, block.env_workers)  # in as many processes as a run uses
    pure = simulator(block.task, repeat)
    rng, seeds, limit = np.random.default_rng(0), len(block.seeds), envs.spec.max_episode_steps or 1000
    envs.reset()
    ours: list[float] = []
    theirs: list[float] = []
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or len(ours) < 2:
        actions = rng.uniform(-1, 1, (TURN, seeds, envs.spec.act_dim)).astype(np.float32)
        ours.append(sum(_step(envs, action) for action in actions) / TURN)
        if pure is None:
            continue
        took = 0.0
        for action in actions[:, 0]:
            if done and done % limit == 0:
                pure.reset()
            done += 1
            took += pure.step(action)
        theirs.append(-(-seeds // max(1, block.env_workers)) * took / TURN)  # a worker's, one after another
    envs.close()
    return PhysicsTimes(statistics.median(ours), statistics.median(theirs) if theirs else None)


def _step(envs: VectorEnv, action: np.ndarray) -> float:
    """Seconds of one env step of all seeds; episodes that ended are reset afterwards."""
    began = time.perf_counter()
    step = envs.step(action)
    took = time.perf_counter() - began
    ended = step.terminated | step.truncated
    if ended.any():
        envs.reset(np.flatnonzero(ended))
    return took


class Simulator:
    """One environment's physics alone: MuJoCo's steps of an env step, no observation, no reward, no checks."""

    def __init__(self, alone: SerialVectorEnv) -> None:
        """`alone`: a vector env of one MuJoCo environment."""
        self._alone, self._env = alone, alone.environments[0]
        self.reset()

    def reset(self) -> None:
        self._alone.reset()
        found = self._env.mujoco()
        assert found is not None
        self._model, self._data, self._steps = found.model, found.data, found.steps * self._alone.action_repeat

    def step(self, action: np.ndarray) -> float:
        """Seconds that MuJoCo takes for one env step under action [A] in [-1, 1]."""
        import mujoco

        low, high = self._env.low, self._env.high
        self._data.ctrl[:] = low + (action + 1) / 2 * (high - low)
        began = time.perf_counter()
        mujoco.mj_step(self._model, self._data, self._steps)
        return time.perf_counter() - began


def simulator(task: str, action_repeat: int) -> Simulator | None:
    """The physics of the task alone; None where it is not MuJoCo's."""
    alone = make_vector_env(task, [0], action_repeat)
    return None if alone.environments[0].mujoco() is None else Simulator(alone)
