"""Films of trained policies, each made in a process of its own, with whichever GL this machine has."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dimebench.agents.registry import load_algorithm
from dimebench.envs import gl
from dimebench.errors import DimebenchError, last_line
from dimebench.planning.cells import together
from dimebench.store import Run, read_runs
from dimebench.store.places import Place
from dimebench.video.request import POLICY_FILE, FilmAnswer, FilmRequest, to_line

BACKENDS = ("egl", "osmesa")  # both work without a display
LONGEST_S = 600  # that making a film may take


class RenderError(DimebenchError):
    """A film that cannot be made, and why; one line."""


@dataclass(frozen=True)
class Policy:
    """A run and the file that holds its trained policy; there is none where the algorithm learns nothing."""

    run: Run
    file: Place


@dataclass(frozen=True)
class Film:
    """A film's bytes, "mp4" or "gif", and what it shows."""

    data: bytes
    kind: str
    frames: int
    seconds: float
    reached: float  # return by the end of the film


def find_policy(results: Place, suite: str, variant: str, task: str, seeds: Sequence[int]) -> Policy | None:
    """The first of the runs whose policy was kept (a finished block keeps it); None where none was."""
    for run in read_runs(results, suite, broken=[]):
        if (run.variant, run.task) == (variant, task) and run.seed in seeds and (found := policy_of(run)):
            return found
    return None


def policy_of(run: Run) -> Policy | None:
    """The run's trained policy, where it was kept. An algorithm that learns nothing needs no file."""
    file = run.path.parent / "checkpoints" / run.block / POLICY_FILE
    return Policy(run, file) if file.is_file() or not _learns(run) else None


def _learns(run: Run) -> bool:
    """Whether the run's algorithm learns; True also where it is not installed here, for it cannot be shown then."""
    if run.progress.get("grad_step"):
        return True
    try:
        return load_algorithm(run.algorithm).learns
    except DimebenchError:
        return True


def film(
    policy: Policy,
    *,
    kind: str | None = "mp4",
    width: int = 480,
    height: int = 360,
    seconds: float = 20.0,
    fps: int = 25,
    episode: int = 0,
) -> Film:
    """An episode of the policy on its task. kind None: mp4 where imageio-ffmpeg is installed, else gif.

    Raises RenderError where there is no GL, no encoder, or the policy does not fit its task.
    """
    has_ffmpeg = importlib.util.find_spec("imageio_ffmpeg") is not None
    if kind == "mp4" and not has_ffmpeg:
        raise RenderError("mp4 needs imageio-ffmpeg: pip install 'dimebench[video]', or ask for a gif")
    kind = kind or ("mp4" if has_ffmpeg else "gif")
    run = policy.run
    of = run.identity["of"]
    with tempfile.TemporaryDirectory() as folder:
        out, file = Path(folder) / f"film.{kind}", policy.file
        if not isinstance(file, Path) and file.exists():  # the process that films reads files of this machine
            file = Path(folder) / POLICY_FILE
            file.write_bytes(policy.file.read_bytes())
        request = FilmRequest(
            algorithm=run.algorithm,
            settings=of["settings"],
            task=run.task,
            action_repeat=of["protocol"].get("action_repeat", 1),
            seed=run.seed,
            place=together(run).index(run.seed),
            policy=str(file),
            out=str(out),
            kind=kind,
            width=width,
            height=height,
            seconds=seconds,
            fps=fps,
            episode=episode,
        )
        answer = _ask(request)
        return Film(out.read_bytes(), kind, answer.frames, answer.seconds, answer.reached)


def _ask(request: FilmRequest) -> FilmAnswer:
    """The answer of a filming process: with the GL that the environment names, else with the first that works."""
    named, problems = gl.named(""), []
    for backend in (named,) if named else BACKENDS:
        answer = _process(request, backend)
        if not answer.error:
            return answer
        of = f"{gl.VARIABLE}={named}" if named else backend
        problems.append(f"{of}: {answer.error}")
        if answer.final:
            break
    raise RenderError(f"{request.task} cannot be filmed: {'; '.join(problems)}")


def _process(request: FilmRequest, backend: str) -> FilmAnswer:
    environment = {**os.environ, gl.VARIABLE: backend, "PYOPENGL_PLATFORM": backend, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "dimebench.video.film"]
    try:
        done = subprocess.run(
            command, input=to_line(request), env=environment, capture_output=True, text=True, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return FilmAnswer(f"no film after {LONGEST_S} s")
    try:
        return FilmAnswer(**json.loads(done.stdout.strip().rpartition("\n")[2]))
    except (ValueError, TypeError):
        return FilmAnswer(last_line(done.stderr, done.returncode))
