"""A summary with other names for its variants: those that a paper calls them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from dimebench.analysis.errors import AmbiguousVariantError, UnknownVariantError
from dimebench.analysis.notes import LoopMixture
from dimebench.analysis.summary import Summary
from dimebench.errors import nearest

ONE = {"variant", "a", "b", "floor"}  # fields that hold a variant's name
SEVERAL = {"variants"}
KEYED = {"own"}  # by variant

T = TypeVar("T")


def parse_names(words: Sequence[str], summary: Summary) -> dict[str, str]:
    """The name of each variant or published reference that is to be called otherwise, from words OLD=NEW.

    Either may hold "=" itself: OLD is the longest name that there is.
    Raises UnknownVariantError, and AmbiguousVariantError where two would have one name.
    """
    known = _names(summary)
    found: dict[str, str] = {}
    for word in words:
        cuts = [place for place, char in enumerate(word) if char == "="]
        fitting = [cut for cut in cuts if word[:cut] in known]
        if not cuts or not word[cuts[-1] + 1 :].strip():
            raise UnknownVariantError(f"--name {word}: write OLD=NEW")
        if not fitting:
            old = word[: cuts[0]]
            raise UnknownVariantError(f"--name {word}: no '{old}' in this report{nearest(old, known)}")
        old, new = word[: fitting[-1]], word[fitting[-1] + 1 :].strip()
        if found.get(old, new) != new:
            raise AmbiguousVariantError(f"--name {word}: '{old}' is called '{found[old]}' already")
        found[old] = new
    called: dict[str, str] = {}
    for name in known:
        new = found.get(name, name)
        if new in called:
            raise AmbiguousVariantError(f"--name: both '{called[new]}' and '{name}' would be called '{new}'")
        called[new] = name
    return found


def renamed(summary: Summary, names: Mapping[str, str]) -> Summary:
    """The summary with the variants and published references called so, wherever they stand; `{}` changes nothing.

    Numbers, their order and the styles of figures stay. `parse_names` says which names can be used.
    """
    if not names:
        return summary
    stored = tuple((names.get(name, name), summary.stored_name(name)) for name in _names(summary))
    return replace(_called(summary, names), stored_names=stored)


def _names(summary: Summary) -> list[str]:
    return [*summary.shown, *(citation.variant for citation in summary.published)]


def _called(part: T, names: Mapping[str, str]) -> T:
    """A dataclass with the names in it changed, and in those that it holds."""
    changes: dict[str, Any] = {}
    for field in fields(part):  # type: ignore[arg-type]
        value = getattr(part, field.name)
        if field.name in ONE and isinstance(value, str):
            changes[field.name] = names.get(value, value)
        elif field.name in SEVERAL:
            changes[field.name] = tuple(names.get(name, name) for name in value)
        elif field.name in KEYED:
            changes[field.name] = {names.get(name, name): each for name, each in value.items()}
        elif isinstance(part, LoopMixture) and field.name == "codes":
            changes["codes"] = tuple((digest, names.get(name, name)) for digest, name in value)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            changes[field.name] = tuple(_called(each, names) for each in value)
        elif is_dataclass(value) and not isinstance(value, type):
            changes[field.name] = _called(value, names)
    return replace(part, **changes)  # type: ignore[type-var]
