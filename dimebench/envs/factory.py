"""Tasks by name. A library is imported when a task of it is asked for."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import closing
from typing import Literal, overload

from dimebench.envs import gl
from dimebench.envs.environment import Environment, Seed
from dimebench.envs.libraries.base import Library
from dimebench.envs.libraries.registry import UnknownLibraryError, known_libraries, library_of, load_library
from dimebench.envs.parallel import ParallelVectorEnv
from dimebench.envs.spec import EnvError, TaskSpec, UnknownTaskError
from dimebench.envs.vector import SerialVectorEnv, VectorEnv
from dimebench.errors import first_line


def known_tasks(library: str | None = None) -> list[str]:
    """Every task of that library; without one, of every library that can be imported. Builds nothing.

    Raises EnvError when the library cannot be imported; without one, when none can.
    """
    if library is not None:
        return list(_tasks(load_library(library)))
    found, problems = list[str](), list[EnvError]()
    for prefix in known_libraries():
        try:
            found += known_tasks(prefix)
        except EnvError as error:
            problems.append(error)
    if problems and not found:
        raise problems[0]
    return found


def task_spec(task: str, action_repeat: int = 1) -> TaskSpec:
    """The shape of a task. The first call for a task builds one environment; the answer is kept.

    Raises UnknownTaskError for an unknown name, EnvError when the task cannot be loaded here.
    """
    if action_repeat < 1:
        raise EnvError(f"{task}: action repeat must be at least 1, not {action_repeat}")
    return _spec(_library(task), task, action_repeat)


@overload
def make_vector_env(
    task: str, seeds: Sequence[Seed], action_repeat: int = 1, workers: Literal[0] = 0
) -> SerialVectorEnv: ...
@overload
def make_vector_env(task: str, seeds: Sequence[Seed], action_repeat: int = 1, workers: int = 0) -> VectorEnv: ...
def make_vector_env(task: str, seeds: Sequence[Seed], action_repeat: int = 1, workers: int = 0) -> VectorEnv:
    """One environment per seed, not yet reset, stepped by `workers` processes (at most one per seed; 0: by this one).

    A SeedSequence gives a stream of its own; an int gives the library's own stream for that seed.
    Raises UnknownTaskError for an unknown name, EnvError when the task cannot be loaded here.
    """
    spec = task_spec(task, action_repeat)
    if not len(seeds):
        raise EnvError(f"{task}: a vector env needs at least one seed")
    if workers < 0:
        raise EnvError(f"{task}: the number of worker processes must not be negative ({workers})")
    if workers:
        return ParallelVectorEnv(spec, seeds, action_repeat, workers)
    return SerialVectorEnv(spec, build_environments(task, seeds), action_repeat)


def build_environments(task: str, seeds: Sequence[Seed]) -> list[Environment]:
    """One environment per seed, in this process. Raises as make_vector_env does."""
    library = _library(task)
    return [_build(library, task, seed) for seed in seeds]


@functools.cache
def _spec(library: Library, task: str, action_repeat: int) -> TaskSpec:
    with closing(_build(library, task, 0)) as env:
        limit = (
            None if env.max_steps is None else -(-env.max_steps // action_repeat)
        )  # the last env step may be short
        return TaskSpec(task, sum(size for _, size in env.layout), env.low.size, limit, env.layout)


def _build(library: Library, task: str, seed: Seed) -> Environment:
    try:
        return library.build(task, seed)
    except EnvError:
        raise
    except Exception as error:
        hint = "; it needs MUJOCO_GL=egl in the environment" if library.needs_gl(task) else ""
        raise EnvError(f"{task} cannot be loaded: {(hint and gl.problem()) or first_line(error) + hint}") from error


def _library(task: str) -> Library:
    """The library that has the task. Raises UnknownTaskError, or EnvError when it cannot be imported."""
    try:
        library = library_of(task)
    except UnknownLibraryError:
        raise UnknownTaskError(task, known_tasks()) from None
    if task not in _tasks(library):
        reason = library.refusal(task)
        raise EnvError(reason) if reason else UnknownTaskError(task, known_tasks())
    return library


@functools.cache
def _tasks(library: Library) -> dict[str, None]:
    """An ordered set."""
    try:
        return dict.fromkeys(library.tasks())
    except Exception as error:  # a broken installation
        raise EnvError(f"{library.prefix} cannot be imported: {first_line(error)}") from error
