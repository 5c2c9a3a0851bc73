"""Which suite imported runs join, and how they are scored there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dimebench.config import Suite, list_suites, load_suite
from dimebench.config.names import check_suite
from dimebench.envs import loaded_libraries
from dimebench.errors import UsageError, nearest
from dimebench.store.importers import Target

SUCCESS = ("myosuite",)  # families whose score is the share of episodes that succeed
OTHER_BOUNDS = {"myosuite": (0.0, 1.0)}  # fixed by how these tasks are built; no adapter says so
BOUNDS_SUITE = "gym-mujoco"  # has bounds for each of its tasks


def known_suite(suite: str | None, results: Path) -> Suite | None:
    """The suite of that name; None for a new one of imports alone, or none. Raises UsageError, ConfigError."""
    return None if suite is None or _is_new(suite, results) else load_suite(suite)


def targets(
    tasks: Sequence[str], suite: str | None, loaded: Suite | None, bounds: Mapping[str, float] | None
) -> tuple[list[Target], list[str]]:
    """Where runs of these tasks go, and the tasks whose scores are not known, where others are.

    The suite that was named (`loaded`: as `known_suite` has it), with those of its tasks that there are; else one
    suite per family of tasks. Raises UsageError where nothing remains.
    """
    if not tasks:
        raise UsageError("no task is left to import")
    if loaded is not None:
        if bounds is not None:
            raise UsageError(f"--bounds: suite {suite} has bounds of its own; an external suite takes them")
        shared = [task for task in tasks if task in loaded.tasks]
        if not shared:
            raise UsageError(f"suite={suite}: has none of the file's tasks ({', '.join(tasks[:8])})")
        of = {task: loaded.bounds(task) for task in shared}
        score = {task: {"kind": loaded.score.kind, "lower": b.lower, "upper": b.upper} for task, b in of.items()}
        return [Target(loaded.name, loaded.budget.action_repeat, score)], []
    scores = {task: _score(task, bounds) for task in tasks}
    known = {task: score for task, score in scores.items() if score is not None}
    unknown = [task for task in tasks if task not in known]
    if not known:
        raise UsageError(f"{unknown[0]}: which returns score 0 and 1 is not known: add --bounds LOWER,UPPER")
    if suite is not None:
        return [Target(suite, 1, known)], unknown
    families = sorted({task.split("/")[0] for task in known})
    names = {family: f"external-{family}".lower() for family in families}
    return [
        Target(names[family], 1, {task: score for task, score in known.items() if task.split("/")[0] == family})
        for family in families
    ], unknown


def _is_new(suite: str, results: Path) -> bool:
    """Whether that suite is one of imports alone. Raises UsageError for a misspelt name, ConfigError for no name."""
    known = [name for name, _ in list_suites()]
    if suite in known or suite.endswith((".yaml", ".yml")):
        return False
    check_suite(suite)
    hint = nearest(suite, known)
    if not hint.startswith(" (nearest: ") or suite.startswith("external-") or (results / suite).is_dir():
        return True
    raise UsageError(f"suite={suite}: unknown suite{hint}; call a new one external-NAME")


def _score(task: str, bounds: Mapping[str, float] | None) -> dict[str, Any] | None:
    """How runs of a task without a suite are scored: by --bounds, else as its family fixes it; None: not known."""
    if bounds is not None:
        return {"kind": "final", **bounds}
    family = task.split("/")[0]
    found = OTHER_BOUNDS.get(family)
    if found is None and (library := loaded_libraries().get(family)):
        found, sibling = library.bounds(task), library.current(task)
        if found is None and sibling in (suite := load_suite(BOUNDS_SUITE)).tasks:
            found = suite.bounds(sibling).lower, suite.bounds(sibling).upper
    return None if found is None else {"kind": "final", "lower": found[0], "upper": found[1]}
