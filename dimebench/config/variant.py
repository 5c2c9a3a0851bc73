"""Variants: an algorithm with changed settings, written `dime:diffusion_steps=8:utd=1`.

A variant has one name, however it was typed, and a folder that no other variant has.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from dimebench.config.errors import ConfigError, naming
from dimebench.config.names import check_algorithm, check_setting
from dimebench.config.yaml_io import kind, parse_value, plain_scalar
from dimebench.errors import shorten

LONGEST_SLUG = 100  # characters; file systems allow 255 bytes

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")  # text that needs no quotes in a name
_SAFE = re.compile(r"[a-z0-9_.@-]*[a-z0-9_]")  # a slug that works unchanged on any file system
_OPENING = {"[": "]", "{": "}"}


@dataclass(frozen=True, eq=False)
class Variant:
    """An algorithm and the settings that this variant changes, in canonical form.

    Settings are sorted by key; their values are text, numbers, true, false, null, or tuples of these; a whole
    number is an int (`1e6` and `1000000` are one variant). Equal means equal names. ConfigError for a name or
    value that could not be written and read back.
    """

    algorithm: str
    settings: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check_algorithm(self.algorithm)
        seen: dict[str, Any] = {}
        for key, value in self.settings:
            if key in seen:
                raise ConfigError(f"{check_setting(key)} is set twice")
            seen[check_setting(key)] = _canonical(value, key)
        object.__setattr__(self, "settings", tuple(sorted(seen.items())))

    @property
    def name(self) -> str:
        """ "dime:diffusion_steps=8": `parse_variant` reads it back to the same variant."""
        return ":".join([self.algorithm, *(f"{key}={format_value(value)}" for key, value in self.settings)])

    @property
    def slug(self) -> str:
        """The variant's folder: "dime@diffusion_steps-8". Distinct names have distinct slugs.

        Letters, digits and "_.@~-" only. Where that loses something (a list, capitals, a long name), the slug
        ends in "~" and a hash of the name; capitals count as lost, since file systems may ignore case.
        """
        slug = self.name.replace(":", "@").replace("=", "-")
        if _SAFE.fullmatch(slug) and len(slug) <= LONGEST_SLUG:
            return slug
        values = (
            (key, re.sub("[^A-Za-z0-9_.]+", "-", format_value(value)).strip("-")) for key, value in self.settings
        )
        readable = "@".join([self.algorithm, *(f"{key}-{value}" for key, value in values)]).lower()
        readable = readable[: LONGEST_SLUG - 17].rstrip("-@")
        return f"{readable}~{hashlib.sha256(self.name.encode()).hexdigest()[:16]}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variant) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name


def parse_variant(text: str) -> Variant:
    """The variant written as `text`. ConfigError "TEXT: problem" when it is none."""
    with naming(shorten(text)):
        algorithm, *parts = split_outside(text.strip(), ":")
        settings = []
        for part in parts:
            key, equals, value = part.partition("=")
            if not equals:
                raise ConfigError(f"'{shorten(part)}' is not key=value")
            with naming(key):
                settings.append((key, parse_value(value)))
        return Variant(algorithm, tuple(settings))


def split_list(text: str) -> list[str]:
    """The items between the commas of `text`; commas in brackets or quotes belong to the item.

    "dime,dime:critic_hidden=[64,64]" -> ["dime", "dime:critic_hidden=[64,64]"]. ConfigError for an empty item.
    """
    items = [item.strip() for item in split_outside(text, ",")]
    if not all(items):
        raise ConfigError("an item is empty" if len(items) > 1 else "no value given")
    return items


def split_outside(text: str, separator: str) -> list[str]:
    """`text` split at each `separator` outside brackets and quotes. ConfigError for an unclosed one."""
    parts, closing, quote, start = [], [], "", 0
    previous = separator
    skip = False
    for index, char in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = quote == '"' and char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'" and previous in f"=,:[{{' {separator}":  # elsewhere it is an apostrophe
            quote = char
        elif char in _OPENING:
            closing.append(_OPENING[char])
        elif closing and char == closing[-1]:
            closing.pop()
        elif char in "]}":
            raise ConfigError(f"{char} closes nothing")
        elif char == separator and not closing:
            parts.append(text[start:index])
            start = index + 1
        previous = char
    if quote or closing:
        raise ConfigError(f"{quote or closing[-1]} is missing at the end")
    return [*parts, text[start:]]


def format_value(value: Any) -> str:
    """A setting's value as YAML without spaces, such that `parse_value` reads the same value back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{','.join(format_value(item) for item in value)}]"
    if isinstance(value, str):
        bare = _BARE.fullmatch(value) and isinstance(plain_scalar(value), str)
        return value if bare else json.dumps(value, ensure_ascii=False)
    return repr(value)


def _canonical(value: Any, key: str) -> Any:
    """`value` in the one form that a variant keeps."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return tuple(_canonical(item, key) for item in value)
    if isinstance(value, str):
        if not value.isprintable():
            raise ConfigError(f"{key}: the text holds a character that cannot be printed")
        return str(value)
    if isinstance(value, int):
        if value.bit_length() > 200:
            raise ConfigError(f"{key}: the number is too long")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigError(f"{key}: {value} is not a finite number")
        return int(value) if value.is_integer() and abs(value) < 2**53 else float(value)
    raise ConfigError(f"{key}: {kind(value)} cannot be a variant's setting")
