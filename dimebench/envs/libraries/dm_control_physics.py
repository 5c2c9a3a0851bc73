"""dm_control's physics, the same to the bit, without the cost of its own machinery around each step.

What a task observes and rewards is untouched. Three things that surround it are exchanged:
named indexing (`xmat["torso", "zz"]`), which translates the same names to the same numbers hundreds of thousands of
times: up to a third of an env step; the check for MuJoCo's warnings, which goes through contextlib and NumPy; and
the step itself, which looks up model, data and integrator again each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
from dm_control.mujoco import index
from dm_control.mujoco.engine import NamedIndexStructs
from dm_control.rl.control import PhysicsError


def lighten(physics: Any) -> None:
    """Exchange, in this one Physics, what costs more than it does. Its model must stay the one that it has now."""
    check = _WarningCheck(physics)
    physics.check_invalid_state = lambda: check
    physics.step = _step(physics, check)
    physics._named = NamedIndexStructs(*(_remember_names(struct) for struct in physics._named))


class _WarningCheck:
    """What dm_control's `Physics.check_invalid_state` does around each step: a new warning is a PhysicsError."""

    def __init__(self, physics: Any) -> None:
        self._physics = physics
        self._counts = physics.data.warning.number  # [warnings] int32, MuJoCo's own counters

    def __enter__(self) -> None:
        self._before = self._counts.tobytes()

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is not None or self._counts.tobytes() == self._before:
            return
        new = self._counts > np.frombuffer(self._before, self._counts.dtype)
        if new.any() and self._physics._warnings_cause_exception:
            names = ", ".join(np.compress(new, list(mujoco.mjtWarning.__members__)))
            raise PhysicsError(f"MuJoCo warned of {names}")


def _step(physics: Any, check: _WarningCheck) -> Callable[[int], None]:
    """`Physics.step` for the model and data that it has now, in the order of dm_control's legacy step."""
    assert physics.legacy_step
    model, data = physics.model.ptr, physics.data.ptr
    euler = model.opt.integrator != mujoco.mjtIntegrator.mjINT_RK4.value  # or another for which a step has halves
    first, whole, second = mujoco.mj_step1, mujoco.mj_step, mujoco.mj_step2

    def step(nstep: int = 1) -> None:
        with check:
            if euler:
                second(model, data)  # its first half was the end of the step before
                if nstep > 1:
                    whole(model, data, nstep - 1)
            else:
                whole(model, data, nstep)
            first(model, data)

    return step


class _RememberingIndexer(index.FieldIndexer):  # type: ignore[misc, unused-ignore]
    """A FieldIndexer that translates every name, and every list of names, once: they are the model's, and fixed."""

    __slots__ = ("_known",)

    def __init__(self, original: index.FieldIndexer) -> None:
        for name in index.FieldIndexer.__slots__:
            setattr(self, name, getattr(original, name))
        self._known: dict[Any, Any] = {}

    def _convert_key(self, key: Any) -> Any:
        name: Any
        if type(key) is str:
            name = key
        elif type(key) is list or type(key) is tuple:
            name = (type(key), *[tuple(item) if type(item) is list else item for item in key])
        else:
            return super()._convert_key(key)
        try:
            return self._known[name]
        except (KeyError, TypeError):  # TypeError: a slice or an array is among them
            converted = super()._convert_key(key)
            if _is_of_names(key):  # numbers need no translation, and True would be found in the place of 1
                self._known[name] = converted = _as_arrays(converted)
            return converted


def _is_of_names(key: Any) -> bool:
    if isinstance(key, list | tuple):
        return all(_is_of_names(item) for item in key)
    return isinstance(key, str)


def _as_arrays(converted: Any) -> Any:
    """Lists of numbers as the arrays that NumPy would make of them at each use."""
    if isinstance(converted, tuple):
        return tuple(_as_arrays(item) for item in converted)
    return np.asarray(converted, np.intp) if isinstance(converted, list | np.ndarray) else converted


def _remember_names(struct: Any) -> Any:
    indexers = struct._asdict()
    return index.make_struct_indexer({name: _RememberingIndexer(indexer) for name, indexer in indexers.items()})
