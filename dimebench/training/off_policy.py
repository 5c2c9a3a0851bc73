"""The learner's side of the loop: policy, replay and noise of a block of seeds, on their device."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dimebench.agents.base import Agent, Batch, Dims, Metrics, Noise, under
from dimebench.training.block import Block
from dimebench.training.execution.modes import Learner
from dimebench.training.replay import Replay
from dimebench.training.rng import NoiseBuffer, Streams
from dimebench.training.staging import Fetching, Staging


class OffPolicyLearner:
    """Acts and learns. What an update needs is drawn when the action is asked for, before it is waited for.

    So a GPU gathers transitions while the host starts the environments, and the update of env step t sees the
    transitions before t, whether or not it runs during that step's physics.
    """

    def __init__(self, block: Block, dims: Dims, agent: Agent, learner: Learner) -> None:
        """`agent` must learn; `learner` runs it."""
        settings = agent.settings
        device, seeds = torch.device(block.device), block.seeds
        self.learner = learner
        self.replay = Replay(len(seeds), min(settings.replay_capacity, block.protocol.env_steps), dims, block.device)
        rows = settings.utd * settings.batch_size
        self._random = Streams(seeds, ["warmup"], "cpu")
        self._noise = {
            "act": NoiseBuffer(seeds, "act", lambda _: agent.policy_noise(1), block.device),
            "replay": NoiseBuffer(seeds, "replay", lambda _: {"share": (rows,)}, "cpu", uniform=True),
            "update": NoiseBuffer(seeds, "update", agent.update_noise, block.device),
        }
        self._obs = Staging((len(seeds), dims.obs), device)
        self._action = Fetching((len(seeds), dims.act), device)
        self._act_dim = dims.act
        self._next: tuple[Batch, Noise] | None = None

    def random_action(self) -> np.ndarray:
        """Uniform on the action box, [S, A]."""
        return self._random.uniform("warmup", (self._act_dim,)).numpy()

    def ask(self, obs: np.ndarray) -> None:
        """Begin to act on observations [S, O]."""
        sent = self._obs.send(obs)[:, None]  # [S, 1, O]
        self._action.ask(self.learner.act(sent, self._noise["act"].next())[:, 0])

    def draw(self) -> None:
        """Draw the transitions and the noise of the next `update`."""
        share = self._noise["replay"].next()["share"]  # of the replay's length: which transitions
        self._next = self.replay.sample((share * len(self.replay)).long()), self._noise["update"].next()

    def wait(self) -> np.ndarray:
        """The actions [S, A] that were asked for."""
        return self._action.wait()

    def update(self) -> Metrics:
        """One call of the learner's update, on what `draw` made ready. On a GPU it is only begun."""
        assert self._next is not None
        batch, noise = self._next
        self._next = None
        return self.learner.update(batch, noise)

    def state_dict(self) -> dict[str, Tensor]:
        """The random streams, between two env steps. The agent and the replay are kept by themselves."""
        state = {f"random.{key}": value for key, value in self._random.state_dict().items()}
        for purpose, buffer in self._noise.items():
            state |= {f"{purpose}.{key}": value for key, value in buffer.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state_dict`; the agent must be restored already."""
        self._random.load_state_dict(under(state, "random."))
        for purpose, buffer in self._noise.items():
            buffer.load_state_dict(under(state, f"{purpose}."))
