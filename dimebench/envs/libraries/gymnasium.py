"""Gymnasium's MuJoCo tasks, version 5: `gymnasium/<id>`."""

from __future__ import annotations

import re
from typing import Any

from dimebench.envs.environment import Environment, Seed
from dimebench.envs.libraries.base import Library

VERSION = 5


class Gymnasium(Library):
    """The tasks that Gymnasium itself registers with MuJoCo; other ids exist, and curves of them."""

    prefix = "gymnasium"
    packages = ("mujoco", "gymnasium")
    aliases = ("gym",)
    complete = False
    resumable = True

    def tasks(self) -> list[str]:
        return sorted(f"{self.prefix}/{spec.id}" for spec in _mujoco_specs())

    def build(self, task: str, seed: Seed) -> Environment:
        from dimebench.envs.libraries.gymnasium_environment import GymnasiumEnvironment

        return GymnasiumEnvironment(task, seed)

    def refusal(self, task: str) -> str | None:
        import gymnasium

        spec = gymnasium.registry.get(task.partition("/")[2])
        if spec is None:
            return None
        if spec.name in {mujoco.name for mujoco in _mujoco_specs()}:
            return f"{task}: only version {VERSION} is supported: {self.prefix}/{spec.name}-v{VERSION}"
        return f"{task}: not one of Gymnasium's MuJoCo tasks with continuous (Box) actions"

    def former_versions(self) -> tuple[int, ...]:
        return 4, 3, 2

    def current(self, task: str) -> str:
        return re.sub(r"-v[0-9]+$", f"-v{VERSION}", task)


def _mujoco_specs() -> list[Any]:
    import gymnasium

    own = "gymnasium.envs.mujoco."
    specs = gymnasium.registry.values()
    return [spec for spec in specs if str(spec.entry_point).startswith(own) and spec.version == VERSION]
