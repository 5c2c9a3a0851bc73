"""The form of names. Names become folders, so none may lead outside its parent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from dimebench.config.errors import ConfigError
from dimebench.errors import shorten

SUITE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
TASK = re.compile(r"(?!.*\.\.)[a-z][a-z0-9_]{0,31}/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
ALGORITHM = re.compile(r"(?!all$)[A-Za-z][A-Za-z0-9_-]{0,63}")
SETTING = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")

SHARED = "all"  # in place of an algorithm's name: every algorithm that has the key


def check_suite(name: str) -> str:
    """`name` itself; ConfigError when it cannot be a suite's name."""
    return _fitting(name, SUITE, "suite name: lower-case letters, digits, '.', '_' and '-'")


def check_task(name: str) -> str:
    """`name` itself; ConfigError when it cannot be a task's name."""
    return _fitting(name, TASK, "task name: write LIBRARY/TASK, such as dm_control/dog-run or gymnasium/Ant-v5")


def check_algorithm(name: str) -> str:
    """`name` itself; ConfigError when it cannot be an algorithm's name ("all" is taken)."""
    return _fitting(name, ALGORITHM, "algorithm name")


def check_setting(key: str) -> str:
    """`key` itself; ConfigError when it cannot be a setting's name."""
    return _fitting(key, SETTING, "setting's name")


def _fitting(name: str, form: re.Pattern[str], what: str) -> str:
    if not form.fullmatch(name):
        raise ConfigError(f"'{shorten(name)}' is no {what}")
    return name


def short_task(task: str) -> str:
    """The part after the library: "dog-run" of "dm_control/dog-run"."""
    return task.partition("/")[2]


def shown_tasks(tasks: Iterable[str]) -> dict[str, str]:
    """What to call each of the tasks shown together: without its library, where that leaves no two alike."""
    every = list(dict.fromkeys(tasks))
    short = Counter(map(short_task, every))
    return {task: task if short[short_task(task)] > 1 else short_task(task) or task for task in every}
