"""Calling dimebench: within this process for what it answers at once, as a real process for what it does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dimebench.store.provenance import CODE_FOLDER

COMMAND = [sys.executable, "-m", "dimebench.cli.main"]
TASK = "dm_control/cartpole-balance"

PATIENCE_S = 800  # only what hangs takes longer, on a machine with far too much to do as well

# Everything that training does, in a second or two: 20 env steps are an episode.
TINY = """\
name: tiny
description: Small enough for a test
tasks: [dm_control/cartpole-balance]
algorithms: [dime, crossq, sac, random]
budget: {env_steps: 60, action_repeat: 50}
evaluation: {interval: 30, episodes: 1}
settings:
  all: {batch_size: 8, learning_starts: 20, critic_hidden: [16, 16], actor_hidden: [16, 16]}
  dime: {diffusion_steps: 1, score_hidden: [16, 16], time_frequencies: 4, time_embedding: 4, atoms: 11}
"""


@dataclass(frozen=True)
class Answer:
    """What a command leaves behind in the terminal."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def told(self) -> str:
        """The line in which `run` says how many runs it has trained; the next command may follow."""
        return next(line for line in reversed(self.lines) if re.search(r" runs? finished, ", line))

    @property
    def trouble(self) -> str:
        """Standard error without the note that so few seeds decide nothing, which tests of training do not mind."""
        return re.sub(r"dimebench: note: \d+ seeds? on .+ cannot decide.*\n", "", self.err)


Call = Callable[..., Answer]


def process(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None, around: Sequence[str] = ()) -> Answer:
    """`dimebench ARGUMENTS` as a process of its own; `around` comes before it on the command line."""
    done = subprocess.run(
        [*around, *COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def refused(answer: Answer, line: str, code: int = 2) -> None:
    """Holds an answer to one line on standard error, the exit code, and nothing else."""
    assert (answer.err, answer.out, answer.code) == (f"dimebench: {line}\n", "", code)


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder, hidden ones included: when it was last written, and its bytes."""
    return {
        str(file.relative_to(folder)): (file.stat().st_mtime_ns, file.read_bytes())
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def half_written(folder: Path) -> list[Path]:
    """What a write that failed could leave: files and folders beside their place, empty files."""
    return [
        path
        for path in folder.rglob("*")
        if path.name.endswith(".tmp")
        or (path.name.startswith(".") and path.name != CODE_FOLDER)
        or (path.is_file() and not path.stat().st_size)
    ]


def cell(results: Path, variant: str, suite: str = "tiny") -> Path:
    """The folder of a variant on the task of `tiny`."""
    return results / suite / variant / TASK
