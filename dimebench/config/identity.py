"""Identity of a run: one canonical text for everything that can change its numbers, and what differs in two."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from dimebench.config.errors import ConfigError
from dimebench.errors import printable, shorten


def canonical_json(obj: Any) -> str:
    """`obj` as ASCII JSON: keys sorted, no spaces, floats by repr, tuples as lists.

    ConfigError, naming the key, for what has no such text: NaN, infinities, keys that are not text, objects.
    """
    _check(obj, "")
    return json.dumps(obj, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def identity_hash(obj: Any) -> str:
    """SHA-256 of `canonical_json(obj)`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(obj).encode("ascii")).hexdigest()


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """One line for each key in which `a` (there) and `b` (here) differ: "protocol.env_steps: 300 there, 1000 here".

    Empty exactly when both have the same canonical JSON (so 1 and 1.0 differ).
    """
    return [printable(line) for line in _differences(a, b, "")]


def _differences(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key in sorted({*a, *b}):
        there, here = a.get(key, _ABSENT), b.get(key, _ABSENT)
        name = f"{prefix}{key}"
        if _opens(there, here) or _opens(here, there):
            yield from _differences(_mapping(there), _mapping(here), f"{name}.")
        elif (left := _text(there)) != (right := _text(here)):
            yield f"{name}: {shorten(left, 200)} there, {shorten(right, 200)} here"


_ABSENT = object()


def _opens(one: Any, other: Any) -> bool:
    """Whether to look inside: a mapping beside a mapping, or one with keys beside nothing."""
    return isinstance(one, Mapping) and (isinstance(other, Mapping) or (other is _ABSENT and bool(one)))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return "absent" if value is _ABSENT else canonical_json(value)


def _check(obj: Any, path: str) -> None:
    """Refuse what JSON would lose or change on the way."""
    where = path or "the value"
    if isinstance(obj, dict):
        for key, value in obj.items():
            if not isinstance(key, str):
                raise ConfigError(f"{where}: the key {key!r} is not text")
            _check(value, f"{path}.{key}" if path else key)
    elif isinstance(obj, list | tuple):
        for index, value in enumerate(obj):
            _check(value, f"{path}[{index}]")
    elif isinstance(obj, float):
        if not math.isfinite(obj):
            raise ConfigError(f"{where}: {obj} is not a finite number")
    elif obj is not None and not isinstance(obj, str | int):
        raise ConfigError(f"{where}: a {type(obj).__name__} cannot be part of a run's identity")
