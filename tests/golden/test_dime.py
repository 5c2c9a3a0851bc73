"""DIME held to numbers that its authors' JAX code computed. Limits: those of the golden files' own README."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from dimebench.agents.base import Batch
from dimebench.agents.dime import DIME, actor_loss, temperature_loss
from dimebench.agents.parts.categorical import expected_value, project, shifted_atoms
from dimebench.agents.parts.networks import float32_linspace
from dimebench.agents.updates.adam import Adam
from tests.golden import files
from tests.golden.cases import Check, every_seed, gradients, set_log_alpha

pytestmark = pytest.mark.skipif(not files.there(), reason=files.MISSING)
Runs = Iterator[tuple[DIME, Check]]


@pytest.fixture(params=[1, 3], ids=["S=1", "S=3"])
def runs(request: pytest.FixtureRequest) -> Runs:
    """The golden learner alone, or amid two others and then each of the others alone."""
    return every_seed(files.make_agent, request.param)


def test_constants(runs: Runs) -> None:
    case = files.load("a_score")
    (frequencies,) = case["timestep_coeff"]
    assert np.array_equal(float32_linspace(0.1, 100.0, frequencies.size).numpy(), frequencies)
    for agent, check in runs:
        assert np.array_equal(agent.atoms.cpu().numpy(), files.load("d_projection")["z_atoms"])
        assert np.abs(agent.policy.schedule.cpu().numpy() - case["dt_schedule"]).max() < 2e-7
        check("step sizes", agent.policy.step_sizes(), case["delta_t"] / case["friction"], 2e-6, relative=True)


def test_score_network(runs: Runs) -> None:
    case = files.load("a_score")
    for agent, check in runs:
        count, score = agent.policy.steps, files.score_of_rows(agent)
        check("time embedding", agent.policy.score.time_embedding(count), case["time_emb"], 2e-5)
        check("score", score(), case["out"], 2e-5)
        with torch.no_grad():
            agent.policy.score.out.bias.copy_(torch.from_numpy(case["clip_bias"]))
        check("clipped score", score(), case["clip_out"], 1e-4)


def test_sample(runs: Runs) -> None:
    case = files.load("b_sample")
    for agent, check in runs:
        obs = files.tensor("b_sample", "obs", agent.seeds)
        sample = agent.actor_sample(obs, files.noise("b_sample", "", agent.seeds))
        check("action", sample.action, case["action"], 3e-5)
        check("running cost", sample.running_cost, case["running_cost"][:, 0], 5e-4)
        check("terminal cost", sample.terminal_cost, case["terminal_cost"][:, 0], 5e-4)


@pytest.mark.parametrize("name", files.cases("c_critic_"))
def test_critic_forward(runs: Runs, name: str) -> None:
    case, training = files.load(name), not name.endswith("_eval")
    for agent, check in runs:
        files.put(agent.critics, files.critic_state(name, "stats_in"))
        obs, act = files.tensor(name, "obs", agent.seeds), files.tensor(name, "act", agent.seeds)
        logits = agent.critics(obs, act, training=training)
        if training:
            agent.count_forward("critics")
        check("probabilities", torch.softmax(logits, -1), case["probs"], 1e-5)
        check("Q", expected_value(logits, agent.atoms), case["q"], 2e-3)
        own = agent.critics.state_dict()
        for key, value in files.critic_state(name, "stats_out" if training else "stats_in").items():
            if key.endswith("_extra_state"):
                assert own[key] == value
            else:
                check(key, own[key], value, 2e-6, relative=True)


def test_projection(runs: Runs) -> None:
    case = files.load("d_projection")
    for agent, check in runs:

        def get(key: str, seeds: int = agent.seeds) -> Tensor:
            return files.tensor("d_projection", key, seeds)

        cost = (get("running_cost") + get("terminal_cost"))[..., 0]
        gamma = float(case["gamma"])
        support = shifted_atoms(agent.atoms, get("rewards"), get("dones"), cost, get("ent_coef"), gamma)
        check("projection", project(get("next_dist"), support, agent.atoms), case["projected"], 1e-5)


@pytest.mark.parametrize("name", files.cases("e_critic_"))
def test_critic_updates(runs: Runs, name: str) -> None:
    case, first = files.load(name), files.critic_state(name, "u1_grad")
    limit = 2e-2 if name.endswith("postwarmup") else 1e-3  # rounding of the first update feeds the others
    for agent, check in runs:
        files.put(agent.critics, files.critic_state(name, "stats_in"))
        set_log_alpha(agent, check, case["log_ent_coef"])
        for u in (1, 2, 3):
            batch, noise = files.batch(name, f"u{u}_", agent.seeds), files.noise(name, f"u{u}_", agent.seeds)
            metrics = agent.update_critic(batch, agent.target_sample(batch.next_obs, noise))
            check(f"loss {u}", metrics["critic_loss"], case[f"u{u}_loss"], 1e-5 if u == 1 else 5e-5, relative=True)
            if u == 1:
                found = gradients(agent, "critics")
                for key, value in first.items():
                    check(f"gradient {key}", found[key], value, 1e-4, relative=True)
            if u in (1, 3):
                check.parameters(f"after {u}", agent.critics, files.critic_state(name, f"after{u}"), limit, first)


@pytest.mark.parametrize("name", ["f_actor", "f3_actor_clip"])
def test_actor_updates(runs: Runs, name: str) -> None:
    case = files.load(name)
    for agent, check in runs:
        files.put(agent.critics, files.critic_state(name, "stats"))
        for u in (1, 2, 3):
            set_log_alpha(agent, check, case["log_ent_coef" if name == "f_actor" else f"u{u}_log_ent_coef"])
            obs = files.tensor(name, f"u{u}_obs", agent.seeds)
            sample = agent.actor_sample(obs, files.noise(name, f"u{u}_", agent.seeds))
            q = expected_value(agent.critics.of_action(obs, sample.action), agent.atoms)
            loss = actor_loss(q, sample.cost, agent.log_alpha.exp())
            if u == 1:
                raw = files.gradients_of(loss, agent.policy)
                for key, value in files.actor_state(name, "u1_grad").items():
                    check(f"gradient {key}", raw[key], value, 5e-4, relative=True)
            check(f"loss {u}", loss, case[f"u{u}_loss"], 1e-5, relative=True)
            check(f"running cost {u}", sample.running_cost.mean(-1), case[f"u{u}_run_mean"], 5e-4)
            agent.descend("policy", loss)
            if u in (1, 3):
                check.parameters(f"after {u}", agent.policy, files.actor_state(name, f"after{u}"), 1e-3)


@pytest.mark.parametrize("start", ["one", "small"])
def test_temperature_updates(runs: Runs, start: str) -> None:
    case = files.load("g_temperature")
    for agent, check in runs:
        set_log_alpha(agent, check, case[f"{start}_log_ent_coef0"])
        costs = files.tensor("g_temperature", f"{start}_run_costs_mean", agent.seeds)
        target = agent.settings.target_cost_per_dim * agent.dims.act
        assert target == float(case["target_entropy"])
        for u in (1, 2, 3):
            loss = temperature_loss(agent.log_alpha, costs[:, u - 1], target)
            check(f"loss {u}", loss, case[f"{start}_loss{u}"], 1e-5, relative=True)
            agent.descend_alpha(loss)
            check(f"log alpha {u}", agent.log_alpha, case[f"{start}_log_ent_coef{u}"], 1e-6)


@pytest.mark.parametrize("seeds", [1, 3], ids=["S=1", "S=3"])
def test_optimizers(seeds: int) -> None:
    """Both optimisers on given gradients, NaN and infinities among them."""
    case, agent = files.load("f2_optimizers"), files.make_agent(seeds)

    def stacked(key: Callable[[str], str], names: list[str]) -> Tensor:
        return files.stacked(np.concatenate([case[key(name)].flatten() for name in names]), seeds)

    for owner, network in (("actor", "policy"), ("critic", "critics")):
        check = Check(seeds // 2)
        names = sorted(key.partition(":")[2] for key in case if key.startswith(f"{owner}_g1:"))
        names = [name for name in names if not np.array_equal(case[f"{owner}_p0:{name}"], case[f"{owner}_p4:{name}"])]
        arena = torch.nn.Parameter(stacked(lambda n, o=owner: f"{o}_p0:{n}", names))
        adam = Adam([arena], agent.settings.learning_rate, agent.settings.beta1)
        for step in (1, 2, 3, 4):
            grads = stacked(lambda n, o=owner, s=step: f"{o}_g{s}:{n}", names)
            arena.grad = agent.gradient_clips.get(network, lambda g: g)(grads)
            adam.step()
            after = np.concatenate([case[f"{owner}_p{step}:{n}"].flatten() for n in names])
            check(f"{owner} optimiser, step {step}", arena, after, 2e-6)


def test_whole_train_calls(runs: Runs) -> None:
    """Three calls of UTD 2 with policy delay 3: actor updates follow critic updates 3 and 6."""
    case = files.load("h_train")
    for agent, check in runs:
        files.put(agent.critics, files.critic_state("h_train", "stats_in"))
        set_log_alpha(agent, check, case["log_ent_coef_in"])
        for call in (1, 2, 3):
            updates = (2 * call - 1, 2 * call)
            parts = [files.batch("h_train", f"u{u}_", agent.seeds) for u in updates]
            batch = Batch(*(torch.cat([getattr(p, f) for p in parts], 1) for f in Batch.__dataclass_fields__))
            noise: dict[str, Tensor] = {}
            for i, u in enumerate(updates):
                for ours, theirs in (("next", ""), ("actor", "actor_")):
                    if f"u{u}_{theirs}init_x" in case:
                        drawn = files.noise("h_train", f"u{u}_{theirs}", agent.seeds)
                        noise |= {f"{i}.{ours}.{key}": value for key, value in drawn.items()}
            assert {key: tuple(value.shape[1:]) for key, value in noise.items()} == agent.update_noise()
            metrics = agent.update(batch, noise)
            for loss in ("critic_loss", "actor_loss"):
                if f"call{call}_{loss}" in case:
                    check(f"call {call} {loss}", metrics[loss], case[f"call{call}_{loss}"], 5e-5, relative=True)
        check("log alpha", agent.log_alpha, case["log_ent_coef_out"], 1e-6)
        check.parameters("critics", agent.critics, files.critic_state("h_train", "critic_out"), 1e-3)
        check.parameters("actor", agent.policy, files.actor_state("h_train", "actor_out"), 1e-3)
