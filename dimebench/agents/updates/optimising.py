"""An agent's networks and the arithmetic of an optimiser step: gradients, packed parameters, Adam, state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from dimebench.agents.base import Agent, Dims, OffPolicySettings, under
from dimebench.agents.parts.networks import set_matmul_dtype
from dimebench.agents.parts.paths import for_gpu
from dimebench.agents.parts.renorm import BatchRenorm
from dimebench.agents.updates.adam import Adam
from dimebench.agents.updates.packing import GradientClip, Packed, Store, Unpacked


class ActorCriticSettings(OffPolicySettings, Protocol):
    """The settings that every actor-critic algorithm has in addition."""

    @property
    def policy_delay(self) -> int: ...  # critic updates per actor update
    @property
    def alpha_init(self) -> float: ...  # the temperature at the start
    @property
    def evaluation_actions(self) -> str: ...  # "sample", or "mean": the policy's without noise


class NetworkAgent(Agent):
    """An agent of networks with a seed axis, each stepped by Adam on a loss [S], and of a temperature alpha [S]."""

    precisions = ("float32", "tf32", "bf16")
    settings: ActorCriticSettings

    def __init__(
        self, dims: Dims, settings: ActorCriticSettings, generators: Sequence[torch.Generator], device: str
    ) -> None:
        self.dims, self.settings, self.device = dims, settings, torch.device(device)
        self.seeds = len(generators)
        self.grad_steps = 0
        self.modules: dict[str, nn.Module] = {}
        self.stores: dict[str, Store] = {}  # each network's parameters
        self.optimizers: dict[str, Adam] = {}
        self.log_alpha = nn.Parameter(torch.log(torch.full((self.seeds,), settings.alpha_init, device=self.device)))
        self.gradient_clips: dict[str, GradientClip] = {}  # of a network's gradients, before the optimiser sees them
        self._ones = torch.ones(self.seeds, device=self.device)  # the gradient of a sum over seeds

    def add(self, name: str, module: nn.Module, lr: float = 0.0, beta1: float = 0.9) -> None:
        """A network of this agent, and with a learning rate Adam over all its parameters at once."""
        self.modules[name] = module.to(self.device)
        self.stores[name] = Unpacked(module) if for_gpu(self.device) else Packed(module, self.seeds)
        if lr:
            self.optimizers[name] = Adam(self.stores[name].tensors, lr, beta1)

    def add_temperature(self, lr: float) -> None:
        """Adam over log alpha, beta1 0.9."""
        self.optimizers["alpha"] = Adam([self.log_alpha], lr, beta1=0.9)

    @property
    def alpha(self) -> Tensor:
        """The temperature [S], a constant of other losses."""
        return self.log_alpha.detach().exp()

    @property
    def arenas(self) -> dict[str, nn.Parameter]:
        """On a CPU each network's parameters as one tensor [S, P], of which the network's own are views."""
        return {name: store.arena for name, store in self.stores.items() if isinstance(store, Packed)}

    # --- one step ---------------------------------------------------------------------------------------------

    def descend(self, name: str, loss: Tensor) -> None:
        """One Adam step of network `name` on the loss [S], which took one training-mode forward of it.

        Parameters of different seeds are disjoint: the gradient of the sum is each seed's own.
        """
        self.count_forward(name)
        grads = torch.autograd.grad(loss, list(self.modules[name].parameters()), self._ones)
        self.stores[name].receive(grads, self.gradient_clips.get(name))
        self.optimizers[name].step()

    def descend_alpha(self, loss: Tensor) -> None:
        """One Adam step of log alpha on the loss [S]."""
        (self.log_alpha.grad,) = torch.autograd.grad(loss, [self.log_alpha], self._ones)
        self.optimizers["alpha"].step()

    @torch.no_grad()
    def approach(self, target: str, live: str, tau: float) -> None:
        """Polyak averaging: target <- (1 - tau) target + tau live."""
        self.stores[target].approach(self.stores[live], tau)

    def count_forward(self, name: str) -> None:
        """Network `name` has had one training-mode forward."""
        for renorm in self.renorms(name):
            renorm.set_steps(renorm.steps + 1)

    def renorms(self, *names: str) -> list[BatchRenorm]:
        """The BatchRenorm layers of these networks, or of all."""
        modules = (module for name in names or self.modules for module in self.modules[name].modules())
        return [module for module in modules if isinstance(module, BatchRenorm)]

    # --- state ------------------------------------------------------------------------------------------------

    def set_matmul_dtype(self, dtype: torch.dtype) -> None:
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
