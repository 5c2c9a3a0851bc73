"""The words of the command line: `suite=dmc-hard algo=dime,sac task=dog-run steps=1e5 dime.utd=1`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dimebench.config.errors import ConfigError, naming
from dimebench.config.names import SHARED, check_setting, short_task
from dimebench.config.problems import problem
from dimebench.config.resources import Asked
from dimebench.config.suite import Suite
from dimebench.config.suites import list_suites, open_suite
from dimebench.config.variant import Variant, parse_variant, split_list
from dimebench.config.yaml_io import Document, dotted, parse_value
from dimebench.errors import nearest, shorten

SECTIONS = ("budget", "evaluation", "score", "resources")  # whose keys a word may set
SHORT = {"steps": ("budget", "env_steps")}  # short words for keys that are set often
PLAIN = ("suite", "algo", "task", *SHORT)
OPTIONS = ("seeds", "results")  # often typed as words


@dataclass(frozen=True)
class Request:
    """What one command asks for."""

    suite: Suite  # with the words applied: tasks and algorithms are those asked for
    variants: tuple[Variant, ...]
    settings_overrides: dict[str, dict[str, Any]]  # algorithm or "all" -> settings, from words
    document: Document | None = field(default=None, repr=False, compare=False)  # the suite's file: its lines


@dataclass(frozen=True)
class _Word:
    text: str  # as typed
    target: tuple[str, ...]  # ("suite",), ("budget", "env_steps"), ("dime", "utd")
    value: str


def parse_words(words: list[str], *, algorithms: Collection[str], cwd: Path | None = None) -> Request:
    """The request that `words` make, in any order.

    algorithms: the names that exist. ConfigError "WORD: problem" for the first word that cannot be used.
    """
    by_target: dict[tuple[str, ...], _Word] = {}
    for text in words:
        with _naming(text):
            word = _read(text, algorithms, cwd)
            if word.target in by_target:
                other = by_target[word.target].text
                raise ConfigError(f"{'.'.join(word.target)} is already set by {_show(other)}")
        by_target[word.target] = word
    if ("suite",) not in by_target:
        known = ", ".join(name for name, _ in list_suites(cwd))
        raise ConfigError(f"suite=NAME is missing{f'; there are {known}' if known else ''}")
    suite, document = open_suite(by_target["suite",].value, cwd, algorithms)
    suite = _set_keys(suite, [word for word in by_target.values() if word.target[0] in SECTIONS])
    if tasks := by_target.get(("task",)):
        with _naming(tasks.text):
            suite = _keep_tasks(suite, split_list(tasks.value))
    if algo := by_target.get(("algo",)):
        suite = suite.model_copy(update={"algorithms": _algorithms(algo, algorithms)})
    variants = tuple(parse_variant(name) for name in suite.algorithms)
    settings = [word for word in by_target.values() if len(word.target) == 2 and word.target[0] not in SECTIONS]
    return Request(suite, variants, _overrides(settings, variants), document)


def _read(text: str, algorithms: Collection[str], cwd: Path | None) -> _Word:
    """One word, parsed; only its form and key are checked. Its ConfigErrors leave naming it to the caller."""
    key, equals, value = text.partition("=")
    if not equals:
        named = [name for name, _ in list_suites(cwd)]
        hint = f"suite={text}" if text in named else f"algo={text}" if text in algorithms else "suite=dmc-hard"
        raise ConfigError(f"not a key=value word, such as {hint}")
    if not value.strip():
        raise ConfigError("no value given")
    if key in SHORT:
        return _Word(text, SHORT[key], value)
    if key in PLAIN:
        return _Word(text, (key,), value)
    if key in OPTIONS:
        raise ConfigError(f"{key} is an option, write --{key} {shorten(value)}")
    head, dot, rest = key.partition(".")
    owners = [*SECTIONS, SHARED, *sorted(algorithms)]
    if key.partition(":")[0] in algorithms:
        raise ConfigError(f"a variant is chosen with algo=, write algo={shorten(text)}")
    if not dot:
        raise ConfigError(f"unknown key {shorten(key)!r}{nearest(key, PLAIN)}")
    if head not in owners:
        raise ConfigError(f"{shorten(head)!r} is neither a section nor an algorithm{nearest(head, owners)}")
    if head not in SECTIONS:
        check_setting(rest)
    elif rest not in (known := type(Suite.model_fields[head].default).model_fields):
        raise ConfigError(f"unknown key in {head}{nearest(rest, known)}")
    return _Word(text, (head, rest), value)


def _set_keys(suite: Suite, words: list[_Word]) -> Suite:
    """`suite` with the words' keys of budget, evaluation and score."""
    if not words:
        return suite
    data = suite.model_dump()
    for word in words:
        section, key = word.target
        with _naming(word.text):
            data[section][key] = parse_value(word.value)
        if section == "resources" and key in Asked.model_fields:
            for own in data["resources"]["tasks"].values():
                own[key] = None  # the word is meant for all tasks
    try:
        return Suite.model_validate(data)
    except ValidationError as error:
        found = problem(error.errors(include_url=False)[0], Suite)
        # The word that set the key at fault, or else one of the same section (a rule between two keys).
        word = min(words, key=lambda each: (found.path[:2] != each.target, found.path[:1] != each.target[:1]))
        joined = " " if found.text.startswith(("must ", "is ")) else ": "
        raise ConfigError(f"{_show(word.text)}: {dotted(found.path)}{joined}{found.text}") from None


def _keep_tasks(suite: Suite, names: Sequence[str]) -> Suite:
    """`suite` with the tasks of these names, in their order."""
    tasks = [_task(name, suite) for name in names]
    for index, task in enumerate(tasks):
        if task in tasks[:index]:
            raise ConfigError(f"{task} is named twice")
    bounds = {task: each for task, each in suite.score.tasks.items() if task in tasks}
    return suite.model_copy(
        update={
            "tasks": tasks,
            "score": suite.score.model_copy(update={"tasks": bounds}),
            "task_settings": {task: each for task, each in suite.task_settings.items() if task in tasks},
        }
    )


def _task(name: str, suite: Suite) -> str:
    """The suite's task of that full name, or of that short name when only one has it."""
    if name in suite.tasks:
        return name
    matching = [task for task in suite.tasks if short_task(task) == name]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise ConfigError(f"{name!r} could be {' or '.join(matching)}; write one of them")
    known = suite.tasks if "/" in name else [short_task(task) for task in suite.tasks]
    raise ConfigError(f"unknown task {shorten(name)!r} in suite {suite.name}{nearest(name, known)}")


def _algorithms(word: _Word, known: Collection[str]) -> list[str]:
    """The canonical names of the variants that the word lists."""
    names: list[str] = []
    with _naming(word.text):
        items = split_list(word.value)
    for item in items:
        try:
            variant = parse_variant(item)
        except ConfigError as error:
            raise ConfigError(f"algo={error}") from None
        with _naming(word.text):
            if variant.algorithm not in known:
                near = nearest(variant.algorithm, sorted(known))
                raise ConfigError(f"unknown algorithm {variant.algorithm!r}{near}")
            if variant.name in names:
                raise ConfigError(f"{shorten(variant.name)} is named twice")
        names.append(variant.name)
    return names


def _overrides(words: list[_Word], variants: tuple[Variant, ...]) -> dict[str, dict[str, Any]]:
    """Settings by algorithm; an algorithm that is not requested is refused, since the word would do nothing."""
    asked = list(dict.fromkeys(variant.algorithm for variant in variants))
    overrides: dict[str, dict[str, Any]] = {}
    for word in words:
        owner, key = word.target
        with _naming(word.text):
            if owner != SHARED and owner not in asked:
                raise ConfigError(f"{owner} is not among the algorithms ({', '.join(asked)})")
            overrides.setdefault(owner, {})[key] = parse_value(word.value)
    return overrides


def _show(text: str) -> str:
    return shorten(text) or "''"


def _naming(text: str) -> AbstractContextManager[None]:
    return naming(_show(text))
