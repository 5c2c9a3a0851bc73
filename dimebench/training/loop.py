"""The training loop of one block: act, step, store, update, evaluate; checkpointed so that it can be cut anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dimebench.agents.base import Agent, Dims, under
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.unstacked import UnstackedSeeds
from dimebench.envs import EnvError, library_of, make_vector_env, task_spec
from dimebench.training.block import Block, build_settings
from dimebench.training.checkpoint import Checkpoint, Checkpoints
from dimebench.training.evaluate import Evaluator, StopRequestedError
from dimebench.training.execution.modes import prepare
from dimebench.training.execution.warmup import warm_up
from dimebench.training.off_policy import OffPolicyLearner
from dimebench.training.record import Records
from dimebench.training.rng import generator, sequence

PROGRESS_EVERY_S = 0.5


@dataclass(frozen=True)
class Hooks:
    """What connects a trainer to the process that it runs in."""

    report: Callable[[dict[str, Any]], None]  # receives progress and evaluations
    should_stop: Callable[[], bool]  # asked between env steps
    checkpoint_every_s: float = 300.0
    keep_checkpoints: bool = False  # the last one stays when training is over


class Trainer:
    """Trains a block from where its checkpoint left it, or from the start."""

    def __init__(self, block: Block, results: Path, identity: dict[str, Any], hooks: Hooks) -> None:
        self.block, self.hooks = block, hooks
        torch.set_num_threads(block.threads)
        protocol, device, seeds = block.protocol, block.device, len(block.seeds)
        self.spec = task_spec(block.task, protocol.action_repeat)
        if self.spec.max_episode_steps is None:
            raise EnvError(f"{block.task}: its episodes have no end, so it cannot be evaluated")
        algorithm = load_algorithm(block.algorithm)
        self.resumable = library_of(block.task).resumable or not algorithm.learns
        if not self.resumable:
            self.hooks = replace(hooks, keep_checkpoints=False)
        self.settings = build_settings(algorithm.Settings, block.settings)
        self.dims = dims = Dims(self.spec.obs_dim, self.spec.act_dim)
        initial = [generator(seed, "parameters") for seed in block.seeds]
        self.agent: Agent = (
            UnstackedSeeds(dims, self.settings, initial, device, algorithm)
            if block.unstacked
            else algorithm(dims, self.settings, initial, device)
        )
        self.learner = prepare(self.agent, device, block.mode, block.precision, block.chain)
        self.on_gpu = device.startswith("cuda")
        self._is_warm = False
        self.evaluator = Evaluator(
            block.task, block.seeds, protocol.eval_episodes, protocol.action_repeat, device, block.env_workers
        )
        self.checkpoints = Checkpoints(block.checkpoint_folder(results))
        self.records = Records(block, results, identity)
        self.env_step = 0
        self.evaluated_at = -1  # the env step of the last evaluation
        self.diverged = np.zeros(seeds, dtype=bool)
        self.obs = np.empty((seeds, dims.obs), dtype=np.float32)  # the current observation of every seed
        if self.agent.learns:
            streams = [sequence(seed, "env") for seed in block.seeds]
            self.envs = make_vector_env(block.task, streams, protocol.action_repeat, block.env_workers)
            self.off_policy = OffPolicyLearner(block, dims, self.agent, self.learner)
        self._last_checkpoint = self._last_progress = time.monotonic()
        self._resume()

    # --- the loop ---------------------------------------------------------------------------------------------

    def train(self) -> str:
        """Train to the end of the budget. Returns "finished", "interrupted" (saved if resumable) or "diverged"."""
        budget = self.block.protocol.env_steps
        self.records.start(self.env_step, self.agent.grad_steps)
        self._progress(force=True)
        self.warm_up(self.hooks.should_stop)
        while True:
            if self.hooks.should_stop() or not self._evaluate_if_due():
                return self._interrupt()
            if self.env_step == budget or self.diverged.all():
                return self._finish()
            if self.agent.learns:
                self._env_step()
            else:
                interval = self.block.protocol.eval_interval  # nothing to train between evaluations
                self.env_step = min(budget, (self.env_step // interval + 1) * interval)
            if self.env_step % self.block.protocol.logging_interval() == 0:
                self._check_parameters()
                self.records.log(self.env_step, self.agent.grad_steps)
            if time.monotonic() - self._last_checkpoint > self.hooks.checkpoint_every_s:
                self.records.write(self.env_step, self.agent.grad_steps)  # first: a checkpoint does not hold the rows
                self._save()
                self._last_checkpoint = time.monotonic()
            self._progress()

    def _env_step(self) -> None:
        """One env step of every seed and, past the random start, one update call while the physics runs."""
        obs = self.obs
        if self.env_step >= self.settings.learning_starts:
            action = self._act_and_update(obs)
        else:
            action = self.off_policy.random_action()
            self.envs.start(action)
        step = self.envs.finish()
        ended = step.terminated | step.truncated
        self.off_policy.replay.add(obs, action, step.reward, step.obs, step.terminated, ended)
        self.records.add_rewards(step.reward, ended)
        self.obs = self.envs.reset(np.flatnonzero(ended)) if ended.any() else step.obs
        self.env_step += 1

    def _act_and_update(self, obs: np.ndarray) -> np.ndarray:
        """Start the environments with the policy's actions [S, A], and one call of the learner's update.

        The update learns from transitions of earlier env steps. A GPU gets it before the host waits for the
        action, so that it has work meanwhile; on a CPU it runs while the environments step.
        """
        self.off_policy.ask(obs)
        self.off_policy.draw()
        if self.on_gpu:
            self._update()
        action = self._finite(self.off_policy.wait())
        self.envs.start(action)
        if not self.on_gpu:
            self._update()
        return action

    def _update(self) -> None:
        self.records.add_metrics(self.off_policy.update())

    def _finite(self, action: np.ndarray) -> np.ndarray:
        """Actions to step with: a diverged seed idles while the others go on."""
        self._mark_diverged(~np.isfinite(action).all(axis=1))
        return np.where(self.diverged[:, None], np.float32(0), action) if self.diverged.any() else action

    def _check_parameters(self) -> None:
        """A learner can be lost while its actions still look well: DIME's actor drops gradients that are NaN."""
        broken = self.agent.diverged()
        if broken is not None:
            self._mark_diverged(broken.cpu().numpy(), "the learner's parameters")

    def _mark_diverged(self, broken: np.ndarray, what: str = "the policy's actions") -> None:
        """Seeds [S] of which something is not finite; once diverged, always diverged."""
        new = broken & ~self.diverged
        if new.any():
            self.diverged |= new
            reason = f"{what} are not finite at env step {self.env_step}"
            self.records.diverge(new, self.env_step, self.agent.grad_steps, reason)

    def warm_up(self, should_stop: Callable[[], bool]) -> None:
        """On a GPU compile and capture what is to come, once, so that no env step later waits for it."""
        protocol = self.block.protocol
        if self._is_warm or not self.on_gpu or self.block.mode == "eager":
            return
        self._is_warm = True
        rows = {"act": 1, "evaluate": protocol.eval_episodes}
        calls = protocol.env_steps - max(self.env_step, self.settings.learning_starts)
        warm_up(self.agent, self.learner, self.dims, rows, calls, should_stop)

    def _evaluate_if_due(self) -> bool:
        """False where training was asked to stop meanwhile; the evaluation is then done again on resuming."""
        if self.env_step == self.evaluated_at or not self.block.protocol.evaluates_at(self.env_step):
            return True
        self._check_parameters()
        try:
            episodes, broken = self.evaluator.evaluate(self.learner, self.env_step, self.hooks.should_stop)
        except StopRequestedError:
            return False
        except EnvError as error:  # of the environments of all seeds' episodes
            if error.environment is not None:
                error.environment //= self.block.protocol.eval_episodes
            raise
        self.evaluated_at = self.env_step
        self._mark_diverged(broken)
        self.records.add_evaluation(self.env_step, self.agent.grad_steps, episodes, self.diverged)
        self.hooks.report({"event": "evaluation", "env_step": self.env_step, **self.records.summary()})
        return True

    # --- ends, and what a checkpoint holds --------------------------------------------------------------------

    def _finish(self) -> str:
        self.checkpoints.keep_policy(self.agent.policy_state())
        if self.hooks.keep_checkpoints:
            self._save()
        self.records.finish(self.env_step, self.agent.grad_steps, self.hooks.keep_checkpoints)
        if not self.hooks.keep_checkpoints:
            self.checkpoints.remove()  # last: a kill before it leaves a finished run, and files in excess
        self._progress(force=True)
        return "diverged" if self.diverged.all() else "finished"

    def _interrupt(self) -> str:
        self.records.write(self.env_step, self.agent.grad_steps)
        self._save()
        self.records.interrupt(self.env_step, self.agent.grad_steps)
        self._progress(force=True)
        return "interrupted"

    def _save(self) -> None:
        if not self.resumable:
            return
        facts: dict[str, Any] = {"env_step": self.env_step, "evaluated_at": self.evaluated_at}
        facts |= {"diverged": self.diverged.tolist(), "records": self.records.facts()}
        added = kept = 0
        if self.agent.learns and self.env_step > 0:
            added, kept = self.off_policy.replay.added, len(self.off_policy.replay)
        self.checkpoints.save(facts, self.state(), added, kept, lambda a, b: self.off_policy.replay.chunk(a, b))

    def state(self) -> dict[str, Tensor]:
        """All tensors that training goes on from, but for the replay: learner, random streams, environments."""
        state: dict[str, Tensor] = {f"agent.{k}": v for k, v in self.agent.state_dict().items()}
        if self.agent.learns and self.env_step > 0:
            state |= {f"streams.{k}": v for k, v in self.off_policy.state_dict().items()}
            state |= {f"env.{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in self.envs.save().items()}
        return state

    def _resume(self) -> None:
        if not self.resumable:
            self._note(f"{self.block.task}: its library cannot save a state: a run that is cut off starts over")
        checkpoint = self.checkpoints.load()
        for problem in self.checkpoints.problems:
            self._note(problem)
        if checkpoint is None or checkpoint.facts.get("env_step") == 0:
            if self.agent.learns:
                self.obs = self.envs.reset()
            return
        with self.checkpoints.fitting():
            self._restore(checkpoint)

    def _restore(self, checkpoint: Checkpoint) -> None:
        facts, state = checkpoint.facts, checkpoint.state
        self.env_step, self.evaluated_at = facts["env_step"], facts["evaluated_at"]
        self.diverged = np.array(facts["diverged"])
        self.records.restore(facts["records"])
        self.agent.load_state_dict(under(state, "agent."))
        if self.agent.learns:
            self.off_policy.load_state_dict(under(state, "streams."))
            self.off_policy.replay.restore(checkpoint.chunks, self.env_step)
            self.obs = self.envs.restore({k: v.numpy() for k, v in under(state, "env.").items()})

    def _note(self, text: str) -> None:
        self.records.note(text)
        self.hooks.report({"event": "notice", "text": text})

    def _progress(self, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._last_progress > PROGRESS_EVERY_S:
            self._last_progress = now
            self.hooks.report({"event": "progress", "env_step": self.env_step, **self.records.summary()})

    def close(self) -> None:
        """Close the environments."""
        self.evaluator.close()
        if self.agent.learns:
            self.envs.close()
