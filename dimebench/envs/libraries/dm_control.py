"""The DeepMind Control Suite: `dm_control/<domain>-<task>`."""

from __future__ import annotations

from dimebench.envs.environment import Environment, Seed
from dimebench.envs.libraries.base import Footprint, Library


class DMControl(Library):
    prefix = "dm_control"
    packages = ("mujoco", "dm-control")
    aliases = ("dmc",)
    resumable = True

    def tasks(self) -> list[str]:
        from dm_control import suite

        return [f"{self.prefix}/{domain}-{task}" for domain, task in suite.ALL_TASKS]

    def build(self, task: str, seed: Seed) -> Environment:
        from dimebench.envs.libraries.dm_control_environment import DMControlEnvironment

        return DMControlEnvironment(task, seed, self.needs_gl(task))

    def bounds(self, task: str) -> tuple[float, float]:
        return 0.0, 1000.0  # rewards lie in [0, 1], episodes last 1,000 steps

    def spellings(self) -> dict[str, str]:
        named = {"cup-catch": "ball_in_cup-catch"}  # by TD-MPC2
        named |= {f"pointmass-{level}": f"point_mass-{level}" for level in ("easy", "hard")}
        return {name: f"{self.prefix}/{task}" for name, task in named.items()}

    def needs_gl(self, task: str) -> bool:
        return task == "dm_control/quadruped-escape"  # uploads its terrain to a renderer at every reset

    def body(self, task: str) -> str:
        return task.partition("-")[0]  # tasks of one domain differ in their reward

    def footprint(self, task: str) -> Footprint:
        if self.body(task) == "dm_control/dog":  # it has a skin
            return Footprint(task=460_000_000, environment=73_000_000)
        return super().footprint(task)
