"""pydantic's errors in plain words: which key, and what it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from dimebench.config.yaml_io import KeyPath, kind
from dimebench.errors import nearest

_TYPES = {  # the beginning of pydantic's error type -> what the value must be
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping of keys to values",
    "model": "a mapping of keys to values",
    "dataclass": "a mapping of keys to values",
    "none": "null",
}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
    "multiple_of": ("a multiple of", "multiple_of"),
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the key, what it must be, and the value found (when that helps)."""

    path: KeyPath
    text: str
    got: str = ""  # ", not -5"
    rank: int = 1  # an unknown key explains a missing one, so it is reported first


def problem(error: ErrorDetails, model: type[BaseModel] | None = None) -> Problem:
    """`error` as a Problem. `model`, when given, is where the names of valid keys come from."""
    name, context = error["type"], error.get("ctx", {})
    path: KeyPath = tuple(part for part in error["loc"] if part != "[key]") + tuple(context.get("at", ()))
    got = f", not {kind(error['input'])}"
    if name == "extra_forbidden":
        known = _fields_at(model, path[:-1]) if model else ()
        return Problem(path, "unknown key" + nearest(str(path[-1]), known), rank=0)
    if name == "missing":
        return Problem(path, "is missing", rank=2)
    if name in _LIMITS:
        phrase, key = _LIMITS[name]
        limit = context[key]
        limit = int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        return Problem(path, f"must be {phrase} {limit}", got)
    if name == "finite_number":
        return Problem(path, "must be a finite number", got)
    if name == "literal_error":
        return Problem(path, f"must be {context['expected']}", got)
    if name in ("too_short", "string_too_short") and context.get("min_length") == 1:
        return Problem(path, "must not be empty")
    if name in ("too_short", "too_long"):
        limit = context.get("min_length", context.get("max_length"))
        return Problem(path, f"must have at {'least' if name == 'too_short' else 'most'} {limit} items")
    if name.endswith(("_type", "_parsing", "_from_float", "_required")):
        wanted = _TYPES.get(name.split("_")[0])
        if wanted:
            return Problem(path, f"must be {wanted}", got)
    text = str(error["msg"])
    return Problem(path, text[:1].lower() + text[1:] if name not in ("rule",) else text)


def _fields_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The valid keys of the section at `path` under `model`."""
    here: Any = model
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel) and part in here.model_fields:
            here = here.model_fields[str(part)].annotation
        elif get_origin(here) in (dict, Mapping):
            here = get_args(here)[1]
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []
