"""The same cases in float64, where no rounding hides a small mistake. Only golden folders with `*_f64` files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dimebench.agents.dime import DIME, actor_loss, critic_loss, critic_target
from dimebench.agents.parts.categorical import expected_value, project, shifted_atoms
from tests.golden import files
from tests.golden.cases import Check

pytestmark = pytest.mark.skipif(not files.names("", "_f64"), reason=files.MISSING + ", or no *_f64 files in it")
LIMIT = 1e-6  # of an array's largest element; the schedule and the atoms are float32 on both sides


def double(name: str, key: str) -> Tensor:
    return files.tensor(name, key).double()


def noise(name: str, prefix: str) -> dict[str, Tensor]:
    """x_0 divided by the prior's deviation in float64, not before."""
    x0 = double(name, f"{prefix}init_x") / files.PRIOR_STD
    return {"x0": x0, "eps": double(name, f"{prefix}eps").transpose(1, 2)}


@pytest.fixture
def agent() -> DIME:
    """The golden learner in float64, to compute with but not to train: its parameters have left their stores."""
    made = files.make_agent(1)
    made.policy.double()
    made.critics.double()
    made.atoms = made.atoms.double()
    return made


@pytest.fixture
def check() -> Check:
    return Check(seed=0)


def test_score_and_sample(agent: DIME, check: Check) -> None:
    check("score", files.score_of_rows(agent)(), files.load("a_score_f64")["out"], LIMIT, relative=True)
    case = files.load("b_sample_f64")
    sample = agent.actor_sample(double("b_sample", "obs"), noise("b_sample", ""))
    check("action", sample.action, case["action"], LIMIT, relative=True)
    check("running cost", sample.running_cost, case["running_cost"][:, 0], LIMIT, relative=True)
    check("terminal cost", sample.terminal_cost, case["terminal_cost"][:, 0], LIMIT, relative=True)


@pytest.mark.parametrize("name", files.cases("c_critic_", "_f64"))
def test_critic_forward(agent: DIME, check: Check, name: str) -> None:
    case = files.load(f"{name}_f64")
    files.put(agent.critics, files.critic_state(name, "stats_in"))
    logits = agent.critics(double(name, "obs"), double(name, "act"), training=not name.endswith("_eval"))
    check("probabilities", torch.softmax(logits, -1), case["probs"], LIMIT, relative=True)
    check("Q", expected_value(logits, agent.atoms), case["q"], LIMIT, relative=True)
    own = agent.critics.state_dict()
    for key, value in files.critic_state(f"{name}_f64", "stats_out").items():
        if not key.endswith("_extra_state"):
            check(key, own[key], value, LIMIT, relative=True)


def test_projection(agent: DIME, check: Check) -> None:
    file = "d_projection"
    cost = (double(file, "running_cost") + double(file, "terminal_cost"))[..., 0]
    gamma, alpha = float(files.load(file)["gamma"]), double(file, "ent_coef")
    support = shifted_atoms(agent.atoms, double(file, "rewards"), double(file, "dones"), cost, alpha, gamma)
    found = project(double(file, "next_dist"), support, agent.atoms)
    check("projection", found, files.load(f"{file}_f64")["projected"], 1e-5)


@pytest.mark.parametrize("name", files.cases("e_critic_", "_f64"))
def test_first_critic_gradient(agent: DIME, check: Check, name: str) -> None:
    case = files.load(f"{name}_f64")
    files.put(agent.critics, files.critic_state(name, "stats_in"))
    batch = files.batch(name, "u1_")
    batch = type(batch)(*(getattr(batch, field).double() for field in batch.__dataclass_fields__))
    next_sample = agent.actor_sample(batch.next_obs, noise(name, "u1_"))
    obs, act = torch.cat([batch.obs, batch.next_obs], 1), torch.cat([batch.action, next_sample.action.detach()], 1)
    logits, next_logits = agent.critics(obs, act, training=True).chunk(2, dim=2)
    alpha = double(name, "log_ent_coef").exp()
    gamma, coefficient = agent.settings.gamma, agent.settings.critic_entropy_coefficient
    target = critic_target(next_logits.detach(), next_sample.cost.detach(), batch, agent.atoms, alpha, gamma)
    loss = critic_loss(logits, target, coefficient)
    check("loss", loss, case["u1_loss"], LIMIT, relative=True)
    found = files.gradients_of(loss, agent.critics)
    for key, value in files.critic_state(f"{name}_f64", "u1_grad").items():
        check(f"gradient {key}", found[key], value, 1e-5, relative=True)


@pytest.mark.parametrize("name", files.cases("f_actor", "_f64"))
def test_first_actor_gradient(agent: DIME, check: Check, name: str) -> None:
    case = files.load(f"{name}_f64")
    files.put(agent.critics, files.critic_state(name, "stats"))
    obs = double(name, "u1_obs")
    sample = agent.actor_sample(obs, noise(name, "u1_"))
    q = expected_value(agent.critics.of_action(obs, sample.action), agent.atoms)
    loss = actor_loss(q, sample.cost, double(name, "log_ent_coef").exp())
    check("loss", loss, case["u1_loss"], LIMIT, relative=True)
    check("running cost", sample.running_cost.mean(-1), case["u1_run_mean"], LIMIT, relative=True)
    found = files.gradients_of(loss, agent.policy)
    for key, value in files.actor_state(f"{name}_f64", "u1_grad").items():
        assert np.abs(value).max() > 0
        check(f"gradient {key}", found[key], value, 1e-5, relative=True)
