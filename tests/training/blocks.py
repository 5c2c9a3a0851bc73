"""Tiny blocks on real tasks, and trainers that stop where a test wants them to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file
from safetensors.torch import save_file

from dimebench.agents.registry import load_algorithm
from dimebench.planning.identity import block_identity
from dimebench.training.block import Block, Protocol, plain_settings
from dimebench.training.execution.modes import chosen
from dimebench.training.loop import Hooks, Trainer
from tests.agents.learners import having

TINY = {  # of settings that some algorithms have and others have not
    "diffusion_steps": 2,
    "score_hidden": (8,),
    "time_frequencies": 4,
    "time_embedding": 4,
    "actor_hidden": (8,),
    "critic_hidden": (8,),
    "atoms": 11,
    "batch_size": 4,
    "learning_starts": 12,
    "replay_capacity": 50,
}


def make_block(algorithm: str, task: str = "dm_control/pendulum-swingup", **changes: Any) -> Block:
    """60 env steps, evaluated every 25 with 2 episodes; the replay wraps."""
    loaded = load_algorithm(algorithm)
    block = Block(
        suite="tiny",
        algorithm=algorithm,
        variant=algorithm,
        task=task,
        seeds=(0,),
        settings=plain_settings(loaded.Settings(**having(algorithm, **TINY))),
        protocol=Protocol(env_steps=60, action_repeat=20, eval_interval=25, eval_episodes=2),
        score={"kind": "final", "lower": 0.0, "upper": 1000.0},
        device="cpu",
        threads=1,
        code="test",
        versions={},
        cell=f"tiny/{algorithm}/{task}",
        command="test",
        mode=chosen(loaded, "cpu")[0],  # what a run on a CPU has
    )
    return replace(block, **changes)


def trainer(block: Block, results: Path, stop: Callable[[], bool] = lambda: False, every_s: float = 1e9) -> Trainer:
    hooks = Hooks(report=lambda event: None, should_stop=stop, checkpoint_every_s=every_s)
    return Trainer(block, results, block_identity(block, results), hooks)


def train(block: Block, results: Path, stop: Callable[[], bool] = lambda: False, every_s: float = 1e9) -> str:
    """Train until done or told to stop; the trainer's answer."""
    return carry_out(trainer(block, results, stop, every_s), results)


def carry_out(made: Trainer, results: Path) -> str:
    """Train and close; of a finished block all that it would have gone on from is kept for `outputs`."""
    try:
        status = made.train()
        if status == "finished" and made.resumable:
            state = made.state()
            if made.agent.learns:
                replay = made.off_policy.replay
                kept = replay.chunk(replay.added - len(replay), replay.added)
                state |= {f"replay.{key}": value for key, value in kept.items()}
            _final(made.block, results).parent.mkdir(exist_ok=True)
            save_file({k: v.contiguous() for k, v in state.items()}, _final(made.block, results))
        return status
    finally:
        made.close()


def _final(block: Block, results: Path) -> Path:
    return results / "final" / f"{block.name}.safetensors"


def stop_after(asked: int) -> Callable[[], bool]:
    """True from the given call on: a stop at an env step or in the middle of an evaluation."""
    calls = iter(range(10**9))
    return lambda: next(calls) >= asked


def outputs(block: Block, results: Path) -> dict[str, Any]:
    """What a finished block that `carry_out` has trained leaves: `left_on_disk`, and the state of the whole learner
    (critics, targets, temperature, optimisers), its random streams, environments and replay.
    """
    return left_on_disk(block, results) | {"final": load_file(_final(block, results))}


def left_on_disk(block: Block, results: Path) -> dict[str, Any]:
    """What a finished block leaves whoever trained it: its tables without wall-clock times, and the final policy."""
    found: dict[str, Any] = {}
    for seed in block.seeds:
        folder = block.run_folder(results, seed)
        for name in ("evals", "train"):
            table = pd.read_parquet(folder / f"{name}.parquet")
            found[f"{seed}/{name}"] = table.drop(columns="wall_time_s")
    policy = block.checkpoint_folder(results) / "policy.safetensors"
    if policy.exists():
        found["policy"] = load_file(policy)
    return found


def assert_same_outputs(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Bit for bit."""
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other[key], check_exact=True)
        else:
            assert value.keys() == other[key].keys()
            assert [name for name, array in value.items() if _bits(array) != _bits(other[key][name])] == []


def _bits(array: np.ndarray) -> tuple[Any, ...]:
    return array.dtype, array.shape, array.tobytes()  # what compares equal may differ: -0.0 and 0.0
