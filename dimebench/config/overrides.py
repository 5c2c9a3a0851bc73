"""The words of the command line: `suite=dmc-hard algo=dime,sac task=dog-run steps=1e5 dime.utd=1`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dimebench.config.errors import ConfigError
from dimebench.config.names import SHARED, check_setting, short_task
from dimebench.config.problems import Problem, problem
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
        word = _read(text, algorithms, cwd)
        if word.target in by_target:
            other = by_target[word.target].text
            raise ConfigError(f"{_show(text)}: {'.'.join(word.target)} is already set by {_show(other)}")
        by_target[word.target] = word
    suite, document = _suite(by_target.pop(("suite",), None), algorithms, cwd)
    suite = _set_keys(suite, [word for word in by_target.values() if word.target[0] in SECTIONS])
    if tasks := by_target.get(("task",)):
        suite = _keep_tasks(suite, tasks)
    if algo := by_target.get(("algo",)):
        suite = suite.model_copy(update={"algorithms": _algorithms(algo, algorithms)})
    variants = tuple(parse_variant(name) for name in suite.algorithms)
    overrides = _overrides([word for word in by_target.values() if _is_setting(word)], variants)
    return Request(suite, variants, overrides, document)


def _read(text: str, algorithms: Collection[str], cwd: Path | None) -> _Word:
    """One word, parsed; only its form and key are checked."""
    key, equals, value = text.partition("=")
    if not equals:
        named = [name for name, _ in list_suites(cwd)]
        hint = f"suite={text}" if text in named else f"algo={text}" if text in algorithms else "suite=dmc-hard"
        raise ConfigError(f"{_show(text)}: not a key=value word, such as {hint}")
    if not value.strip():
        raise ConfigError(f"{_show(text)}: no value given")
    if key in SHORT:
        return _Word(text, SHORT[key], value)
    if key in PLAIN:
        return _Word(text, (key,), value)
    if key in OPTIONS:
        raise ConfigError(f"{_show(text)}: {key} is an option, write --{key} {shorten(value)}")
    head, dot, rest = key.partition(".")
    owners = [*SECTIONS, SHARED, *sorted(algorithms)]
    if key.partition(":")[0] in algorithms:
        raise ConfigError(f"{_show(text)}: a variant is chosen with algo=, write algo={shorten(text)}")
    if not dot:
        raise ConfigError(f"{_show(text)}: unknown key {shorten(key)!r}{nearest(key, PLAIN)}")
    if head not in owners:
        problem_text = f"{shorten(head)!r} is neither a section nor an algorithm"
        raise ConfigError(f"{_show(text)}: {problem_text}{nearest(head, owners)}")
    if head in SECTIONS:
        known = type(Suite.model_fields[head].default).model_fields
        if rest not in known:
            raise ConfigError(f"{_show(text)}: unknown key in {head}{nearest(rest, known)}")
    else:
        try:
            check_setting(rest)
        except ConfigError as error:
            raise ConfigError(f"{_show(text)}: {error}") from None
    return _Word(text, (head, rest), value)


def _suite(word: _Word | None, algorithms: Collection[str], cwd: Path | None) -> tuple[Suite, Document]:
    if word is None:
        known = ", ".join(name for name, _ in list_suites(cwd))
        raise ConfigError(f"suite=NAME is missing{f'; there are {known}' if known else ''}")
    return open_suite(word.value, cwd, algorithms)


def _set_keys(suite: Suite, words: list[_Word]) -> Suite:
    """`suite` with the words' keys of budget, evaluation and score."""
    if not words:
        return suite
    data = suite.model_dump()
    for word in words:
        section, key = word.target
        data[section][key] = _value(word)
        if section == "resources" and key in Asked.model_fields:
            for own in data["resources"]["tasks"].values():
                own[key] = None  # the word is meant for all tasks
    try:
        return Suite.model_validate(data)
    except ValidationError as error:
        found = problem(error.errors(include_url=False)[0], Suite)
        raise ConfigError(f"{_show(_culprit(found, words).text)}: {_sentence(found)}") from None


def _culprit(found: Problem, words: list[_Word]) -> _Word:
    """The word that set the key at fault, or else one of the same section (a rule between two keys)."""
    return min(words, key=lambda word: (found.path[:2] != word.target, found.path[:1] != word.target[:1]))


def _sentence(found: Problem) -> str:
    """ "budget.env_steps must be at least 1"; other texts follow a colon."""
    joined = " " if found.text.startswith(("must ", "is ")) else ": "
    return f"{dotted(found.path)}{joined}{found.text}"


def _keep_tasks(suite: Suite, word: _Word) -> Suite:
    """`suite` with the tasks that the word names, in the word's order."""
    tasks = [_task(name, suite, word) for name in _items(word)]
    for index, task in enumerate(tasks):
        if task in tasks[:index]:
            raise ConfigError(f"{_show(word.text)}: {task} is named twice")
    bounds = {task: each for task, each in suite.score.tasks.items() if task in tasks}
    return suite.model_copy(
        update={
            "tasks": tasks,
            "score": suite.score.model_copy(update={"tasks": bounds}),
            "task_settings": {task: each for task, each in suite.task_settings.items() if task in tasks},
        }
    )


def _task(name: str, suite: Suite, word: _Word) -> str:
    """The suite's task of that full name, or of that short name when only one has it."""
    if name in suite.tasks:
        return name
    matching = [task for task in suite.tasks if short_task(task) == name]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise ConfigError(f"{_show(word.text)}: {name!r} could be {' or '.join(matching)}; write one of them")
    known = suite.tasks if "/" in name else [short_task(task) for task in suite.tasks]
    raise ConfigError(
        f"{_show(word.text)}: unknown task {shorten(name)!r} in suite {suite.name}{nearest(name, known)}"
    )


def _algorithms(word: _Word, known: Collection[str]) -> list[str]:
    """The canonical names of the variants that the word lists."""
    names: list[str] = []
    for item in _items(word):
        try:
            variant = parse_variant(item)
        except ConfigError as error:
            raise ConfigError(f"algo={error}") from None
        if variant.algorithm not in known:
            raise ConfigError(
                f"{_show(word.text)}: unknown algorithm {variant.algorithm!r}"
                f"{nearest(variant.algorithm, sorted(known))}"
            )
        if variant.name in names:
            raise ConfigError(f"{_show(word.text)}: {shorten(variant.name)} is named twice")
        names.append(variant.name)
    return names


def _is_setting(word: _Word) -> bool:
    return len(word.target) == 2 and word.target[0] not in SECTIONS


def _overrides(words: list[_Word], variants: tuple[Variant, ...]) -> dict[str, dict[str, Any]]:
    """Settings by algorithm; an algorithm that is not requested is refused, since the word would do nothing."""
    asked = list(dict.fromkeys(variant.algorithm for variant in variants))
    overrides: dict[str, dict[str, Any]] = {}
    for word in words:
        owner, key = word.target
        if owner != SHARED and owner not in asked:
            raise ConfigError(f"{_show(word.text)}: {owner} is not among the algorithms ({', '.join(asked)})")
        overrides.setdefault(owner, {})[key] = _value(word)
    return overrides


def _value(word: _Word) -> Any:
    try:
        return parse_value(word.value)
    except ConfigError as error:
        raise ConfigError(f"{_show(word.text)}: {error}") from None


def _items(word: _Word) -> list[str]:
    try:
        return split_list(word.value)
    except ConfigError as error:
        raise ConfigError(f"{_show(word.text)}: {error}") from None


def _show(text: str) -> str:
    return shorten(text) or "''"
