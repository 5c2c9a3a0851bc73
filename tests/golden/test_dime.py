"""DIME held to numbers that its authors' JAX code computed. Limits: those of the golden files' own README.

Every case runs with one seed, and with three seeds of different parameters, where the golden one sits in the
middle and must give what it gives alone. `pytest -s` prints each case's largest error.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dimebench.agents.base import Batch
from dimebench.agents.categorical import expected_value, project, shifted_atoms
from dimebench.agents.dime import DIME, actor_loss, temperature_loss
from dimebench.agents.networks import float32_linspace
from tests.golden import files

pytestmark = pytest.mark.skipif(
    not (files.DIRECTORY / "manifest.json").exists(), reason=f"no golden files (looked for {files.DIRECTORY.name}/)"
)
CASES = ["train_prewarmup", "train_lastwarm", "train_postwarmup_near", "train_postwarmup_far", "eval"]


@pytest.fixture(params=[1, 3], ids=["S=1", "S=3"])
def agent(request: pytest.FixtureRequest) -> DIME:
    """The golden learner; with three seeds the outer two have other parameters."""
    made = files.make_agent(request.param)
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for arena in made.arenas.values():
            for seed in set(range(request.param)) - {request.param // 2}:
                arena[seed] += 0.02 * torch.randn(arena.shape[1], generator=g)
    return made


def of_golden(value: Tensor) -> np.ndarray:
    """The golden seed's part of a tensor [S, ...]."""
    return value.detach()[value.shape[0] // 2].numpy()


def check(what: str, found: Tensor, expected: np.ndarray, limit: float, relative: bool = False) -> None:
    error = np.abs(of_golden(found).reshape(expected.shape).astype(np.float64) - expected).max()
    if relative:
        error /= np.abs(expected).max()
    print(f"{what:50s} {'relative' if relative else 'absolute'} error {error:.1e}, limit {limit:.0e}")
    assert error <= limit, what


def check_parameters(what: str, module: torch.nn.Module, expected: dict[str, np.ndarray], limit: float) -> None:
    """The share of elements off by more than 2e-6: Adam magnifies rounding where a gradient vanishes."""
    own = module.state_dict()
    for name, value in expected.items():
        off = (np.abs(of_golden(own[name]).reshape(value.shape) - value) > 2e-6).mean()
        print(f"{what + ' ' + name:50s} elements off: {off:.1e}, limit {limit:.0e}")
        assert off <= limit, name


def set_alpha(agent: DIME, name: str, key: str) -> None:
    with torch.no_grad():
        agent.log_alpha.copy_(files.tensor(name, key, agent.seeds))


def gradients(agent: DIME, network: str) -> dict[str, Tensor]:
    """The gradients that the optimiser last saw, by parameter name."""
    arena, module = agent.arenas[network], agent.modules[network]
    assert arena.grad is not None
    sizes = [p.numel() // agent.seeds for p in module.parameters()]
    parts = arena.grad.split([*sizes, arena.shape[1] - sum(sizes)], dim=1)
    names = [name for name, _ in module.named_parameters()]
    return dict(zip(names, parts, strict=False))


def test_constants(agent: DIME) -> None:
    assert np.array_equal(float32_linspace(0.1, 100.0, 256).numpy(), files.load("a_score")["timestep_coeff"][0])
    assert np.array_equal(agent.atoms.numpy(), files.load("d_projection")["z_atoms"])
    case = files.load("a_score")
    assert np.abs(agent.policy.schedule.numpy() - case["dt_schedule"]).max() < 2e-7
    eta = case["delta_t"] / case["friction"]
    check("step sizes", agent.policy.step_sizes(), eta, 2e-6, relative=True)


def test_score_network(agent: DIME) -> None:
    case, count = files.load("a_score"), agent.policy.steps
    check("time embedding", agent.policy.score.time_embedding(count), case["time_emb"], 2e-5)

    def by_step() -> Tensor:
        prepared = agent.policy.score.prepare(files.tensor("a_score", "obs", agent.seeds), count)
        x = files.tensor("a_score", "x", agent.seeds)
        every = torch.stack([agent.policy.score(n, x, prepared) for n in range(count)])  # [N, S, B, A]
        rows = torch.arange(x.shape[1])
        return every[torch.from_numpy(case["step"]).long(), :, rows].transpose(0, 1)

    check("score", by_step(), case["out"], 2e-5)
    with torch.no_grad():
        agent.policy.score.out.bias.copy_(torch.from_numpy(case["clip_bias"]))
    check("clipped score", by_step(), case["clip_out"], 1e-4)


def test_sample(agent: DIME) -> None:
    case = files.load("b_sample")
    obs = files.tensor("b_sample", "obs", agent.seeds)
    sample = agent.policy.sample(obs, **files.noise("b_sample", "", agent.seeds))
    check("action", sample.action, case["action"], 3e-5)
    check("running cost", sample.running_cost, case["running_cost"][:, 0], 5e-4)
    check("terminal cost", sample.terminal_cost, case["terminal_cost"][:, 0], 5e-4)


@pytest.mark.parametrize("name", CASES)
def test_critic_forward(agent: DIME, name: str) -> None:
    case, file = files.load(f"c_critic_{name}"), f"c_critic_{name}"
    files.put(agent.critics, files.critic_state(file, "stats_in"))
    obs, act = files.tensor(file, "obs", agent.seeds), files.tensor(file, "act", agent.seeds)
    logits = agent.critics(obs, act, training=name != "eval")
    check(f"{name} probabilities", torch.softmax(logits, -1), case["probs"], 1e-5)
    check(f"{name} Q", expected_value(logits, agent.atoms), case["q"], 2e-3)
    own = agent.critics.state_dict()
    for key, value in files.critic_state(file, "stats_out" if name != "eval" else "stats_in").items():
        if key.endswith("_extra_state"):
            assert own[key] == value
        else:
            check(f"{name} {key}", own[key], value, 2e-6, relative=True)


def test_projection(agent: DIME) -> None:
    file, case = "d_projection", files.load("d_projection")

    def get(key: str) -> Tensor:
        return files.tensor(file, key, agent.seeds)

    cost = (get("running_cost") + get("terminal_cost"))[..., 0]
    support = shifted_atoms(agent.atoms, get("rewards"), get("dones"), cost, get("ent_coef"), float(case["gamma"]))
    check("projection", project(get("next_dist"), support, agent.atoms), case["projected"], 1e-5)


@pytest.mark.parametrize("name", ["prewarmup", "crosswarmup", "postwarmup"])
def test_critic_updates(agent: DIME, name: str) -> None:
    file = f"e_critic_{name}"
    case = files.load(file)
    files.put(agent.critics, files.critic_state(file, "stats_in"))
    set_alpha(agent, file, "log_ent_coef")
    limits = {"prewarmup": 1e-3, "crosswarmup": 1e-3, "postwarmup": 5e-2}
    for u in (1, 2, 3):
        batch, noise = files.batch(file, f"u{u}_", agent.seeds), files.noise(file, f"u{u}_", agent.seeds)
        metrics = agent.update_critic(batch, noise)
        check(f"{name} loss {u}", metrics["critic_loss"], case[f"u{u}_loss"], 1e-5 if u == 1 else 5e-5, relative=True)
        if u == 1:
            found = gradients(agent, "critics")
            for key, value in files.critic_state(file, "u1_grad").items():
                check(f"{name} gradient {key}", found[key], value, 1e-4, relative=True)
        if u in (1, 3):
            check_parameters(f"{name} after {u}", agent.critics, files.critic_state(file, f"after{u}"), limits[name])


@pytest.mark.parametrize("file", ["f_actor", "f3_actor_clip"])
def test_actor_updates(agent: DIME, file: str) -> None:
    case = files.load(file)
    files.put(agent.critics, files.critic_state(file, "stats"))
    for u in (1, 2, 3):
        set_alpha(agent, file, "log_ent_coef" if file == "f_actor" else f"u{u}_log_ent_coef")
        obs = files.tensor(file, f"u{u}_obs", agent.seeds)
        sample = agent.policy.sample(obs, **files.noise(file, f"u{u}_", agent.seeds))
        q = expected_value(agent.critics(obs, sample.action), agent.atoms)
        loss = actor_loss(q, sample.cost, agent.log_alpha.exp())
        if u == 1:
            names = [name for name, _ in agent.policy.named_parameters()]
            raw = torch.autograd.grad(loss.sum(), list(agent.policy.parameters()), retain_graph=True)
            expected = files.actor_state(file, "u1_grad")
            for key, value in zip(names, raw, strict=True):
                if key in expected:
                    check(f"{file} gradient {key}", value, expected[key], 5e-4, relative=True)
        check(f"{file} loss {u}", loss, case[f"u{u}_loss"], 1e-5, relative=True)
        check(f"{file} running {u}", sample.running_cost.mean(-1), case[f"u{u}_run_mean"], 5e-4)
        agent._descend("policy", loss)
        if u in (1, 3):
            check_parameters(f"{file} after {u}", agent.policy, files.actor_state(file, f"after{u}"), 1e-3)


@pytest.mark.parametrize("start", ["one", "small"])
def test_temperature_updates(agent: DIME, start: str) -> None:
    case = files.load("g_temperature")
    set_alpha(agent, "g_temperature", f"{start}_log_ent_coef0")
    costs = files.tensor("g_temperature", f"{start}_run_costs_mean", agent.seeds)
    target = agent.settings.target_cost_per_dim * agent.dims.act
    assert target == float(case["target_entropy"])
    for u in (1, 2, 3):
        loss = temperature_loss(agent.log_alpha, costs[:, u - 1], target)
        check(f"temperature loss {u}", loss, case[f"{start}_loss{u}"], 1e-5, relative=True)
        agent._descend_alpha(loss)
        check(f"log alpha {u}", agent.log_alpha, case[f"{start}_log_ent_coef{u}"], 1e-6)


def test_optimizers() -> None:
    """Both optimisers on given gradients, NaN and infinities among them."""
    case, agent = files.load("f2_optimizers"), files.make_agent(1)
    for owner, network in (("actor", "policy"), ("critic", "critics")):
        names = sorted(key.partition(":")[2] for key in case if key.startswith(f"{owner}_g1:"))
        names = [name for name in names if not np.array_equal(case[f"{owner}_p0:{name}"], case[f"{owner}_p4:{name}"])]
        arena = torch.nn.Parameter(
            torch.cat([torch.from_numpy(case[f"{owner}_p0:{n}"]).flatten() for n in names])[None]
        )
        adam = agent._adam(arena, agent.settings.learning_rate, agent.settings.beta1)
        for step in (1, 2, 3, 4):
            raw = torch.cat([torch.from_numpy(case[f"{owner}_g{step}:{n}"]).flatten() for n in names])[None]
            arena.grad = agent._treat(network, raw.clone())
            adam.step()
            after = np.concatenate([case[f"{owner}_p{step}:{n}"].flatten() for n in names])
            check(f"{owner} optimiser, step {step}", arena, after, 2e-6)


def test_whole_train_calls(agent: DIME) -> None:
    """Three calls of UTD 2 with policy delay 3: actor updates follow critic updates 3 and 6."""
    file, case = "h_train", files.load("h_train")
    files.put(agent.critics, files.critic_state(file, "stats_in"))
    set_alpha(agent, file, "log_ent_coef_in")
    for call in (1, 2, 3):
        updates = (2 * call - 1, 2 * call)
        parts = [files.batch(file, f"u{u}_", agent.seeds) for u in updates]
        batch = Batch(*(torch.cat([getattr(p, f) for p in parts], 1) for f in Batch.__dataclass_fields__))
        noise: dict[str, Tensor] = {}
        for i, u in enumerate(updates):
            noise |= {f"{i}.next.{k}": v for k, v in files.noise(file, f"u{u}_", agent.seeds).items()}
            if f"u{u}_actor_init_x" in case:
                noise |= {f"{i}.actor.{k}": v for k, v in files.noise(file, f"u{u}_actor_", agent.seeds).items()}
        assert {key: tuple(value.shape[1:]) for key, value in noise.items()} == agent.update_noise()
        metrics = agent.update(batch, noise)
        check(
            f"call {call} critic loss", metrics["critic_loss"], case[f"call{call}_critic_loss"], 5e-5, relative=True
        )
        if f"call{call}_actor_loss" in case:
            check(
                f"call {call} actor loss", metrics["actor_loss"], case[f"call{call}_actor_loss"], 5e-5, relative=True
            )
    check("log alpha", agent.log_alpha, case["log_ent_coef_out"], 1e-6)
    check_parameters("train", agent.critics, files.critic_state(file, "critic_out"), 1e-3)
    check_parameters("train", agent.policy, files.actor_state(file, "actor_out"), 1e-3)
