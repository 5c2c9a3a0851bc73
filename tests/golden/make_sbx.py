"""Golden numbers of SAC and CrossQ, computed by SBX's own JAX functions on small networks.

    pip install '.[reference]'
    python tests/golden/make_sbx.py [DIRECTORY]        writes *.npz and manifest.json; default tests/golden/sbx

What runs is SBX's, unmodified: `update_critic`, `soft_update`, `update_actor`, `update_temperature`, and `train` with
its `_train` loop and Stable-Baselines3's replay buffer, at the published settings; only the layers are narrow. The
cases `*_train_authors` alone replace `update_temperature` by the CrossQ authors' loss (see `AuthorsTemperature`).
Three things are put around SBX's functions to see what they do, none of which changes a number:

- Parameters and running statistics are set away from their initial values, so that every term counts.
- Gradients (of a case's first update) are noted by a pass-through optax transformation in front of SBX's Adam.
- Noise: the actor's `apply_fn` is wrapped so that each `dist.sample(seed)` notes its key, mean, standard deviation
  and action as it runs. The noise is what the same tfp distribution with mean 0 and deviation 1 draws with that
  key; that tanh(mean + std * noise) is the noted action is checked here for every draw.

Arrays are float32. Parameters and statistics are stored as `WHEN_NETWORK:LAYER.LEAF` in flax's names and shapes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict, unflatten_dict
from sbx import SAC, CrossQ
from sbx.common.distributions import TanhTransformedDistribution
from sbx.common.policies import tfd
from stable_baselines3.common.logger import Logger

Arrays = dict[str, Any]

OBS, ACT, BATCH, BATCHES = 7, 3, 32, 8
ACTOR, CRITIC = [16, 24], [24, 16]  # units; unequal, so that no transposed matrix fits
ALPHA = 0.3  # in the cases that do not start as published, at 1
WARMUP = 100_000  # BatchRenorm's, in training-mode forwards
PUBLISHED: dict[str, dict[str, Any]] = {
    "sac": {"learning_rate": 3e-4, "gamma": 0.99, "tau": 0.005, "policy_delay": 1},
    "crossq": {"learning_rate": 8e-4, "gamma": 0.99, "policy_delay": 3},
}
CROSSQ_POLICY = {"optimizer_kwargs": {"b1": 0.5}, "batch_norm_momentum": 0.99, "renorm_warmup_steps": WARMUP}
DRAWS: list[tuple[np.ndarray, ...]] = []  # key, mean, std, action of each draw since the last look


class Spaces(gymnasium.Env):
    """A task of which SBX sees the spaces only."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBS,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACT,), np.float32)


class AuthorsTemperature:
    """The temperature loss of the CrossQ authors' code (adityab/CrossQ, sbx/sac/sac.py, `update_temperature`).

    It is alpha (entropy - target); SBX has log alpha (entropy - target). The gradients differ by the factor alpha.
    """

    @staticmethod
    @jax.jit
    def update_temperature(target_entropy: float, ent_coef_state: Any, entropy: jax.Array) -> tuple:
        def loss_of(params: Any) -> jax.Array:
            return ent_coef_state.apply_fn({"params": params}) * (entropy - target_entropy).mean()

        loss, grads = jax.value_and_grad(loss_of)(ent_coef_state.params)
        return ent_coef_state.apply_gradients(grads=grads), loss


def noting_draws(apply_fn: Callable) -> Callable:
    """An actor's forward pass that notes what is drawn from the distribution it returns."""

    def note(*draw: Any) -> None:
        DRAWS.append(tuple(np.asarray(d) for d in draw))

    def apply(*args: Any, **kwargs: Any) -> Any:
        out = apply_fn(*args, **kwargs)
        dist = out[0] if isinstance(out, tuple) else out  # with the updated statistics in training mode
        original, normal = dist.sample, dist.distribution

        def sample(seed: jax.Array) -> jax.Array:
            action = original(seed=seed)
            jax.debug.callback(note, seed, normal.mean(), normal.stddev(), action, ordered=True)
            return action

        dist.sample = sample
        return out

    return apply


def noise() -> np.ndarray:
    """The standard normal noise [draws, B, A] of the draws since the last call, in order."""
    jax.effects_barrier()
    found = []
    for key, mean, std, action in DRAWS:
        standard = TanhTransformedDistribution(tfd.MultivariateNormalDiag(jnp.zeros_like(mean), jnp.ones_like(std)))
        eps = np.asarray(standard.distribution.sample(seed=jnp.asarray(key)))
        assert np.abs(np.tanh(mean + std * eps) - action).max() < 1e-6, "this is not the noise that SBX drew"
        found.append(eps)
    DRAWS.clear()
    return np.stack(found)


def noting_gradients(state: Any) -> Any:
    """A train state whose optimiser keeps the last gradients as `opt_state[0]`."""
    keep = optax.GradientTransformation(lambda p: jax.tree.map(jnp.zeros_like, p), lambda g, s, p=None: (g, g))
    tx = optax.chain(keep, state.tx)
    return state.replace(tx=tx, opt_state=tx.init(state.params))


def flat(group: str, tree: Any) -> Arrays:
    """The leaves of a flax tree as `group:LAYER.LEAF`, without the wrappers' names and BatchRenorm's constants."""
    leaves = flatten_dict(tree).items()
    return {f"{group}:" + ".".join(path[-2:]): v for path, v in leaves if path[-1] not in ("r_max", "d_max")}


def everything(when: str, network: str, state: Any) -> Arrays:
    """A network's parameters, running statistics and target parameters."""
    arrays = flat(f"{when}_{network}", state.params) | flat(f"{when}_{network}", getattr(state, "batch_stats", {}))
    return arrays | flat(f"{when}_target_{network}", getattr(state, "target_params", {}))


def perturbed(params: Any, rng: np.random.Generator) -> Any:
    """Parameters away from their initial values, with one dead unit and one action near the largest log std."""
    leaves = flatten_dict(params)
    for (*_, layer, leaf), value in leaves.items():
        new = np.asarray(value) + rng.normal(0, 0.1 if leaf == "kernel" else 0.2, value.shape)
        if leaf == "scale":  # of features whose mean `statistics` moves: a shift by d = 5 is not to kill the units
            new[..., ::4] *= 0.1
        if (layer, leaf) == ("Dense_0", "bias"):
            new[..., 5] = -100.0
        if (layer, leaf) == ("Dense_3", "bias"):  # the log std of the actor; critics have no such layer
            new[0] += 2.0
        leaves[(*_, layer, leaf)] = jnp.asarray(new, jnp.float32)
    return unflatten_dict(leaves)


def statistics(before: Any, after: Any, distance: float, steps: int, rng: np.random.Generator) -> Any:
    """Running statistics near those of a batch, by which an update took `before` to `after`.

    With a distance in standard deviations one feature of four has another mean, and one another variance.
    """
    before, after = flatten_dict(before), flatten_dict(after)
    batch = {path: np.asarray(after[path] - 0.99 * before[path]) / 0.01 for path in after}
    stats = {path: jnp.full_like(value, steps) if path[-1] == "steps" else value for path, value in after.items()}
    for path in (path[:-1] for path in after if path[-1] == "mean"):
        shape = batch[(*path, "mean")].shape
        std, position = np.sqrt(np.maximum(batch[(*path, "var")], 0.01)), np.arange(shape[-1]) % 8
        mean_off = distance * ((position == 0) * 1.0 - (position == 4)) + 0.3 * rng.normal(size=shape)
        var_off = distance / 3 * ((position == 2) * 1.0 - (position == 6)) + 0.3 * rng.normal(size=shape)
        stats[(*path, "mean")] = jnp.asarray(batch[(*path, "mean")] + std * mean_off, jnp.float32)
        stats[(*path, "var")] = jnp.asarray(std**2 * np.exp(var_off), jnp.float32)
    return unflatten_dict(stats)


def make_batches(rng: np.random.Generator) -> Arrays:
    """Transitions [BATCHES, B, ...]: each batch with ends of both kinds, one constant observation."""
    obs, next_obs = rng.normal(size=(2, BATCHES, BATCH, OBS))
    obs[..., -1] = next_obs[..., -1] = 1.0
    ends = rng.permuted(np.tile(np.arange(BATCH), (BATCHES, 1)), axis=1)
    arrays = {"obs": obs, "action": np.tanh(rng.normal(size=(BATCHES, BATCH, ACT))), "next_obs": next_obs}
    arrays |= {"reward": 2.0 * rng.normal(size=(BATCHES, BATCH))}
    arrays |= {"terminated": ends < 5, "truncated": (ends >= 5) & (ends < 9)}
    return {key: value.astype(np.float32) for key, value in arrays.items()}


class Reference:
    """One SBX model, the perturbed state that its cases start from, and the cases."""

    def __init__(self, algorithm: type, name: str, batches: Arrays) -> None:
        self.batches, self.rng, self.key = batches, np.random.default_rng(1), jax.random.PRNGKey(7)
        policy = {"net_arch": {"pi": ACTOR, "qf": CRITIC}} | (CROSSQ_POLICY if name == "crossq" else {})
        self.model = algorithm("MlpPolicy", Spaces(), policy_kwargs=policy, seed=0, **PUBLISHED[name])
        self.model.set_logger(Logger(None, []))
        actor, qf = self.model.policy.actor_state, self.model.policy.qf_state
        self.actor = actor.replace(apply_fn=noting_draws(actor.apply_fn), params=perturbed(actor.params, self.rng))
        self.qf = qf.replace(params=perturbed(qf.params, self.rng))
        if hasattr(qf, "target_params"):
            self.qf = self.qf.replace(target_params=perturbed(self.qf.params, self.rng))

    def inputs(self) -> Arrays:
        """The parameters that all cases start from."""
        return everything("in", "policy", self.actor) | everything("in", "critics", self.qf)

    def renorm(self, distance: float, critic_steps: int, actor_steps: int) -> Arrays:
        """Set the running statistics of both networks, from those of the first batch."""
        actor, qf = self.model.policy.actor_state.batch_stats, self.model.policy.qf_state.batch_stats
        old_actor, old_qf = self.actor.replace(batch_stats=actor), self.qf.replace(batch_stats=qf)
        new_qf = self.model.update_critic(old_actor, old_qf, self.alpha(ALPHA), *self.batch(0), self.key)[0]
        new_actor = self.model.update_actor(old_actor, old_qf, self.alpha(ALPHA), self.batch(0)[0], self.key)[0]
        noise()
        qf = statistics(qf, new_qf.batch_stats, distance, critic_steps, self.rng)
        actor = statistics(actor, new_actor.batch_stats, distance, actor_steps, self.rng)
        self.qf, self.actor = self.qf.replace(batch_stats=qf), self.actor.replace(batch_stats=actor)
        return flat("in_critics", qf) | flat("in_policy", actor)

    def alpha(self, value: float) -> Any:
        """The temperature's train state at alpha = value."""
        return self.model.ent_coef_state.replace(params={"log_ent_coef": jnp.log(jnp.float32(value))})

    def batch(self, index: int) -> tuple[jax.Array, ...]:
        """Observations, actions, next observations, rewards, terminations, discounts, as `update_critic` has them."""
        names = ("obs", "action", "next_obs", "reward", "terminated")
        return *(jnp.asarray(self.batches[k][index]) for k in names), jnp.full(BATCH, self.model.gamma, jnp.float32)

    def policy_case(self) -> Arrays:
        """The actor in evaluation mode, on observations so large that log std is clipped at both ends."""
        actor, obs = self.actor, self.batches["obs"][0] * np.linspace(0, 20, BATCH, dtype=np.float32)[:, None]
        stats = getattr(actor, "batch_stats", None)
        dist = actor.apply_fn({"params": actor.params, "batch_stats": stats} if stats else actor.params, obs)
        action, mean, std = dist.sample(seed=self.key), dist.distribution.mean(), dist.distribution.stddev()
        assert {-20.0, 2.0} < set(np.log(std).round(5).ravel().tolist()), "log std is not clipped at both ends"
        arrays = {"obs": obs, "eps": noise()[0], "mean": mean, "std": std, "action": action}
        return arrays | {"log_prob": dist.log_prob(action), "mode": self.model.policy.select_action(actor, obs)}

    def critic_case(self, updates: int = 4) -> Arrays:
        """`update_critic`, and SAC's `soft_update` after each."""
        out, model, qf, key = {}, self.model, noting_gradients(self.qf), self.key
        for u in range(1, updates + 1):
            alpha = self.alpha(ALPHA)
            qf, (out[f"u{u}_loss"], _), key = model.update_critic(self.actor, qf, alpha, *self.batch(u - 1), key)
            if hasattr(model, "soft_update"):
                qf = model.soft_update(model.tau, qf)
            (out[f"u{u}_eps"],) = noise()
            if u == 1:
                out |= flat("u1_gradient_critics", qf.opt_state[0])
            if u in (1, updates):
                out |= everything(f"u{u}", "critics", qf)
        return out

    def actor_case(self, updates: int = 4) -> Arrays:
        """`update_actor`, and `update_temperature` on its entropy after each."""
        out, model, key = {}, self.model, self.key
        actor, alpha = noting_gradients(self.actor), noting_gradients(self.alpha(ALPHA))
        for u in range(1, updates + 1):
            actor, _, loss, key, entropy = model.update_actor(actor, self.qf, alpha, self.batch(u - 1)[0], key)
            alpha, _ = model.update_temperature(model.target_entropy, alpha, entropy)
            out |= {f"u{u}_loss": loss, f"u{u}_entropy": entropy, f"u{u}_eps": noise()[0]}
            out |= {f"u{u}_log_alpha": alpha.params["log_ent_coef"]}
            out |= {f"u{u}_alpha_gradient": alpha.opt_state[0]["log_ent_coef"]}
            if u == 1:
                out |= flat("u1_gradient_policy", actor.opt_state[0])
            if u in (1, updates):
                out |= everything(f"u{u}", "policy", actor)
        return out

    def train_case(self, calls: int, gradient_steps: int, alpha: float) -> Arrays:
        """Calls of `train`, each on the next `gradient_steps` batches, which come out of the replay buffer."""
        out, model, buffer = {"in_log_alpha": np.log(alpha)}, self.model, self.model.replay_buffer
        model.policy.qf_state, model.policy.actor_state = self.qf, self.actor
        model.ent_coef_state = self.alpha(alpha)
        rows = {key: value.reshape(BATCHES * BATCH, *value.shape[2:]) for key, value in self.batches.items()}
        for i in range(BATCHES * BATCH):
            row = {key: value[i : i + 1] for key, value in rows.items()}
            done, info = row["terminated"] + row["truncated"], [{"TimeLimit.truncated": bool(row["truncated"][0])}]
            buffer.add(row["obs"], row["next_obs"], row["action"], row["reward"], done, info)
        for c in range(1, calls + 1):
            buffer.sample = lambda n, env=None, c=c: buffer._get_samples(np.arange((c - 1) * n, c * n), env)
            model.train(gradient_steps, BATCH)
            logged = model.logger.name_to_value
            out |= {f"call{c}_{key}": logged[f"train/{key}"] for key in ("critic_loss", "actor_loss")}
            out |= {f"call{c}_log_alpha": model.ent_coef_state.params["log_ent_coef"], f"call{c}_eps": noise()}
        out |= everything("out", "critics", model.policy.qf_state)
        return out | everything("out", "policy", model.policy.actor_state)


def main(directory: Path) -> None:
    batches = make_batches(np.random.default_rng(0))
    directory.mkdir(parents=True, exist_ok=True)
    cases: dict[str, str] = {}

    def add(name: str, what: str, arrays: Arrays) -> None:
        arrays = {key: np.asarray(value, np.float32) for key, value in arrays.items()}
        assert all(np.isfinite(value).all() for value in arrays.values()), name
        np.savez_compressed(directory / f"{name}.npz", **arrays)
        cases[name] = what
        print(f"{name:28s} {what}", flush=True)

    add("batches", f"transitions [{BATCHES}, B, ...] of all cases", batches)
    sac = Reference(SAC, "sac", batches)
    add("sac_inputs", "parameters that all SAC cases start from", sac.inputs())
    add("sac_policy", "actor in evaluation mode", sac.policy_case())
    add("sac_critic", "4 x update_critic and soft_update", sac.critic_case())
    add("sac_actor", "4 x update_actor and update_temperature", sac.actor_case())
    add("sac_train", "4 x train, from alpha 1", sac.train_case(4, 1, 1.0))
    sac = Reference(type("AuthorsSAC", (AuthorsTemperature, SAC), {}), "sac", batches)
    add("sac_train_authors", "3 x train of 2 updates, the authors' temperature loss", sac.train_case(3, 2, ALPHA))

    crossq = Reference(CrossQ, "crossq", batches)
    add("crossq_inputs", "parameters that all CrossQ cases start from", crossq.inputs())
    add("crossq_policy", "actor in evaluation mode", crossq.renorm(0, 0, 0) | crossq.policy_case())
    for name, distance, steps, what in (
        ("before", 0, 0, "plain batch normalisation"),
        ("crossing", 0, WARMUP - 2, "r and d from the third update on"),
        ("after", 0, 2 * WARMUP, "r and d"),
        ("far", 9, WARMUP, "r and d are clipped both ways"),
    ):
        stats = crossq.renorm(distance, steps, steps)
        add(f"crossq_critic_{name}", f"4 x update_critic; {what}", stats | crossq.critic_case())
        add(f"crossq_actor_{name}", f"4 x update_actor and update_temperature; {what}", stats | crossq.actor_case())
    stats, what = crossq.renorm(0, WARMUP - 4, WARMUP - 1), "7 x train over the warm-up's end, from alpha 1"
    add("crossq_train", what, stats | crossq.train_case(7, 1, 1.0))
    crossq = Reference(type("AuthorsCrossQ", (AuthorsTemperature, CrossQ), {}), "crossq", batches)
    stats, what = crossq.renorm(0, WARMUP, WARMUP), "4 x train of 2 updates, the authors' temperature loss"
    add("crossq_train_authors", what, stats | crossq.train_case(4, 2, ALPHA))

    packages = ("sbx-rl", "jax", "jaxlib", "flax", "optax", "tfp-nightly", "stable-baselines3", "numpy")
    manifest = {
        "made_by": "tests/golden/make_sbx.py",
        "packages": {name: version(name) for name in packages},
        "sizes": {"obs": OBS, "act": ACT, "batch": BATCH, "actor_hidden": ACTOR, "critic_hidden": CRITIC},
        "alpha": ALPHA,
        "settings": PUBLISHED,
        "cases": cases,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sbx")
