"""The settings of one cell (variant, task): every layer that applies to it, in order.

From general to particular; a later layer wins: the algorithm's defaults; the suite's `settings` for "all", then for
the algorithm; its `task_settings` likewise; words, `all.key=value` before `dime.key=value`; the variant itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from dimebench.config.errors import ConfigError
from dimebench.config.names import SHARED
from dimebench.config.overrides import Request
from dimebench.config.settings import Layer, resolve_settings, setting_names
from dimebench.config.variant import Variant
from dimebench.config.yaml_io import KeyPath, dotted
from dimebench.errors import nearest

T = TypeVar("T")


def cell_settings(cls: type[T], request: Request, variant: Variant, task: str) -> T:
    """The settings of `variant` on `task`. ConfigError as `resolve_settings`, naming the file's line or the word.

    A key under "all" applies where `cls` has it; `check_shared_settings` finds those that apply nowhere.
    """
    return resolve_settings(cls, *cell_layers(cls, request, variant, task))


def check_shared_settings(request: Request, classes: Mapping[str, type]) -> None:
    """Raises ConfigError for a key under "all" that applies to nothing.

    classes: every known algorithm -> its settings dataclass. A word must apply to one of the request's algorithms; a
    key in the suite's file to any algorithm, since a request may leave out those that it is meant for.
    """
    asked = [classes[variant.algorithm] for variant in request.variants]
    for key in request.settings_overrides.get(SHARED, {}):
        _check_shared(SHARED, key, asked)
    for path in [("settings",), *(("task_settings", task) for task in request.suite.task_settings)]:
        for where, layer in _file_layers(request, path, SHARED):
            for key in layer:
                _check_shared(where, key, classes.values())


def _check_shared(where: str, key: str, classes: Iterable[type]) -> None:
    known = list(dict.fromkeys(name for cls in classes for name in setting_names(cls)))
    if key not in known:
        raise ConfigError(f"{where}.{key}: no algorithm here has this setting{nearest(key, known)}")


def cell_layers(cls: type, request: Request, variant: Variant, task: str) -> list[Layer]:
    """The layers of `cell_settings`, to show where a value comes from."""
    has = set(setting_names(cls))
    layers: list[Layer] = []
    for path in (("settings",), ("task_settings", task)):
        layers += [layer for layer in _file_layers(request, path, SHARED) if has.issuperset(layer[1])]
        layers += _file_layers(request, path, variant.algorithm)
    words = request.settings_overrides
    layers.append((SHARED, {key: value for key, value in words.get(SHARED, {}).items() if key in has}))
    layers.append((variant.algorithm, words.get(variant.algorithm, {})))
    layers.append((variant.algorithm, dict(variant.settings)))
    return layers


def _file_layers(request: Request, path: KeyPath, owner: str) -> Iterator[Layer]:
    """One layer per key, since each key has its own line: "suites/x.yaml:12: settings.dime"."""
    section: Any = request.suite.settings
    if path[0] == "task_settings":
        section = request.suite.task_settings.get(str(path[1]), {})
    for key, value in section.get(owner, {}).items():
        where = (*path, owner)
        line = f"{request.document.at((*where, key))}: " if request.document else ""
        yield line + dotted(where), {key: value}
