"""`MUJOCO_GL`: which OpenGL MuJoCo loads as it is imported. Stepping needs none: only one that is named is loaded.

A name that is wrong, or an OpenGL that is not installed here, would make the import itself fail.
"""

from __future__ import annotations

import importlib
import os
import warnings
from contextlib import suppress
from functools import cache

VARIABLE = "MUJOCO_GL"
NONE = "disabled"
KNOWN = ("egl", "osmesa", "glfw")  # that both mujoco and dm_control take
_OFF = ("", NONE, "disable", "off", "false", "0")
_problem = ""


def choose() -> None:
    """Leave in the environment, for this process and those it starts, a name that can be loaded or `disabled`."""
    global _problem
    given = os.environ.get(VARIABLE, "")
    word = given.strip().lower()
    if word not in (*_OFF, *KNOWN):
        _problem = f"{VARIABLE}={given} is none of {', '.join(KNOWN)}"
    os.environ[VARIABLE] = word if word in KNOWN else NONE


@cache
def load() -> None:
    """Import what loads the OpenGL that was named; where that fails, none is. Where none was named, nothing is.

    Called before anything else imports mujoco.
    """
    global _problem
    choose()
    word = os.environ[VARIABLE]
    if word not in KNOWN:
        return
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            if word == "glfw":
                _begin_glfw(said)
            for module in ("mujoco", "dm_control._render"):
                with suppress(ModuleNotFoundError):
                    importlib.import_module(module)
    except Exception as error:  # whatever a missing or broken driver raises
        _problem = f"{VARIABLE}={word} cannot be loaded here: {str(error) or type(error).__name__}"
        os.environ[VARIABLE] = NONE


def _begin_glfw(said: list[warnings.WarningMessage]) -> None:
    """Begin glfw, which warns of a display that is not there. Raises OSError with its words.

    First of all: dm_control would keep a renderer that can draw nothing, and complain as Python ends.
    """
    glfw = importlib.import_module("glfw")
    if not glfw.init():
        raise OSError(str(said[-1].message) if said else "glfw cannot begin")


def problem() -> str:
    """What is wrong with the name that was given; "" where nothing is known to be."""
    return _problem


def named(default: str) -> str:
    """The OpenGL that was named and can be loaded, as far as is known, else the default."""
    word = os.environ.get(VARIABLE, NONE)
    return word if word in KNOWN else default
