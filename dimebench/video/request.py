"""What the process that asks for a film says to the one that makes it, and its answer: JSON, one line each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from dimebench.errors import DimebenchError

POLICY_FILE = "policy.safetensors"


class FilmError(DimebenchError):
    """A policy or task that cannot be shown, and why; one line."""


@dataclass(frozen=True)
class FilmRequest:
    """One episode of one seed's policy, and the file to write it to."""

    algorithm: str
    settings: dict[str, Any]
    task: str
    action_repeat: int
    seed: int
    place: int  # of the seed among those trained together
    policy: str  # the policy's file; not read where the algorithm learns nothing
    out: str
    kind: str  # "mp4" or "gif"
    width: int  # pixels
    height: int
    seconds: float  # of the task's time, at most
    fps: int
    episode: int  # which start


@dataclass(frozen=True)
class FilmAnswer:
    """How it went. `error` is "" where the film is written; `final`: no other GL would help."""

    error: str = ""
    final: bool = False
    frames: int = 0
    seconds: float = 0.0
    reached: float = 0.0  # return by the end of the film


def to_line(message: FilmRequest | FilmAnswer) -> str:
    """One line of JSON; read back with `FilmRequest(**json.loads(line))`."""
    return json.dumps(asdict(message))
