"""An algorithm's settings: its dataclass, filled from layers of overrides, strictly by type."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from dimebench.config.errors import ConfigError
from dimebench.config.problems import problem
from dimebench.config.variant import format_value
from dimebench.config.yaml_io import dotted, kind
from dimebench.errors import nearest, shorten

T = TypeVar("T")
Layer = tuple[str, Mapping[str, Any]]  # (where it comes from, as messages name it; key -> value)


def resolve_settings(cls: type[T], *layers: Layer) -> T:
    """`cls` filled from `layers` in order; later layers win, other settings keep their defaults.

    cls: a stdlib dataclass; its annotations are the rules (`Annotated[int, Ge(1)]`, `tuple[int, ...]`, `Literal`).
    Types are strict: text is no number and `true` no 1; but a whole number is a fine float, 1e6 a fine int, and a
    list becomes a tuple. ConfigError: "dime.utd=0: must be at least 1", "dime.difusion_steps: unknown setting
    (nearest: diffusion_steps)".
    """
    settings_class: type = cls
    adapters = _adapters(settings_class)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for where, layer in layers:
        for key, value in layer.items():
            if key not in adapters:
                raise ConfigError(f"{where}.{shorten(key)}: unknown setting{nearest(key, adapters)}")
            values[key] = _validate(adapters[key], value, f"{where}.{key}")
            sources[key] = where
    for each in _fields(settings_class):
        no_default = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        if no_default and each.name not in values:
            where = layers[-1][0] if layers else cls.__name__
            raise ConfigError(f"{where}.{each.name}: is missing and has no default")
    try:
        return cls(**values)
    except ValueError as error:  # a rule between settings, checked in the dataclass's __post_init__
        named = [where for key, where in sources.items() if re.search(rf"\b{key}\b", str(error))]
        where = " ".join(dict.fromkeys(named or sources.values())) or cls.__name__
        raise ConfigError(f"{where}: {error}") from None


def setting_names(cls: type) -> list[str]:
    """The settings that `cls` has, in the order of its definition."""
    return list(_adapters(cls))


def _validate(adapter: TypeAdapter[Any], value: Any, where: str) -> Any:
    """`value` as the adapter's type. It goes in as JSON, where an array is a tuple and "8" is not 8."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: {kind(value)} is no setting's value") from None
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        if isinstance(value, float) and value.is_integer():  # 1e6 for a count
            try:
                return adapter.validate_json(str(int(value)))
            except ValidationError:
                pass
        raise ConfigError(_message(error, value, where)) from None


def _message(error: ValidationError, value: Any, where: str) -> str:
    """One line for what pydantic found; the alternatives of a union are joined with "or"."""
    found = [problem(each) for each in error.errors(include_url=False)]
    shown = f"{where}={shorten(format_value(value), 40)}"
    texts = list(dict.fromkeys(each.text for each in found))
    if len(texts) > 1 and all(text.startswith("must be ") for text in texts):
        return f"{shown}: {' or '.join([texts[0], *(text.removeprefix('must be ') for text in texts[1:])])}"
    first = found[0]
    item = f"item {dotted(first.path)} " if first.path and isinstance(first.path[0], int) else ""
    return f"{shown}: {item}{first.text}"


def _fields(cls: type) -> list[dataclasses.Field[Any]]:
    return [each for each in dataclasses.fields(cls) if each.init]


@lru_cache(maxsize=64)
def _adapters(cls: type) -> dict[str, TypeAdapter[Any]]:
    """A strict validator for each setting of `cls`."""
    hints = get_type_hints(cls, include_extras=True)
    strict = ConfigDict(strict=True, allow_inf_nan=False)
    return {each.name: TypeAdapter(hints[each.name], config=strict) for each in _fields(cls)}
