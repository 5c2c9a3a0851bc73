"""MuJoCo's state as arrays, complete enough for a bit-exact continuation, and its compiler's noise.

mjSTATE_INTEGRATION decides the trajectory, but the two libraries also read quantities that were derived at
some earlier moment: after dm_control's step, accelerations and force sensors belong to the step before; after
Gymnasium's, body positions do. A forward pass from the restored state would bring these up to date, and so change the
next observation or reward. Hence they are saved and put back as they were.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator

import mujoco
import numpy as np
from mujoco.introspect import structs

from dimebench.envs.spec import EnvError

_SIGNATURE = mujoco.mjtState.mjSTATE_INTEGRATION
_KINDS = {"derived": np.float64, "derived_int": np.int32, "derived_bool": np.bool_}

_log = logging.getLogger(__name__)


def capture(model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, np.ndarray]:
    """The integration state, and every array of MjData whose size the model fixes."""
    state = np.empty(mujoco.mj_stateSize(model, _SIGNATURE), np.float64)
    mujoco.mj_getState(model, data, state, _SIGNATURE)
    saved = {"physics": state}
    for kind, arrays in _derived(data).items():
        saved[kind] = np.concatenate([array.reshape(-1) for array in arrays])
    return saved


def put_back(model: mujoco.MjModel, data: mujoco.MjData, saved: dict[str, np.ndarray]) -> None:
    """Undo whatever happened to `data` since `saved` was captured, in this process or another.

    Raises EnvError when the arrays do not fit this model.
    """
    derived = _derived(data)
    sizes = {kind: sum(array.size for array in arrays) for kind, arrays in derived.items()}
    sizes["physics"] = mujoco.mj_stateSize(model, _SIGNATURE)
    for key, size in sizes.items():
        if saved[key].shape != (size,):
            raise EnvError(f"saved state does not fit: {key} has {saved[key].size} values, expected {size}")
    mujoco.mj_setState(model, data, np.ascontiguousarray(saved["physics"], np.float64), _SIGNATURE)
    mujoco.mj_forward(model, data)  # contacts and constraints live in MuJoCo's arena: they must be made anew
    for kind, arrays in derived.items():
        start = 0
        for array in arrays:
            array.reshape(-1)[:] = saved[kind][start : start + array.size]
            start += array.size


def _derived(data: mujoco.MjData) -> dict[str, list[np.ndarray]]:
    arrays = [getattr(data, name) for name in _fixed_size_fields()]
    return {kind: [a for a in arrays if a.dtype == dtype] for kind, dtype in _KINDS.items()}


@functools.cache
def _fixed_size_fields() -> tuple[str, ...]:
    # In the struct, as in its documentation, arrays sized by the model come first; `contact` begins the arena.
    names = [field.name for field in structs.STRUCTS["mjData"].fields]
    fixed = names[names.index("qpos") : names.index("contact")]
    # Pointers; and a mark for the viewer, most of the bytes where there are meshes (dog).
    return tuple(name for name in fixed if name not in ("plugin", "plugin_data", "bvh_active"))


@contextlib.contextmanager
def quiet_compiler() -> Iterator[None]:
    """Hide deprecation notices about the libraries' own models; MuJoCo would write them to stderr and a log file."""
    previous = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(functools.partial(_log.info, "MuJoCo: %s"))
    try:
        yield
    finally:
        # Without a handler MuJoCo writes MUJOCO_LOG.TXT into the user's folder: then ours stays.
        if previous is not None:
            mujoco.set_mju_user_warning(previous)
