"""What may stand at the cursor: commands, options and their values, suites, algorithms, tasks, settings, variants.

Reads names alone, and fast: no torch, no simulator, settings from the syntax trees of their classes. Whatever goes
wrong, nothing is said.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dimebench.cli.shell import known

TRAINS = ("run", "plan", "bench")  # their words: suite= algo= task= SECTION.KEY= ALGORITHM.SETTING=
KEYS = {
    **dict.fromkeys(TRAINS, ("suite", "algo", "task", "steps")),
    "cancel": ("suite", "algo", "task"),
    **dict.fromkeys(("rm", "mv", "render"), ("suite", "task")),
    "show": (),
    "algos": (),
    "suites": (),
}  # of the other commands: suite=
NAMES = ("compare", "power", "report", "export")  # take variants that have runs, and published figures
OWN = ("rm", "mv", "render")  # take variants that have runs


def complete(app: Any, shell: str, arguments: Sequence[str]) -> list[str]:
    """The lines for the shell's script. For bash `arguments` are the line up to the cursor and what it splits at."""
    if shell != "bash":
        return suggestions(app, list(arguments) or [""])
    line, breaks = [*arguments, "", ""][:2]
    words = split_line(line)[1:] or [""]
    last = max((words[-1].rfind(each) for each in "=:" if each in breaks), default=-1)
    return [each[last + 1 :] for each in suggestions(app, words)]


def split_line(line: str) -> list[str]:
    """The words of a line, the last one being that at the cursor: empty behind a space."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:  # a quotation that is not closed yet
        return [*words, lexer.token]
    return words if words and not line[-1:].isspace() else [*words, ""]


def suggestions(app: Any, words: list[str]) -> list[str]:
    """Whole words that begin as the last of `words` does; `words` without the program's name."""
    *before, current = words
    before = [word for word in before if word != "--debug"]
    name = next((word for word in before if not word.startswith("-")), None)
    command = app if name is None else app.commands.get(name)
    if command is None:
        return []
    options = {
        text: each for each in command.params for text in (*each.opts, *each.secondary_opts) if text[:1] == "-"
    }
    head, equals, value = current.partition("=")
    if equals and head in options:
        return [f"{head}={each}" for each in _values(options[head], value)]
    previous = options.get(before[-1]) if before else None
    if previous is not None and not previous.is_flag:
        return _values(previous, current)
    if current.startswith("-"):
        shown = [text for text, each in options.items() if not each.hidden]
        return _fitting([*shown, "--help"], current)
    if name is None:
        return _fitting(app.commands, current)
    return _words(name, before[before.index(name) + 1 :], current)


def _values(option: Any, current: str) -> list[str]:
    """The values that the option knows; of a list A,B those of its last item."""
    values = known.VALUES.get(option.opts[-1], ())
    start = current[: current.rfind(",") + 1] if "," in str(option.metavar) else ""
    return _fitting([f"{start}{each}" for each in (values() if callable(values) else values)], current)


def _words(command: str, before: list[str], current: str) -> list[str]:
    keys, asked = KEYS.get(command, ("suite",)), known.asked(before)
    head, equals, value = current.partition("=")
    results, suite, full = asked["results"], asked.get("suite"), "/" in value
    lists: dict[str, Callable[[], Iterable[str]]] = {
        "suite": lambda: known.suites_there(results) or known.suites(),
        "task": lambda: known.tasks_there(results, suite, full) or known.tasks(suite, full),
        "algo": lambda: known.variants(results),
    }
    if command in (*TRAINS, "doctor"):
        lists = {"suite": known.suites, "task": lambda: known.tasks(suite, full), "algo": known.algorithms}
    if equals and head in keys and head in lists:
        return _list_of(lists[head](), head, value, one=head == "suite", settings=command in TRAINS)
    if command == "show":
        return _fitting([*known.suites(), *known.algorithms(), *known.tasks(None, full="/" in current)], current)
    dotted = [f"{each}=" for each in known.dotted(head)] if command in TRAINS and "." in head and not equals else []
    names = known.names(results, current) if command in NAMES else known.variants(results) if command in OWN else []
    owners = [f"{each}." for each in known.owners()] if command in TRAINS and current and "." not in current else []
    given = {word.partition("=")[0] for word in before}
    return _fitting([*names, *(f"{key}=" for key in keys if key not in given), *owners, *dotted], current)


def _list_of(names: Iterable[str], key: str, value: str, one: bool, settings: bool) -> list[str]:
    """KEY=a,b with the last item completed; the settings of an item dime:diff."""
    done, comma, item = ("", "", value) if one else value.rpartition(",")
    start = f"{key}={done}{comma}"
    algorithm, colon, setting = item.rpartition(":")
    if key == "algo" and settings and colon and "=" not in setting:
        of = algorithm.partition(":")[0]
        return _fitting([f"{start}{algorithm}:{each}=" for each in known.settings(of)], start + item)
    taken = done.split(",")
    return _fitting([f"{start}{each}" for each in names if each not in taken], start + item)


def _fitting(names: Iterable[str], current: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(current)]
