"""Evaluation: episodes side by side, in environments and with random streams of their own.

An evaluation is a function of (agent, seed, env step) alone: its streams are derived anew each time, so it
leaves nothing behind that a checkpoint would have to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch

from dimebench.envs import VectorEnv, make_vector_env
from dimebench.envs.arrays import NO_NOTION
from dimebench.training.execution.modes import Learner
from dimebench.training.rng import generator, normal, sequence


class StopRequestedError(Exception):
    """Training was asked to stop in the middle of an evaluation, which will be done again."""


class Evaluator:
    """Evaluates S seeds over `episodes` episodes each. Environments are built once, on first use.

    `workers`: processes that step them, none changing a number; 0: this one.
    """

    def __init__(
        self, task: str, seeds: Sequence[int], episodes: int, action_repeat: int, device: str, workers: int = 0
    ) -> None:
        self.task, self.seeds, self.episodes = task, list(seeds), episodes
        self.action_repeat, self.device, self.workers = action_repeat, device, workers
        self._envs: VectorEnv | None = None

    def _environments(self, env_step: int) -> VectorEnv:
        each = product(self.seeds, range(self.episodes))
        streams = [sequence(seed, "evaluation-env", env_step, episode) for seed, episode in each]
        if self._envs is None:
            self._envs = make_vector_env(self.task, streams, self.action_repeat, self.workers)
        else:
            self._envs.reseed(streams)
        return self._envs

    def evaluate(
        self, agent: Learner, env_step: int, should_stop: Callable[[], bool]
    ) -> tuple[list[list[dict[str, Any]]], np.ndarray]:
        """Rows (episode, return, length, success) of each seed's episodes; which seeds' actions were not finite [S].

        `success` is None where the task has no notion of it, else as the library counts it over an episode.

        Raises StopRequestedError.
        """
        envs = self._environments(env_step)
        at_any_step = envs.library.success == "any"
        seeds, episodes = len(self.seeds), self.episodes
        noise_generators = [generator(seed, "evaluation-noise", env_step, device=self.device) for seed in self.seeds]
        shapes = agent.policy_noise(episodes)
        obs = envs.reset()
        returns = np.zeros(seeds * episodes)
        lengths = np.zeros(seeds * episodes, dtype=np.int64)
        success = np.full(seeds * episodes, NO_NOTION, dtype=np.int8)
        running = np.ones(seeds * episodes, dtype=bool)
        broken = np.zeros(seeds, dtype=bool)
        while running.any():
            if should_stop():
                raise StopRequestedError
            noise = {name: normal(noise_generators, shape, self.device) for name, shape in shapes.items()}
            batch = torch.from_numpy(obs).to(self.device).reshape(seeds, episodes, -1)
            actions = agent.evaluate(batch, noise).flatten(0, 1).cpu().numpy()
            if not np.isfinite(actions).all():
                broken |= ~np.isfinite(actions).reshape(seeds, -1).all(axis=1)
                actions = np.where(np.isfinite(actions), actions, np.float32(0))
            step = envs.step(actions, np.flatnonzero(running))  # what has ended stays where it ended
            returns += step.reward
            lengths[running] += 1
            so_far = np.maximum(success, step.success) if at_any_step else step.success
            success = np.where(running, so_far, success)
            running &= ~(step.terminated | step.truncated)
            obs = step.obs
        counted = (each.tolist() for each in (returns, lengths, success))
        rows: list[dict[str, Any]] = [
            {"episode": i % episodes, "return": gained, "length": steps, "success": None if won < 0 else bool(won)}
            for i, (gained, steps, won) in enumerate(zip(*counted, strict=True))
        ]
        return [rows[i : i + episodes] for i in range(0, len(rows), episodes)], broken

    def close(self) -> None:
        if self._envs is not None:
            self._envs.close()
