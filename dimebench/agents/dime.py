"""DIME: Diffusion-Based Maximum Entropy RL (Celik et al., ICML 2025, arXiv 2502.02316).

Source: the authors' JAX code (ALRhub/DIME, MIT, commit 7082bb7); the code's behaviour is the default everywhere.

| here                           | the authors' code                                                          |
|--------------------------------|----------------------------------------------------------------------------|
| `DiffusionPolicy.sample`       | the sampler: action, running and terminal costs (`diffusion.py`)           |
| `project`, `shifted_atoms`     | the categorical projection (`categorical.py`)                              |
| `critic_target`, `critic_loss` | `update_critic`: mean of both critics' projections; cross-entropy          |
| `actor_loss`                   | `update_actor`: the mean, not the minimum, over critics                    |
| `temperature_loss`             | `update_temperature`: sees the running cost alone, not the whole bound     |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Interval, Len
from torch import Tensor, nn

from dimebench.agents.base import Batch, Dims, Metrics, Noise, NoiseShapes
from dimebench.agents.parts.categorical import expected_value, log_probs, project, shifted_atoms
from dimebench.agents.parts.chain.stepwise import Chain
from dimebench.agents.parts.diffusion import DiffusionPolicy, DiffusionSample, ScoreNetwork, Step, denoise
from dimebench.agents.parts.networks import Critics, float32_linspace
from dimebench.agents.parts.paths import for_gpu
from dimebench.agents.parts.renorm import RenormSettings
from dimebench.agents.updates.actor_critic import ActorCritic, S


@dataclass(frozen=True)
class CriticSettings:
    """What DIME shares with its Gaussian control, `dime-gaussian`. Defaults: the authors' for dm_control."""

    critic_hidden: Annotated[tuple[int, ...], Len(1)] = (2048, 2048)
    atoms: Annotated[int, Ge(2)] = 101
    v_min: float = -200.0  # +-200 for dm_control, +-1600 for Gym Ant and Humanoid
    v_max: float = 200.0
    critic_entropy_coefficient: Annotated[float, Ge(0)] = 0.005  # on sum p log p of the critics
    learning_rate: Annotated[float, Gt(0)] = 3e-4  # actor and critics
    alpha_learning_rate: Annotated[float, Gt(0)] = 1e-3
    beta1: Annotated[float, Interval(ge=0, lt=1)] = 0.5  # Adam's, of actor and critics; alpha's is 0.9
    batch_size: Annotated[int, Ge(1)] = 256  # per critic update
    utd: Annotated[int, Ge(1)] = 2  # critic updates per env step
    policy_delay: Annotated[int, Ge(1)] = 3  # critic updates per actor update
    learning_starts: Annotated[int, Ge(1)] = 5_000  # env steps of uniform random actions
    replay_capacity: Annotated[int, Ge(1)] = 1_000_000  # transitions per seed
    gamma: Annotated[float, Interval(ge=0, le=1)] = 0.99
    renorm_momentum: Annotated[float, Interval(ge=0, lt=1)] = 0.99
    renorm_warmup: Annotated[int, Ge(0)] = 100_000  # training-mode forwards with plain batch statistics
    alpha_init: Annotated[float, Gt(0)] = 1.0

    def __post_init__(self) -> None:
        if not self.v_min < self.v_max:
            raise ValueError(f"v_min must be below v_max, not {self.v_min} and {self.v_max}")


@dataclass(frozen=True)
class DIMESettings(CriticSettings):
    """Defaults: the authors' configuration for dm_control."""

    diffusion_steps: Annotated[int, Ge(1)] = 16  # N; the paper's ablation: 2 is poor, 16 and 32 alike
    prior_std: Annotated[float, Gt(0)] = 2.5  # x_0 ~ N(0, prior_std^2 I), fixed
    step_size: Annotated[float, Gt(0)] = 0.1  # softplus(dt) at the start; learned
    friction: Annotated[float, Gt(0)] = 1.0  # softplus(friction) at the start; learned per action dimension
    score_hidden: Annotated[tuple[int, ...], Len(1)] = (256, 256, 256)
    time_frequencies: Annotated[int, Ge(1)] = 256  # Fourier features of the step: sine and cosine of each
    time_embedding: Annotated[int, Ge(1)] = 256
    temperature_cost: Literal["running", "bound"] = "running"  # what the target is for; "bound": running + terminal
    target_cost_per_dim: float = 4.0  # times |A|; `target: 6.0` in the authors' configuration is never read
    evaluation_actions: Literal["sample", "mean"] = "sample"  # the authors' `deterministic` flag is ignored


def critic_target(
    next_logits: Tensor, next_cost: Tensor, batch: Batch, atoms: Tensor, alpha: Tensor, gamma: float
) -> Tensor:
    """The mean of the critics' projected distributions at (s', a'), cut from the gradient.

    next_logits [S, C, B, K]; next_cost [S, B], of a' at s'; atoms [K]; alpha [S]. Returns [S, B, K]. Projection is
    linear in the distribution and all critics share the shifted atoms, so the mean is taken first.
    """
    support = shifted_atoms(atoms, batch.reward, batch.terminated, next_cost, alpha, gamma)
    return project(torch.softmax(next_logits, -1).mean(1), support, atoms).detach()


def critic_loss(logits: Tensor, target: Tensor, entropy_coefficient: float) -> Tensor:
    """Cross-entropy to the target plus coefficient * sum p log p, batch mean, summed over critics.

    logits [S, C, B, K]; target [S, B, K]. Returns [S].
    """
    log_p = log_probs(logits)
    weight = entropy_coefficient * torch.softmax(logits, -1) - target[:, None]
    return (weight * log_p).sum(-1).mean(-1).sum(-1)


def actor_loss(q: Tensor, cost: Tensor, alpha: Tensor) -> Tensor:
    """mean over the batch of alpha cost - mean_c E_z[Q_c]: q [S, C, B], cost [S, B], alpha [S] -> [S]."""
    return (alpha[:, None] * cost - q.mean(1)).mean(-1)


def temperature_loss(log_alpha: Tensor, cost: Tensor, target: float) -> Tensor:
    """-alpha (mean cost - target), all [S]; the cost is cut from the gradient."""
    return -log_alpha.exp() * (cost.detach() - target)


def clip_gradients(grads: Tensor) -> Tensor:
    """The actor's gradients: NaN to zero, then every element clipped to [-1, 1] on its own; in place."""
    return torch.nan_to_num_(grads, nan=0.0, posinf=1.0, neginf=-1.0).clamp_(-1.0, 1.0)


class CategoricalCritics(ActorCritic[S]):
    """What DIME shares with its Gaussian control, `dime-gaussian`: the critics, and all that is held to them."""

    def add_networks(
        self, policy: nn.Module, settings: CriticSettings, generators: Sequence[torch.Generator]
    ) -> None:
        """The policy, the critics and the temperature, each with its optimiser."""
        s, inputs = settings, self.dims.obs + self.dims.act
        renorm = RenormSettings(momentum=s.renorm_momentum, warmup=s.renorm_warmup)
        self.critics = Critics(inputs, s.critic_hidden, s.atoms, generators, renorm)
        self.atoms = float32_linspace(s.v_min, s.v_max, s.atoms).to(self.device)
        self.add("policy", policy, s.learning_rate, s.beta1)
        self.add("critics", self.critics, s.learning_rate, s.beta1)
        self.add_temperature(s.alpha_learning_rate)
        self.gradient_clips["policy"] = clip_gradients
        self.critic_settings = settings

    def critic_objective(self, batch: Batch, next_sample: S) -> tuple[Tensor, Metrics]:
        """One joint forward over [s; s'], [a; a']; the next-state half only makes the target."""
        both_obs = torch.cat([batch.obs, batch.next_obs], 1)
        both_actions = torch.cat([batch.action, next_sample.action], 1)
        logits, next_logits = self.critics(both_obs, both_actions, training=True).chunk(2, dim=2)  # [S, C, B, K] each
        s = self.critic_settings
        target = critic_target(next_logits.detach(), next_sample.cost, batch, self.atoms, self.alpha, s.gamma)
        loss = critic_loss(logits, target, s.critic_entropy_coefficient)
        q_mean = expected_value(logits.detach(), self.atoms).mean((1, 2))
        clipped = (target[..., 0] + target[..., -1]).mean(-1)
        return loss, {"q_mean": q_mean, "mass_at_ends": clipped}

    def actor_objective(self, obs: Tensor, sample: S) -> Tensor:
        """Against the critics in evaluation mode."""
        q = expected_value(self.critics.of_action(obs, sample.action), self.atoms)
        return actor_loss(q, sample.cost, self.alpha)


class DIME(CategoricalCritics[DiffusionSample]):
    """S seeds of DIME. Actions are sampled in evaluation as in training (the authors' flag is ignored)."""

    Settings: ClassVar[type] = DIMESettings
    summary: ClassVar[str] = "diffusion policy in MaxEnt RL: categorical BatchRenorm critics, entropy lower bound"
    graphable: ClassVar[bool] = True
    chains: ClassVar[tuple[str, ...]] = ("plain", "fused")
    shared_state: ClassVar[tuple[str, ...]] = ("schedule", "frequencies")  # of the steps n, the same for all seeds
    settings: DIMESettings

    def __init__(self, dims: Dims, s: DIMESettings, generators: Sequence[torch.Generator], device: str) -> None:
        super().__init__(dims, s, generators, device)
        embedding = s.time_frequencies, s.time_embedding
        score = ScoreNetwork(dims.obs, dims.act, s.score_hidden, *embedding, generators)
        self.policy = DiffusionPolicy(score, s.diffusion_steps, s.prior_std, s.step_size, s.friction)
        self.add_networks(self.policy, s, generators)
        self.denoise: Step = denoise  # compiled where the learner is
        self.chain: Chain | None = None
        self.use_chain("plain")

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        """`utd` critic updates, each on its slice of the batch; after every `policy_delay`-th one of the actor."""
        metrics: Metrics = {}
        for step in self.steps(batch, noise):
            metrics |= self.update_critic(step.batch, step.next_sample())  # a' of the actor as it is
            if step.updates_actor:
                metrics |= self.update_actor(step.batch, step.sample())
        return metrics

    def update_actor(self, batch: Batch, sample: DiffusionSample) -> Metrics:
        """The actor steps, its gradients clipped; then the temperature.

        The authors hold the running cost alone to the target, not the whole bound.
        """
        loss = self.actor_objective(batch.obs, sample)
        self.descend("policy", loss)
        running, bound = sample.running_cost.detach().mean(-1), -sample.cost.detach().mean(-1)
        cost = running if self.settings.temperature_cost == "running" else -bound
        self.descend_alpha(temperature_loss(self.log_alpha, cost, self.settings.target_cost_per_dim * self.dims.act))
        return {"actor_loss": loss.detach(), "running_cost": running, "entropy_bound": bound, "alpha": self.alpha}

    # --- the policy -------------------------------------------------------------------------------------------

    def policy_noise(self, rows: int) -> NoiseShapes:
        return {"x0": (rows, self.dims.act), "eps": (self.settings.diffusion_steps, rows, self.dims.act)}

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Noise) -> Tensor:
        if self.chain is None:  # the eager step: compiling it again for a few rows would take longer than it saves
            return self.policy.sample(obs, noise["x0"], noise["eps"]).action
        return self.chain.act(obs, **noise)

    @torch.no_grad()
    def target_sample(self, next_obs: Tensor, noise: Noise) -> DiffusionSample:
        return self.actor_sample(next_obs, noise)

    def actor_sample(self, obs: Tensor, noise: Noise) -> DiffusionSample:
        if self.chain is None:
            return self.policy.sample(obs, noise["x0"], noise["eps"], self.denoise)
        return self.chain.sample(obs, **noise)

    def use_chain(self, name: str) -> None:
        """How the policy samples: in torch's operations (`plain`) or through Triton's kernels (`fused`)."""
        if name == "fused":
            from dimebench.agents.parts.chain.fused import FusedChain  # needs Triton

            self.chain = FusedChain(self.policy)
        else:
            self.chain = Chain(self.policy) if for_gpu(self.device) else None

    def compiled_functions(self) -> list[tuple[Any, str]]:
        """One step of the chain, not all of them in a row, which takes minutes to compile."""
        of_chain = [(self, "denoise")] if self.chain is None else self.chain.compiled_functions()
        return [*of_chain, *super().compiled_functions()]
