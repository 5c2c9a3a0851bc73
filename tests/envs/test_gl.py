"""`MUJOCO_GL`: a wrong name or a broken OpenGL breaks no task that needs none, and is named where one does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEP = """
import os
import numpy as np
from dimebench.envs import EnvError, gl, known_tasks, make_vector_env
for prefix in ("dm_control", "gymnasium"):
    assert known_tasks(prefix)
for task in ("dm_control/cartpole-balance", "gymnasium/Hopper-v5"):
    envs = make_vector_env(task, [0])
    envs.reset()
    envs.step(np.zeros((1, envs.spec.act_dim), np.float32))
print(os.environ["MUJOCO_GL"])
try:
    make_vector_env("dm_control/quadruped-escape", [0])
except EnvError as error:
    print(error)
"""
# As on a machine without the drivers: PyOpenGL's modules fail so as they are imported.
NO_DRIVER = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("OpenGL.EGL", "OpenGL.osmesa"):
            raise AttributeError("no such driver")
sys.meta_path.insert(0, Finder())
"""


def step(name: str, before: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", before + STEP],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MUJOCO_GL": name, "DISPLAY": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["foo", "", " ", "glx", "0", "Disabled"])
def test_a_name_that_is_none_means_no_opengl(name: str) -> None:
    used, refused = step(name)
    assert used == "disabled"
    assert refused.startswith("dm_control/quadruped-escape cannot be loaded: ")
    wrong = f": MUJOCO_GL={name} is none of egl, osmesa, glfw"
    hint = wrong if name in ("foo", "glx") else "; it needs MUJOCO_GL=egl in the environment"
    assert refused.endswith(hint)


@pytest.mark.parametrize("name", ["egl", "osmesa", "OSMesa"])
def test_an_opengl_that_cannot_be_loaded_is_named_where_one_is_needed(name: str) -> None:
    used, refused = step(name, NO_DRIVER)
    assert used == "disabled"
    assert refused.endswith(f": MUJOCO_GL={name.lower()} cannot be loaded here: no such driver")


def test_without_a_display_nothing_is_said_of_it() -> None:
    used, refused = step("glfw")
    assert used in ("glfw", "disabled")
    if used == "disabled":
        assert refused.startswith(
            "dm_control/quadruped-escape cannot be loaded: MUJOCO_GL=glfw cannot be loaded here: "
        )
