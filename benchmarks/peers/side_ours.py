"""Our side: the loop of `dimebench run` itself, as its worker trains one seed; nothing is evaluated."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from turns import Turns, serve


def run(spec: dict[str, Any], turns: Turns) -> None:
    from dimebench.agents.registry import known_algorithms
    from dimebench.config import parse_words
    from dimebench.planning.plan import make_plan
    from dimebench.planning.timed_parts import execution, whole_loop, with_execution
    from dimebench.store.provenance import package_versions

    words = ["suite=dmc-full", f"algo={spec['algo']}", f"task={spec['task']}"]
    words += [f"all.{key}={spec[key]}" for key in ("batch_size", "replay_capacity")]
    words += [f"all.critic_hidden=[{spec['critic']},{spec['critic']}]", *spec["words"]]
    request = parse_words(words, algorithms=known_algorithms())
    with tempfile.TemporaryDirectory() as folder:
        ((_, block),) = make_plan(request, [0], Path(folder), spec["device"]).blocks()
        block = with_execution(block, mode=spec["mode"], precision=spec["precision"])
        with whole_loop(block, Path(folder), lambda: not turns.step(), spec["random_start"]) as loop:
            how = execution(block)
            versions = package_versions(["mujoco", "dm-control", "gymnasium"])
            turns.ready(versions | {"mode": how["mode"], "precision": how["precision"]})
            loop()


if __name__ == "__main__":
    serve(run)
