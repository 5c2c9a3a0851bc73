"""The whole loop on dog-run as `dimebench bench` measures it: env steps/s, and the learner's share of the time."""

from __future__ import annotations

import dataclasses

from benchmarks.gpu.learners import Setting, chosen, tidy
from benchmarks.gpu.session import Case, Session
from dimebench.bench.cells import PARTS, bench
from dimebench.cores import usable_cores
from dimebench.envs import worker_count

GOAL = 0.95  # of the loop's time is the learner's: physics costs nothing beside it
SECONDS = 3.0  # for each of the things that are measured
FOR_ONE = 40.0


def run(session: Session) -> None:
    if not session.on_gpu:
        session.do("dime S=1 graph float32", _loop, session, Setting("dime", 1, "graph", "float32"), 0.1)
        return
    for algorithm, seeds in (("dime", 10), ("dime", 1), ("dime", 4), ("crossq", 10), ("sac", 10)):
        if chosen(session, (algorithm,)):
            setting = Setting(algorithm, seeds, "compile+graph", "tf32")
            session.do(setting.name, _loop, session, setting, SECONDS, needs=FOR_ONE)


def _loop(case: Case, session: Session, setting: Setting, seconds: float) -> None:
    tidy(session.device)
    block = setting.block(session.device, session.scratch)
    if session.on_gpu:
        block = dataclasses.replace(block, env_workers=worker_count(setting.seeds, usable_cores()))
    (cell,) = bench(
        [block], session.scratch / f"loop-{setting.name.replace(' ', '-')}", seconds, lambda block, part: None
    )
    for part in PARTS:
        figure = cell.figures[part]
        case.values[f"ms_{part}"] = 1e3 * figure.seconds
        if figure.fraction is not None and part != "physics":
            case.values[f"{part}_of_floor"] = figure.fraction
    case.values["env_steps_per_s"] = setting.seeds / cell.figures["loop"].seconds
    share = cell.shares["learner"] + cell.shares["acting"]
    case.values |= {
        "learners_share": share,
        "goal": GOAL,
        "goal_reached": share >= GOAL,
        "env_workers": block.env_workers,
    }
