"""Environment libraries of another package, as an installer would leave it: no MuJoCo, and a notion of success."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import packages

MODULE = '''
import numpy as np
from dimebench.envs.environment import Environment
from dimebench.envs.libraries.base import Library
from dimebench.envs.spec import EnvError


class Point(Environment):
    """A point on a line. It succeeds at its third step and at no other; "dance" has no such notion."""

    layout = (("place", 1), ("time", 1))
    low, high = np.full(1, -2.0), np.full(1, 2.0)
    max_steps = 8

    def __init__(self, task, seed):
        if task.endswith("/stuck"):
            raise RuntimeError("the simulator's licence has run out.\\nAsk for another.")
        self.told = not task.endswith("/dance")
        self.reseed(seed)

    def reseed(self, seed):
        self.random, self.time = np.random.default_rng(seed), self.max_steps

    def reset(self, row):
        self.place, self.time = self.random.normal(), 0
        row[:] = self.place, self.time

    def step(self, action, row, repeat):
        if self.time == self.max_steps:
            raise EnvError("step without a running episode: reset it first")
        reward, won = 0.0, False
        for _ in range(repeat):
            self.place, self.time = self.place + action[0], self.time + 1
            reward, won = reward - abs(self.place), won or self.time == 3
            if self.time == self.max_steps:
                break
        row[:] = self.place, self.time
        return reward, False, self.time == self.max_steps, won if self.told else None

    def close(self):
        pass


class SavedPoint(Point):
    def save(self):
        state = self.random.bit_generator.state["state"]
        words = [state["state"] >> 64, state["state"] % 2**64, state["inc"] >> 64, state["inc"] % 2**64]
        return {"random": np.array(words, np.uint64), "point": np.array([self.place, self.time])}

    def restore(self, state):
        high, low, inc_high, inc_low = (int(word) for word in state["random"])
        whole = self.random.bit_generator.state
        whole["state"] = {"state": high * 2**64 + low, "inc": inc_high * 2**64 + inc_low}
        self.random.bit_generator.state = whole
        self.place, self.time = float(state["point"][0]), int(state["point"][1])


class Line(Library):
    prefix = "line"
    packages = ("line-tasks",)
    resumable = True

    def tasks(self):
        return ["line/reach", "line/dance", "line/stuck"]

    def build(self, task, seed):
        return SavedPoint(task, seed)


class Frail(Library):
    prefix = "frail"
    packages = ("line-tasks",)
    success = "last"

    def tasks(self):
        return ["frail/reach"]

    def build(self, task, seed):
        return Point(task, seed)


class Absent(Frail):
    prefix = "absent"

    def tasks(self):
        import a_simulator_that_is_not_there
'''
POINTS = {
    "line": "line_tasks:Line",
    "frail": "line_tasks:Frail",
    "absent": "line_tasks:Absent",
    "broken": "a_package_that_is_not_there:Nothing",
    "strange": "line_tasks:Point",
    "misnamed": "line_tasks:Line",
    "gymnasium": "line_tasks:Line",
}


def install_here(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install it for this process and those that it starts."""
    monkeypatch.syspath_prepend(install(site))
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))


def install(site: Path) -> Path:
    """The folder, for sys.path or PYTHONPATH, with the package in it."""
    return packages.install(site, "line_tasks", MODULE, "dimebench.environments", POINTS)
