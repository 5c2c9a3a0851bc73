"""The update schedule that the actor-critic algorithms share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dimebench.agents.base import Agent, Batch, Dims, Metrics, Noise, NoiseShapes, under
from dimebench.agents.parts.networks import set_matmul_dtype
from dimebench.agents.parts.renorm import BatchRenorm
from dimebench.agents.updates.adam import Adam
from dimebench.agents.updates.compiling import compiled
from dimebench.agents.updates.packing import GradientClip, Packed, Store, Unpacked
from dimebench.agents.updates.paths import for_gpu


class ActorCritic(Agent):
    """UTD critic updates per call, an actor and temperature update after every `policy_delay`-th of them.

    Metrics are those of a call's last critic update and last actor update.

    Subclasses add their networks ("policy" and "critics" among them) and an "alpha" optimiser, and give the samples
    and objectives. Besides what every learner has, their settings hold `policy_delay`, `alpha_init` and
    `evaluation_actions`.
    """

    def __init__(self, dims: Dims, settings: Any, generators: Sequence[torch.Generator], device: str) -> None:
        self.dims, self.settings, self.device = dims, settings, torch.device(device)
        self.seeds = len(generators)
        self.grad_steps = 0
        self.modules: dict[str, nn.Module] = {}
        self.stores: dict[str, Store] = {}  # each network's parameters
        self.optimizers: dict[str, Adam] = {}
        self.log_alpha = nn.Parameter(torch.log(torch.full((self.seeds,), settings.alpha_init, device=self.device)))
        self.gradient_clips: dict[str, GradientClip] = {}  # of a network's gradients, before the optimiser sees them
        self._ones = torch.ones(self.seeds, device=self.device)  # the gradient of a sum over seeds
        self._second: torch.cuda.Stream | None = None

    def _add(self, name: str, module: nn.Module, lr: float = 0.0, beta1: float = 0.9) -> None:
        """A network of this agent, and with a learning rate Adam over all its parameters at once."""
        self.modules[name] = module.to(self.device)
        self.stores[name] = Unpacked(module) if for_gpu(self.device) else Packed(module, self.seeds)
        if lr:
            self.optimizers[name] = Adam(self.stores[name].tensors, lr, beta1)

    @property
    def arenas(self) -> dict[str, nn.Parameter]:
        """On a CPU each network's parameters as one tensor [S, P], of which the network's own are views."""
        return {name: store.arena for name, store in self.stores.items() if isinstance(store, Packed)}

    def evaluate(self, obs: Tensor, noise: Noise) -> Tensor:
        """With `evaluation_actions: mean` the policy's actions without noise, else actions as in training."""
        if self.settings.evaluation_actions == "mean":
            noise = {name: torch.zeros_like(eps) for name, eps in noise.items()}
        return self.act(obs, noise)

    # --- what an algorithm computes: functions of tensors, that may be compiled -------------------------------

    @abstractmethod
    def target_sample(self, next_obs: Tensor, noise: Noise) -> Any:
        """a' of the current actor at s' and what it costs: a named tuple of [S, B, ...], cut from the gradient."""

    @abstractmethod
    def actor_sample(self, obs: Tensor, noise: Noise) -> Any:
        """The same at s, for the actor's own update: the gradient flows."""

    @abstractmethod
    def critic_objective(self, batch: Batch, next_sample: Any) -> tuple[Tensor, Metrics]:
        """The critics' loss [S] on a batch [S, batch_size, ...], a' from `target_sample`."""

    @abstractmethod
    def actor_objective(self, obs: Tensor, sample: Any) -> tuple[Tensor, Metrics]:
        """The actor's loss [S] against the critics just updated, a from `actor_sample`."""

    @abstractmethod
    def update_temperature(self, sample: Any) -> Metrics:
        """The temperature's update, after the actor's."""

    def compiled_functions(self) -> list[tuple[Any, str]]:
        """The functions (owner, name) that `compile` replaces."""
        return [(self, "critic_objective"), (self, "actor_objective")]

    # --- the order in which it happens ------------------------------------------------------------------------

    def update_critic(self, batch: Batch, next_sample: Any) -> Metrics:
        """One update of the critics."""
        loss, metrics = self.critic_objective(batch, next_sample)
        self._count("critics")
        self._descend("critics", loss)
        self.update_targets()
        return {"critic_loss": loss.detach(), **metrics}

    def update_targets(self) -> None:
        """Move the target networks, where there are any."""

    def update_actor(self, batch: Batch, sample: Any) -> Metrics:
        """The actor's update, and the temperature's after it."""
        loss, metrics = self.actor_objective(batch.obs, sample)
        self._count("policy")
        self._descend("policy", loss)
        return {"actor_loss": loss.detach(), **metrics, **self.update_temperature(sample)}

    def _actor_updates(self, ahead: int = 0) -> list[int]:
        """Which of a coming call's critic updates (0-based) an actor update follows."""
        s = self.settings
        done = self.grad_steps + ahead * s.utd
        return [i for i in range(s.utd) if (done + i + 1) % s.policy_delay == 0]

    def update_noise(self, ahead: int = 0) -> NoiseShapes:
        one = self.policy_noise(self.settings.batch_size)
        shapes = {f"{i}.next.{name}": shape for i in range(self.settings.utd) for name, shape in one.items()}
        return shapes | {f"{i}.actor.{name}": s for i in self._actor_updates(ahead) for name, s in one.items()}

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        metrics: Metrics = {}
        actor_updates = self._actor_updates()
        next_sample: list[Any] = []
        for i, part in enumerate(batch.split(self.settings.batch_size)):
            if not next_sample:  # the actor has changed: a' for every critic update until it changes again
                last = next((j for j in actor_updates if j >= i), self.settings.utd - 1)
                next_sample = self._target_samples(batch, noise, i, last + 1)
            sample = None
            if i in actor_updates:  # the critics' update does not change the actor
                sample = self._aside(self.actor_sample, part.obs, under(noise, f"{i}.actor."))
            metrics |= self.update_critic(part, next_sample.pop(0))
            self.grad_steps += 1
            if i in actor_updates:
                self._join()
                metrics |= self.update_actor(part, sample)
        return metrics

    def _target_samples(self, batch: Batch, noise: Noise, first: int, last: int) -> list[Any]:
        """a' for critic updates `first` to `last` - 1, sampled together: one per update."""
        rows = self.settings.batch_size
        drawn = [under(noise, f"{i}.next.") for i in range(first, last)]
        together = {
            name: torch.cat([d[name] for d in drawn], -2) if len(drawn) > 1 else drawn[0][name] for name in drawn[0]
        }
        sample = self.target_sample(batch.next_obs[:, first * rows : last * rows], together)
        parts = zip(*(field.split(rows, dim=1) for field in sample), strict=True)
        if for_gpu(self.device) and len(drawn) > 1:  # laid out as one alone: compiled code is for one layout
            return [type(sample)(*(t.clone(memory_format=torch.contiguous_format) for t in part)) for part in parts]
        return [type(sample)(*part) for part in parts]

    def _aside(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call it on a second CUDA stream, to run beside what follows until `_join`; elsewhere just call it."""
        if self.device.type != "cuda":
            return function(*args)
        if self._second is None:
            self._second = torch.cuda.Stream(self.device)
        self._second.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._second):
            return function(*args)

    def _join(self) -> None:
        """Wait for what runs aside."""
        if self._second is not None:
            torch.cuda.current_stream(self.device).wait_stream(self._second)

    # --- the arithmetic of an optimiser step ------------------------------------------------------------------

    def _descend(self, name: str, loss: Tensor) -> None:
        """One Adam step of network `name` on the loss [S].

        Parameters of different seeds are disjoint: the gradient of the sum is each seed's own.
        """
        grads = torch.autograd.grad(loss, list(self.modules[name].parameters()), self._ones)
        self.stores[name].receive(grads, self.gradient_clips.get(name))
        self.optimizers[name].step()

    def _descend_alpha(self, loss: Tensor) -> None:
        """One Adam step of log alpha on the loss [S]."""
        (self.log_alpha.grad,) = torch.autograd.grad(loss, [self.log_alpha], self._ones)
        self.optimizers["alpha"].step()

    # --- counts: the part of the state that is no tensor ------------------------------------------------------

    def _count(self, name: str) -> None:
        """Network `name` has had one training-mode forward."""
        for renorm in self._renorms(name):
            renorm.set_steps(renorm.steps + 1)

    def _renorms(self, *names: str) -> list[BatchRenorm]:
        modules = (module for name in names or self.modules for module in self.modules[name].modules())
        return [module for module in modules if isinstance(module, BatchRenorm)]

    def update_key(self) -> tuple[int, ...]:
        """Equal for calls of `update` that run the same operations on tensors, whatever numbers those hold.

        It tells apart which actor updates there are and, around the end of the warm-up, which forwards lie before it.
        """
        left = {min(max(r.settings.warmup - r.steps, 0), self.settings.utd) for r in self._renorms()}
        return (*self._actor_updates(), -1, *sorted(left))

    def update_kinds(self, calls: int) -> dict[tuple[int, ...], list[int]]:
        """Every kind of call, by `update_key`, among the next `calls` of `update`, with counts that make it one.

        Kinds follow each other with the schedule's period and change where a warm-up ends: there calls are looked at.
        """
        s, now = self.settings, self.counts()
        period = math.lcm(s.utd, s.policy_delay) // s.utd
        changes = {0}
        for renorm in self._renorms():
            left = max(renorm.settings.warmup - renorm.steps, 0)  # counted by critic updates or by actor updates
            changes |= {left // s.utd, left * s.policy_delay // s.utd}
        near = {change + i for change in changes for i in range(-2 * period - 1, 2 * period + 2)}
        found: dict[tuple[int, ...], list[int]] = {}
        for call in sorted(i for i in near if 0 <= i < calls):
            self.set_counts(self._counts_after(call))
            found.setdefault(self.update_key(), self.counts())
            self.set_counts(now)
        return found

    def _counts_after(self, calls: int) -> list[int]:
        """What `counts` will be after so many calls of `update`."""
        s = self.settings
        done = self.grad_steps + calls * s.utd
        of_actor = done // s.policy_delay - self.grad_steps // s.policy_delay
        actor = {id(renorm) for renorm in self._renorms("policy")}
        each = [r.steps + (of_actor if id(r) in actor else calls * s.utd) for r in self._renorms()]
        return [done, *each]

    def counts(self) -> list[int]:
        return [self.grad_steps, *(renorm.steps for renorm in self._renorms())]

    def set_counts(self, counts: Sequence[int]) -> None:
        """The inverse of `counts`, for whoever repeats an update's operations without calling it."""
        self.grad_steps = counts[0]
        for renorm, steps in zip(self._renorms(), counts[1:], strict=True):
            renorm.set_steps(steps)

    def compile(self) -> None:
        """From now on run the functions of `compiled_functions` through torch.compile: the same operations, fused."""
        for owner, name in self.compiled_functions():
            setattr(owner, name, compiled(getattr(owner, name)))

    def set_matmul_dtype(self, dtype: torch.dtype) -> None:
        """The type that dense layers multiply in: float32 (the default) or bfloat16."""
        for module in self.modules.values():
            set_matmul_dtype(module, dtype)

    def diverged(self) -> Tensor:
        finite = [store.finite() for store in self.stores.values()]
        return ~torch.stack([*finite, torch.isfinite(self.log_alpha)]).all(0)

    def policy_state(self) -> dict[str, Tensor]:
        return {f"policy.{key}": value.detach() for key, value in self.modules["policy"].state_dict().items()}

    def state_dict(self) -> dict[str, Tensor]:
        state = {"log_alpha": self.log_alpha.detach(), "grad_steps": torch.tensor(self.grad_steps)}
        for name, module in self.modules.items():
            state |= {f"{name}.{key}": value.detach() for key, value in module.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            state |= {f"optimizer.{name}.{key}": value for key, value in optimizer.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Every tensor stays where it is, so that graphs which have been captured go on with the new numbers."""
        with torch.no_grad():
            self.log_alpha.copy_(state["log_alpha"])
        self.grad_steps = int(state["grad_steps"])
        for name, module in self.modules.items():
            module.load_state_dict(dict(under(state, f"{name}.")))
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(dict(under(state, f"optimizer.{name}.")))
