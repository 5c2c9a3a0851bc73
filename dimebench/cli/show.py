"""`dimebench show NAME`: a suite, an algorithm (or variant) or a task, in full."""

from __future__ import annotations

import inspect
import re
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

import typer

from dimebench.cli.common import options
from dimebench.errors import UsageError, nearest


def show(
    name: Annotated[
        str, options.words("A suite, an algorithm or variant, or a task such as dm_control/dog-run.", "NAME")
    ],
    as_json: options.Json = False,
) -> None:
    """Show a suite's protocol, an algorithm's settings or a task's sizes."""
    from dimebench.cli.common.output import print_json, print_table

    facts = _facts(name)
    if as_json:
        print_json(facts)
        return
    comments = facts.pop("comments", None)
    settings = {} if comments is None else facts.pop("settings")  # a suite has settings of its own
    print_table(_flat(facts))
    if settings:
        typer.echo()
        rows = [[key, value, comments.get(key, "")] for key, value in _flat(settings)]
        print_table(rows, ("setting", "value", "comment"))


def _facts(name: str) -> dict[str, Any]:
    from dimebench.agents.registry import known_algorithms
    from dimebench.config import list_suites, load_suite, parse_variant

    suites = dict(list_suites())
    if name in suites or name.endswith((".yaml", ".yml")):
        suite = load_suite(name)
        return {"suite": suite.name, "path": str(suites.get(name, name)), **suite.model_dump(exclude={"name"})}
    if "/" in name:
        from dimebench.envs import task_spec

        spec = task_spec(name)
        sizes = {"observation": spec.obs_dim, "action": spec.act_dim, "env steps per episode": spec.max_episode_steps}
        return {"task": name, **sizes, "observation order": dict(spec.obs_layout)}
    if name.split(":")[0] in known_algorithms():
        return _algorithm(parse_variant(name))
    from dimebench.config.names import short_task
    from dimebench.envs import known_libraries, known_tasks
    from dimebench.importing.tasks import full_task

    full = full_task(name)
    if full is not None and full.partition("/")[0] in known_libraries():
        return _facts(full)
    known = [*suites, *known_algorithms(), *known_tasks(), *map(short_task, known_tasks())]
    raise UsageError(f"unknown suite, algorithm or task '{name}'{nearest(name, known)}")


def _algorithm(variant: Any) -> dict[str, Any]:
    from dimebench.agents.registry import algorithm_source, load_algorithm
    from dimebench.config import resolve_settings

    algorithm = load_algorithm(variant.algorithm)
    settings: Any = resolve_settings(algorithm.Settings, (variant.algorithm, dict(variant.settings)))
    return {
        "algorithm": variant.name,
        "what it is": algorithm.summary,
        "source": algorithm_source(variant.algorithm),
        "settings": asdict(settings),
        "comments": _comments(algorithm.Settings),
    }


def _comments(settings: type) -> dict[str, str]:
    """The comment that stands behind each setting in its source, inherited ones included."""
    comments: dict[str, str] = {}
    for owner in reversed([each for each in settings.__mro__ if is_dataclass(each)]):
        try:
            source = inspect.getsource(owner)
        except OSError:
            continue
        comments |= re.findall(r"^    (\w+):.*?  # (.+)$", source, flags=re.MULTILINE)
    return comments


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        if isinstance(value, dict) and value:
            rows += _flat(value, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            rows.append((f"{prefix}{key}", text))
    return rows
