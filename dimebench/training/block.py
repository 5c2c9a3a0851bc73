"""What a block is: the seeds of one cell that train in one process, and everything that decides their numbers."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Protocol:
    """The part of a suite that training follows. Steps are env steps."""

    env_steps: int
    action_repeat: int
    eval_interval: int
    eval_episodes: int

    def evaluates_at(self, env_step: int) -> bool:
        """At the start, at every interval and at the end of the budget."""
        return env_step % self.eval_interval == 0 or env_step == self.env_steps

    def logging_interval(self) -> int:
        """Ten logging points between two evaluations."""
        return max(1, self.eval_interval // 10)


@dataclass(frozen=True)
class Block:
    """A block as plain values: it travels to the process that trains it as JSON."""

    suite: str
    algorithm: str
    variant: str
    task: str
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    protocol: Protocol
    score: dict[str, Any]
    device: str
    threads: int
    code: str  # planning.code.closure.code_of: the digest of the code that its numbers come from
    versions: dict[str, str]
    cell: str  # the cell's folder, relative to the results folder
    command: str
    mode: str = "eager"  # training.execution.modes.MODES
    precision: str = "float32"  # training.execution.modes.PRECISIONS
    chain: str = "plain"  # training.execution.modes.CHAINS
    env_workers: int = 0  # processes that step the environments; changes no number
    shared_code: str = ""  # planning.code.closure.shared_code: of the part that all algorithms have in common
    allow_code: bool = False  # whether the cell may hold runs of other code

    @property
    def name(self) -> str:
        """The block's folder under the cell's `checkpoints`."""
        if len(self.seeds) == 1:
            return f"seed-{self.seeds[0]:03d}"
        if self.seeds == tuple(range(self.seeds[0], self.seeds[-1] + 1)):
            return f"seeds-{self.seeds[0]:03d}-to-{self.seeds[-1]:03d}"
        named = "-".join(f"{seed:03d}" for seed in self.seeds)
        if len(self.seeds) > 8:
            named = f"{len(self.seeds)}-of-them-{zlib.crc32(named.encode()):08x}"
        return f"seeds-{named}"

    @property
    def unstacked(self) -> bool:
        """Whether each seed has a learner of its own: several on a CPU."""
        return self.device == "cpu" and len(self.seeds) > 1

    def run_folder(self, results: Path, seed: int) -> Path:
        return results / self.cell / f"seed-{seed:03d}"

    def checkpoint_folder(self, results: Path) -> Path:
        return results / self.cell / "checkpoints" / self.name

    def identity(self) -> dict[str, Any]:
        """Everything that can change a seed's numbers, but for the physics fingerprint, which training adds."""
        return {
            "task": self.task,
            "algorithm": self.algorithm,
            "settings": self.settings,
            "protocol": asdict(self.protocol),
            "code": self.code,
            "versions": self.versions,
            "execution": {
                "device": self.device,
                "threads": self.threads,
                "mode": self.mode,
                "precision": self.precision,
                **({} if self.chain == "plain" else {"chain": self.chain}),  # as runs from before there was a choice
            },
        }

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Block:
        plain = dict(content)
        plain["protocol"] = Protocol(**plain["protocol"])
        plain["seeds"] = tuple(plain["seeds"])
        return cls(**plain)


def plain_settings(settings: Any) -> dict[str, Any]:
    """A settings dataclass as JSON values: tuples become lists."""
    found = {}
    for name in _names(type(settings)):  # type: ignore[arg-type]  # `asdict` would copy every number deeply, for each of thousands of cells
        value = getattr(settings, name)
        if type(value) is tuple:
            value = list(value)
        elif is_dataclass(type(value)):
            value = asdict(value)
        found[name] = value
    return found


@cache
def _names(cls: type) -> list[str]:
    return [each.name for each in fields(cls)]


def build_settings(cls: type, plain: dict[str, Any]) -> Any:
    """The inverse of `plain_settings`."""
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()})
