"""SAC and CrossQ held to numbers that SBX computed (`make_sbx.py` says how, `sbx/manifest.json` with which versions).

Where SBX and the CrossQ authors' code, which is our specification, differ:

- SBX descends log alpha (entropy - target); the authors, and we by default, alpha (entropy - target). The gradients
  differ by the factor alpha, which Adam divides out while alpha changes slowly: only the gradient itself tells them
  apart here. Where SBX runs as it is, our agent has `temperature_loss_in: log_alpha`; in the cases `*_train_authors`
  SBX has the authors' loss and we our default.
- SBX's defaults differ: critics of 1,024 units, learning starts after 100 env steps, learning rate 1e-3. The cases
  have small networks and the published rates, 3e-4 and 8e-4.

In BatchRenorm, the other losses, the order of the updates, the policy delay and Adam we found no difference.

Limits are some ten times the largest error seen; of the parameters no element was off.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dimebench.agents.base import Batch, Dims
from dimebench.agents.crossq import CrossQ
from dimebench.agents.sac import SAC
from tests.golden import files
from tests.golden.cases import Check, every_seed, gradients

DIRECTORY = Path(__file__).parent / "sbx"
MANIFEST = json.loads((DIRECTORY / "manifest.json").read_text())
SIZES = MANIFEST["sizes"]
ALGORITHMS = {"sac": SAC, "crossq": CrossQ}
LAYERS = {  # our names of the Dense layers, in flax's order, and of the BatchRenorm layers
    "policy": (["trunk.hidden.0", "trunk.hidden.1", "mean", "log_std"], "trunk.renorm"),
    "critics": (["net.hidden.0", "net.hidden.1", "net.out"], "net.renorm"),
    "target_critics": (["net.hidden.0", "net.hidden.1", "net.out"], "net.renorm"),
}
WARMUP = ["before", "crossing", "after", "far"]  # of BatchRenorm; far: statistics that clip r and d
Case = dict[str, np.ndarray]
Runs = Iterator[tuple[SAC, Check]]


@pytest.fixture(params=[1, 3], ids=["S=1", "S=3"])
def seeds(request: pytest.FixtureRequest) -> int:
    return request.param


def load(name: str) -> Case:
    return files.load(name, DIRECTORY)


def arrays(case: Case, when: str, network: str) -> Case:
    """A network's arrays `WHEN_NETWORK:*` of a case, by our names."""
    return files.flax_state(case, f"{when}_{network}", *LAYERS[network])


def split(state: Case) -> tuple[Case, Case]:
    """Parameters; running statistics and the count of training-mode forwards."""
    statistics = {key: value for key, value in state.items() if ".running_" in key or key.endswith("_extra_state")}
    return {key: value for key, value in state.items() if key not in statistics}, statistics


def make_agent(name: str, seeds: int, **settings: object) -> SAC:
    """An agent of published settings but small networks, every seed at the start of a case."""
    algorithm, case = ALGORITHMS[name.split("_")[0]], load(name)
    sizes = {key: tuple(SIZES[key]) for key in ("actor_hidden", "critic_hidden")}
    values = algorithm.Settings(**(sizes | {"batch_size": SIZES["batch"]} | settings))
    generators = [torch.Generator().manual_seed(s) for s in range(seeds)]
    agent = algorithm(Dims(SIZES["obs"], SIZES["act"]), values, generators, files.DEVICE)
    inputs = load(f"{name.split('_')[0]}_inputs")
    for network, module in agent.modules.items():
        files.put(module, arrays(inputs, "in", network) | arrays(case, "in", network))
    with torch.no_grad():
        agent.log_alpha.fill_(float(case.get("in_log_alpha", np.log(MANIFEST["alpha"]))))
    return agent


def runs(name: str, seeds: int, **settings: object) -> Runs:
    """The golden learner alone, or amid two others and then each of the others alone; and the case's check."""
    return every_seed(lambda count: make_agent(name, count, **settings), seeds)


def batch(first: int, seeds: int, count: int = 1) -> Batch:
    """`count` batches one after the other; those rows are terminal that the environment called so."""
    stored = load("batches")
    fields = ((key, stored[key][first : first + count]) for key in Batch.__dataclass_fields__)
    return Batch(**{key: files.stacked(value.reshape(-1, *value.shape[2:]), seeds) for key, value in fields})


def eps(case: Case, key: str, agent: SAC) -> dict[str, Tensor]:
    return {"eps": files.stacked(case[key], agent.seeds)}


def check_network(check: Check, what: str, agent: SAC, network: str, expected: Case) -> None:
    parameters, statistics = split(expected)
    check.parameters(f"{what} {network}", agent.modules[network], parameters, 1e-2)
    own = agent.modules[network].state_dict()
    for key, value in statistics.items():
        if key.endswith("_extra_state"):
            assert own[key] == value, key
        else:
            check(f"{what} {network} {key}", own[key], value, 3e-6, relative=True)


def check_gradients(check: Check, agent: SAC, network: str, case: Case) -> None:
    found = gradients(agent, network)
    for key, value in arrays(case, "u1_gradient", network).items():
        check(f"gradient {key}", found[key], value, 4e-5, relative=True)


def alpha_gradient(agent: SAC) -> Tensor:
    assert agent.log_alpha.grad is not None
    return agent.log_alpha.grad


def copied(module: torch.nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in module.state_dict().items()}


def assert_unchanged(module: torch.nn.Module, before: dict[str, Tensor]) -> None:
    """An actor that critic updates query, or the other way round, keeps parameters, statistics and step counts."""
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("name", ["sac", "crossq"])
def test_settings_are_those_of_the_fixtures(name: str) -> None:
    defaults = ALGORITHMS[name].Settings()
    assert {key: getattr(defaults, key) for key in MANIFEST["settings"][name]} == MANIFEST["settings"][name]


@pytest.mark.parametrize("name", ["sac_policy", "crossq_policy"])
def test_policy(name: str, seeds: int) -> None:
    """The actor that acts: running statistics, log std clipped at both ends."""
    case = load(name)
    for agent, check in runs(name, seeds):
        obs = files.stacked(case["obs"], agent.seeds)
        mean, log_std = agent.policy(obs)
        check("mean", mean, case["mean"], 5e-6, relative=True)
        check("log std", log_std, np.log(case["std"]), 5e-5)
        sample = agent.policy.sample(obs, **eps(case, "eps", agent))
        check("action", sample.action, case["action"], 5e-5)
        check("log probability", sample.log_prob, case["log_prob"], 5e-6, relative=True)
        check("evaluated action", agent.evaluate(obs, eps(case, "eps", agent)), case["mode"], 5e-5)


@pytest.mark.parametrize("name", ["sac_critic", *(f"crossq_critic_{when}" for when in WARMUP)])
def test_critic_updates(name: str, seeds: int) -> None:
    case = load(name)
    for agent, check in runs(name, seeds):
        policy = copied(agent.policy)
        for u in (1, 2, 3, 4):
            part = batch(u - 1, agent.seeds)
            metrics = agent.update_critic(part, agent.target_sample(part.next_obs, eps(case, f"u{u}_eps", agent)))
            check(f"loss {u}", metrics["critic_loss"], case[f"u{u}_loss"], 5e-6, relative=True)
            if u == 1:
                check_gradients(check, agent, "critics", case)
            if u in (1, 4):
                for network in set(agent.modules) - {"policy"}:
                    check_network(check, f"after {u}", agent, network, arrays(case, f"u{u}", network))
        assert_unchanged(agent.policy, policy)


@pytest.mark.parametrize("name", ["sac_actor", *(f"crossq_actor_{when}" for when in WARMUP)])
def test_actor_and_temperature_updates(name: str, seeds: int) -> None:
    case = load(name)
    for agent, check in runs(name, seeds, temperature_loss_in="log_alpha"):
        critics = copied(agent.critics)
        for u in (1, 2, 3, 4):
            part = batch(u - 1, agent.seeds)
            metrics = agent.update_actor(part, agent.actor_sample(part.obs, eps(case, f"u{u}_eps", agent)))
            check(f"loss {u}", metrics["actor_loss"], case[f"u{u}_loss"], 5e-6, relative=True)
            check(f"entropy {u}", metrics["entropy"], case[f"u{u}_entropy"], 5e-5)
            check(f"temperature gradient {u}", alpha_gradient(agent), case[f"u{u}_alpha_gradient"], 5e-5)
            check(f"alpha {u}", agent.log_alpha.exp(), np.exp(case[f"u{u}_log_alpha"]), 1e-6)
            if u == 1:
                check_gradients(check, agent, "policy", case)
            if u in (1, 4):
                check_network(check, f"after {u}", agent, "policy", arrays(case, f"u{u}", "policy"))
        assert_unchanged(agent.critics, critics)


@pytest.mark.parametrize("name", ["sac_actor", "crossq_actor_after"])
def test_the_authors_temperature_gradient_is_alpha_times_that_of_sbx(name: str, seeds: int) -> None:
    case = load(name)
    for agent, check in runs(name, seeds):
        part = batch(0, agent.seeds)
        agent.update_actor(part, agent.actor_sample(part.obs, eps(case, "u1_eps", agent)))
        check("gradient", alpha_gradient(agent), MANIFEST["alpha"] * case["u1_alpha_gradient"], 2e-5)


def train(name: str, seeds: int, calls: int, utd: int, **settings: object) -> None:
    """Whole `update` calls against SBX's `train`: the noise in the order in which SBX drew it."""
    case = load(name)
    for agent, check in runs(name, seeds, utd=utd, **settings):
        for c in range(1, calls + 1):
            drawn = case[f"call{c}_eps"]
            order = sorted(agent.update_noise(), key=lambda key: (key.split(".")[0], key.split(".")[1] != "next"))
            assert len(order) == len(drawn), f"call {c}: SBX updates the actor after other critic updates"
            noise = {key: files.stacked(draw, agent.seeds) for key, draw in zip(order, drawn, strict=True)}
            metrics = agent.update(batch((c - 1) * utd, agent.seeds, utd), noise)
            check(f"critic loss {c}", metrics["critic_loss"], case[f"call{c}_critic_loss"], 5e-6, relative=True)
            if len(drawn) > utd:
                check(f"actor loss {c}", metrics["actor_loss"], case[f"call{c}_actor_loss"], 5e-6, relative=True)
            check(f"alpha {c}", agent.log_alpha.exp(), np.exp(case[f"call{c}_log_alpha"]), 1e-6)
        for network in agent.modules:
            check_network(check, "at the end", agent, network, arrays(case, "out", network))


@pytest.mark.parametrize(("name", "calls"), [("sac_train", 4), ("crossq_train", 7)])
def test_train(name: str, calls: int, seeds: int) -> None:
    """SBX as it is, from alpha 1. CrossQ: actor updates in calls 3 and 6; the warm-up ends in between."""
    train(name, seeds, calls, utd=1, temperature_loss_in="log_alpha")


@pytest.mark.parametrize(("name", "calls"), [("sac_train_authors", 3), ("crossq_train_authors", 4)])
def test_train_with_the_authors_temperature_loss(name: str, calls: int, seeds: int) -> None:
    """Our defaults, but two updates per call."""
    train(name, seeds, calls, utd=2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(find_spec("sbx") is None, reason="SBX is not installed: pip install '.[reference]'")
def test_the_script_still_makes_these_fixtures(tmp_path: Path) -> None:
    """Bit for bit on the machine that made them; elsewhere XLA may round differently."""
    subprocess.run([sys.executable, Path(__file__).parent / "make_sbx.py", tmp_path], check=True)
    made = json.loads((tmp_path / "manifest.json").read_text())
    assert {key: made[key] for key in made if key != "packages"} == {
        key: MANIFEST[key] for key in MANIFEST if key != "packages"
    }
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in DIRECTORY.iterdir()}
    for name in MANIFEST["cases"]:
        stored, again = load(name), files.load(name, tmp_path)
        assert stored.keys() == again.keys()
        for key, value in stored.items():
            off = np.abs(again[key] - value) > 1e-5 * max(1.0, np.abs(value).max())
            assert off.mean() <= 1e-2, f"{name} {key}"
