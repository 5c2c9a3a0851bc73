"""Stable-Baselines3 and sbx: their own `learn`, which a callback lets rest between turns."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from turns import Turns, serve

CLASSES = {"sac": "SAC", "crossq": "CrossQ"}
DISTRIBUTIONS = {"sb3": ("stable_baselines3", "stable-baselines3"), "sbx": ("sbx", "sbx-rl")}
SPARE = {"sac": {"learning_rate": 3e-4}, "crossq": {"learning_rate": 8e-4, "policy_delay": 3}}


def run(spec: dict[str, Any], turns: Turns) -> None:
    package, distribution = DISTRIBUTIONS[spec["peer"]]
    if spec["peer"] == "sbx" and spec["device"] == "cuda" and not _jax_has_cuda():
        turns.absent("JAX has no CUDA here")
        return
    algorithm = getattr(import_module(package), CLASSES[spec["algo"]])
    import torch
    from stable_baselines3.common.callbacks import BaseCallback
    from tasks import Task

    torch.set_num_threads(1)

    class Rest(BaseCallback):
        """Called after every env step, before the update that follows it."""

        def _on_step(self) -> bool:
            return turns.step()

    model = algorithm(
        "MlpPolicy",
        Task(spec["task"]),
        buffer_size=spec["replay_capacity"],
        learning_starts=spec["random_start"],
        batch_size=spec["batch_size"],
        gamma=0.99,
        train_freq=1,
        gradient_steps=1,
        policy_kwargs={"net_arch": {"pi": [256, 256], "qf": [spec["critic"]] * 2}},
        device=spec["device"] if spec["peer"] == "sb3" else "cpu",  # sbx learns where JAX does
        seed=0,
        **SPARE[spec["algo"]],
    )
    versions = {distribution: version(distribution), "torch": torch.__version__}
    if spec["peer"] == "sb3" and spec["device"] == "cuda":
        turns.sync = torch.cuda.synchronize
    if spec["peer"] == "sbx":
        import jax

        turns.sync = lambda: jax.block_until_ready((model.policy.qf_state.params, model.policy.actor_state.params))
        versions["jax"] = jax.__version__
    turns.ready(versions)
    model.learn(10**9, callback=Rest(), log_interval=10**6)


def _jax_has_cuda() -> bool:
    import jax

    try:
        return jax.default_backend() == "gpu"
    except RuntimeError:  # it was told to have it
        return False


if __name__ == "__main__":
    serve(run)
