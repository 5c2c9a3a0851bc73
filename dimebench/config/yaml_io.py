"""YAML 1.2 in, plain Python values out, with the line of each key.

Built on ruamel's parser events rather than its constructors: the scalars are YAML 1.2's core schema and nothing
else (so `no` and `on` are text, `3e-4` and `1e6` are numbers, a date is text), and anchors, aliases, tags,
duplicate keys and second documents are refused with their line. One extension, as in ruamel: digits may be
grouped, `1_000_000`. Numbers that are not finite are refused, since they cannot be part of a run's identity.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as ev
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from dimebench.config.errors import ConfigError
from dimebench.errors import shorten

LARGEST_FILE = 100_000  # bytes; a suite has a few thousand, and the parser takes seconds for 100 kB
DEEPEST = 32  # nested collections
LONGEST_NUMBER = 64  # characters
LONGEST_VALUE = 4096  # characters of one value on the command line

KeyPath = tuple[str | int, ...]

_DIGITS = "[0-9]+(?:_[0-9]+)*"
_INT = re.compile(rf"[-+]?{_DIGITS}")
_OCTAL = re.compile("0o[0-7]+")
_HEX = re.compile("0x[0-9a-fA-F]+")
_FLOAT = re.compile(rf"[-+]?(?:\.{_DIGITS}|{_DIGITS}(?:\.(?:{_DIGITS})?)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}


@dataclass(frozen=True)
class Document:
    """A YAML file: its values, and the line (from 1) of every key and list item by its path."""

    shown: str  # the file's name as messages print it
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(repr=False)

    def at(self, path: KeyPath) -> str:
        """ "suites/x.yaml:7" for the key at `path`, or for the nearest key above it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return f"{self.shown}:{self.lines[path[:end]]}"
        return self.shown


def load_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file. ConfigError "FILE:LINE: problem" for anything else."""
    return read_document(Path(path)).data


def read_document(path: Path) -> Document:
    """As `load_yaml`, with the lines."""
    shown = _shown(path)
    text = _read_text(path, shown)
    try:
        data, lines = _build(text)
    except _ProblemError as problem:
        raise ConfigError(f"{shown}:{problem.line}: {problem}") from None
    if data is None:
        raise ConfigError(f"{shown}: is empty; a suite names at least its tasks and algorithms")
    if not isinstance(data, dict):
        raise ConfigError(f"{shown}:1: must be a mapping of keys to values, not {kind(data)}")
    return Document(shown, data, lines)


def parse_value(text: str) -> Any:
    """One YAML 1.2 scalar or flow collection: "3e-4" -> 0.0003, "[64, 64]" -> [64, 64], "no" -> "no".

    ConfigError says what is wrong with the value; the caller adds which word it is in.
    """
    if len(text) > LONGEST_VALUE:
        raise ConfigError(f"the value is longer than {LONGEST_VALUE} characters")
    if not text.strip():
        raise ConfigError("no value given")
    if not text.isprintable():
        raise ConfigError("the value holds a line break or another character that cannot be printed")
    try:
        value, _ = _build(text, one_value=True)
    except _ProblemError as problem:
        raise ConfigError(str(problem).replace("malformed YAML", "malformed value")) from None
    return value


def plain_scalar(text: str) -> Any:
    """An unquoted scalar by YAML 1.2's core schema. ConfigError for a number that is not finite or too long."""
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ConfigError(f"{text} is not a finite number")
    if not _FLOAT.fullmatch(text) and not _OCTAL.fullmatch(text) and not _HEX.fullmatch(text):
        return text
    if len(text) > LONGEST_NUMBER:
        raise ConfigError(f"the number {shorten(text, 20)} is longer than {LONGEST_NUMBER} characters")
    if _INT.fullmatch(text):
        return int(text)
    if text[1:2] in ("o", "x"):
        return int(text, 0)
    number = float(text)
    if not math.isfinite(number):
        raise ConfigError(f"{text} is too large for a floating-point number")
    return number


def kind(value: object) -> str:
    """A YAML value in plain words."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return shorten(repr(value)) if isinstance(value, str) else str(value)


class _ProblemError(Exception):
    """A problem and its line (from 1), before the file's name is known."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


def _read_text(path: Path, shown: str) -> str:
    try:
        if path.is_dir():
            raise ConfigError(f"{shown}: is a directory, not a YAML file")
        if path.exists() and not path.is_file():
            raise ConfigError(f"{shown}: is not a regular file")
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise ConfigError(f"{shown}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{shown}: cannot be read ({reason})") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigError(f"{shown}: is larger than {LARGEST_FILE // 1000} kB, too large for a suite")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{shown}:{line}: is not UTF-8 text") from None


def _build(text: str, one_value: bool = False) -> tuple[Any, dict[KeyPath, int]]:
    """The document in `text` and its lines. An empty document is (None, {})."""
    lines: dict[KeyPath, int] = {}
    events = _Events(text)
    next(events)  # the stream's start
    start = next(events)
    if isinstance(start, ev.StreamEndEvent):
        if one_value:
            raise _ProblemError("no value given", 1)
        return None, lines
    if start.version and tuple(start.version) != (1, 2):
        raise _ProblemError("only YAML 1.2 is read; remove the %YAML line", _line(start))
    first = next(events)
    if one_value and _is_block(first, start):
        raise _ProblemError("must be one value, such as 8, 3e-4, relu or [64, 64]", 1)
    value = _value(first, events, (), lines)
    ended = events.last.end_mark.index
    if one_value and text[ended:].strip():
        raise _ProblemError("must be one value, without a comment after it", 1)
    next(events)  # the document's end
    after = next(events)
    if not isinstance(after, ev.StreamEndEvent):
        raise _ProblemError("a second document starts here; one file holds one", _line(after))
    return value, lines


def _value(event: Any, events: Iterator[Any], path: KeyPath, lines: dict[KeyPath, int]) -> Any:
    """The value that `event` starts, its children taken from `events`."""
    line = _line(event)
    if isinstance(event, ev.AliasEvent) or event.anchor is not None:
        mark = "alias *" if isinstance(event, ev.AliasEvent) else "anchor &"
        raise _ProblemError(f"{mark}{event.anchor}: anchors and aliases are not read; write it out", line)
    if event.tag is not None:
        raise _ProblemError(f"tag {event.tag}: tags are not read; write the plain value", line)
    if isinstance(event, ev.ScalarEvent):
        if event.style:
            return event.value
        try:
            return plain_scalar(event.value)
        except ConfigError as error:
            raise _ProblemError(str(error), line) from None
    if len(path) >= DEEPEST:
        raise _ProblemError(f"is nested more than {DEEPEST} deep", line)
    if isinstance(event, ev.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(event := next(events), ev.SequenceEndEvent):
            where = (*path, len(items))
            lines[where] = _line(event)
            items.append(_value(event, events, where, lines))
        return items
    mapping: dict[str, Any] = {}
    while not isinstance(event := next(events), ev.MappingEndEvent):
        if isinstance(event, ev.CollectionStartEvent):
            raise _ProblemError("a key must be text, not a collection", _line(event))
        key = _value(event, events, path, {})
        if not isinstance(key, str):
            raise _ProblemError(f"a key must be text, not {kind(key)}", _line(event))
        where = (*path, key)
        if key in mapping:
            raise _ProblemError(f"{dotted(where)}: the key stands twice, first on line {lines[where]}", _line(event))
        lines[where] = _line(event)
        mapping[key] = _value(next(events), events, where, lines)
    return mapping


class _Events:
    """ruamel's parser events, and the last one given."""

    def __init__(self, text: str) -> None:
        self._source = _parse(text)
        self.last: Any = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.last = next(self._source)
        return self.last


def _parse(text: str) -> Iterator[Any]:
    """ruamel's parser events, every failure of it turned into a _ProblemError."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = " ".join(str(error.problem or error.context or "cannot be read").split())
        problem = problem.replace("'<stream end>'", "the end")
        began = error.context_mark
        if error.context and began is not None and began.line + 1 != line:
            problem += f", {' '.join(error.context.split())} that starts on line {began.line + 1}"
        raise _ProblemError(f"malformed YAML: {problem}", line) from None
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _ProblemError("malformed YAML: holds a control character", line) from None
    except Exception as error:  # ruamel lets ValueError, OverflowError and others out on hostile escapes
        raise _ProblemError(f"malformed YAML: {type(error).__name__} in the parser: {error}", 1) from None


def _is_block(event: Any, start: Any) -> bool:
    """Whether a value is anything but one scalar or flow collection on its own."""
    if start.explicit:
        return True
    if isinstance(event, ev.ScalarEvent):
        return event.style in ("|", ">")
    return getattr(event, "flow_style", True) is False


def dotted(path: KeyPath) -> str:
    """ "task_settings.dm_control/dog-run.dime", "algorithms[2]"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{shorten(part)}" if text else shorten(part)
    return text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _shown(path: Path) -> str:
    """The path as messages print it: relative to the working directory when it lies there."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
