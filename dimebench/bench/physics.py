"""Times a block's environments under random actions, and MuJoCo alone under the same actions."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from dimebench.envs import make_vector_env
from dimebench.envs.vector import VectorEnv
from dimebench.training.block import Block
from dimebench.training.rng import sequence

TURN = 50  # env steps of one side before the other's turn


@dataclass(frozen=True)
class PhysicsTimes:
    """Seconds of an env step of all seeds: the block's, and MuJoCo's part of it."""

    block: float
    mujoco: float


def environments(block: Block) -> VectorEnv:
    """The environments that the block trains in, in as many processes as a run uses."""
    streams = [sequence(seed, "env") for seed in block.seeds]
    return make_vector_env(block.task, streams, block.protocol.action_repeat, block.env_workers)


def physics_times(block: Block, seconds: float) -> PhysicsTimes:
    """The two sides take turns, so that a busy machine slows both equally; resets are not timed."""
    envs, pure = environments(block), PurePhysics(block.task, block.protocol.action_repeat)
    rng, seeds, limit = np.random.default_rng(0), len(block.seeds), envs.spec.max_episode_steps or 1000
    envs.reset()
    pure.reset()
    ours: list[float] = []
    theirs: list[float] = []
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or len(ours) < 2:
        actions = rng.uniform(-1, 1, (TURN, seeds, envs.spec.act_dim)).astype(np.float32)
        ours.append(sum(_step(envs, action) for action in actions) / TURN)
        took = 0.0
        for action in actions[:, 0]:
            if done and done % limit == 0:
                pure.reset()
            done += 1
            took += pure.step(action)
        theirs.append(-(-seeds // max(1, block.env_workers)) * took / TURN)  # a worker's, one after another
    envs.close()
    return PhysicsTimes(statistics.median(ours), statistics.median(theirs))


def _step(envs: VectorEnv, action: np.ndarray) -> float:
    """Seconds of one env step of all seeds; episodes that ended are reset afterwards."""
    began = time.perf_counter()
    step = envs.step(action)
    took = time.perf_counter() - began
    ended = step.terminated | step.truncated
    if ended.any():
        envs.reset(np.flatnonzero(ended))
    return took


class PurePhysics:
    """One environment's physics alone: MuJoCo's steps of an env step, no observation, no reward, no checks."""

    def __init__(self, task: str, action_repeat: int) -> None:
        if task.startswith("dm_control/"):
            from dm_control import suite

            domain, _, name = task.removeprefix("dm_control/").partition("-")
            env = suite.load(domain, name, {"random": 0})
            self._reset, physics, steps = env.reset, env.physics, env._n_sub_steps
            self._model, self._data = physics.model.ptr, physics.data.ptr
        else:
            import gymnasium

            gym: Any = gymnasium.make(task.removeprefix("gymnasium/")).unwrapped
            self._reset, steps = gym.reset, gym.frame_skip
            self._model, self._data = gym.model, gym.data
        self._steps = steps * action_repeat
        limited = self._model.actuator_ctrllimited.astype(bool)
        low, high = self._model.actuator_ctrlrange.T
        self._low, self._high = np.where(limited, low, -1.0), np.where(limited, high, 1.0)

    def reset(self) -> None:
        self._reset()

    def step(self, action: np.ndarray) -> float:
        """Seconds that MuJoCo takes for one env step under action [A] in [-1, 1]."""
        self._data.ctrl[:] = self._low + (action + 1) / 2 * (self._high - self._low)
        began = time.perf_counter()
        mujoco.mj_step(self._model, self._data, self._steps)
        return time.perf_counter() - began
