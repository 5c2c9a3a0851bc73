"""What no earlier run tells of a plan's blocks: few of them are probed, and the others follow from those.

Blocks of one algorithm with the same settings differ in their body alone. Their learner is timed on the first body;
on another one its time is scaled by the operations of an update and of acting, which are counted there
(`learner_cost`). The physics is measured on every body.
"""

from __future__ import annotations

import json
import os
import queue
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch

from dimebench.agents.base import Dims
from dimebench.agents.registry import load_algorithm
from dimebench.config.names import short_task
from dimebench.envs import library_of, task_spec
from dimebench.planning.durations import PROBE, SCALED
from dimebench.planning.learner_cost import LearnerWork, learner_work
from dimebench.planning.probe import Pace, probe
from dimebench.training.block import Block

PHYSICS = "random"  # the algorithm of a probe of a body alone
Announce = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """A block's pace, where it comes from, and whether its process was the one that was measured."""

    pace: Pace
    source: str
    measured: bool


class Probes:
    """Probes blocks, side by side on a CPU's cores, as training would use them; on a GPU one after another."""

    def __init__(self, seconds: float, here: bool, at_once: int = 1, announce: Announce = lambda text: None) -> None:
        """`here`: the blocks will train on this machine; else a figure is extrapolated.

        announce: called as each probe begins, with "probing 3 of 12: dime on dog-run".
        """
        self._seconds, self._here, self._at_once, self._announce = seconds, here, at_once, announce

    def __call__(self, blocks: Sequence[Block]) -> list[Found | None]:
        """For each block what is found; None for a GPU if there is none here. Raises ProbeError."""
        if any(block.device.startswith("cuda") for block in blocks) and not torch.cuda.is_available():
            return [None] * len(blocks)
        whole, physics = needed(blocks)
        paces = dict(zip([*whole, *physics], self._measure([*whole.values(), *physics.values()]), strict=True))
        return [self._found(block, paces, whole | physics) for block in blocks]

    def _found(self, block: Block, paces: dict[str, Pace], probed: dict[str, Block]) -> Found:
        learner, body = _learner(block), _body(block)
        key = body if block.algorithm == PHYSICS else learner
        first = probed[key]
        if _body(first) == body:
            of = "" if first.task == block.task else f" of {short_task(first.task)}"
            source = f"{PROBE}{of}" if self._here else f"extrapolated from a {PROBE}{of} on this machine"
            return Found(paces[key], source, True)
        pace = scaled(paces[key], paces[_body(first)], paces[body], work_of(block), work_of(first))
        source = f"{SCALED} from {short_task(first.task)}"
        return Found(pace, source if self._here else f"{source}, on this machine", False)

    def _measure(self, blocks: Sequence[Block]) -> list[Pace]:
        """The paces of these blocks, in order."""
        many = min(self._at_once, len(blocks)) if blocks and blocks[0].device == "cpu" else 1
        cores: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        numbers = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        for core in numbers[-many:] if many > 1 and len(numbers) >= many else [None] * many:
            cores.put(core)

        def one(number: int) -> Pace:
            block, core = blocks[number], cores.get()
            try:
                of = block.variant if _learns(block) else "the physics"
                self._announce(f"probing {number + 1} of {len(blocks)}: {of} on {short_task(block.task)}")
                return probe(block, self._seconds, core)
            finally:
                cores.put(core)

        with ThreadPoolExecutor(max(1, many)) as pool:
            waiting = [pool.submit(one, number) for number in range(len(blocks))]
            try:
                return [each.result() for each in waiting]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def needed(blocks: Sequence[Block]) -> tuple[dict[str, Block], dict[str, Block]]:
    """The blocks to probe whole, one for each learner, and those to probe the physics of, one for each body."""
    whole: dict[str, Block] = {}
    bodies: dict[str, dict[str, Block]] = {}
    physics: dict[str, Block] = {}
    for block in blocks:
        if block.algorithm == PHYSICS:
            physics.setdefault(_body(block), block)
            continue
        whole.setdefault(_learner(block), block)
        bodies.setdefault(_learner(block), {}).setdefault(_body(block), block)
    for several in bodies.values():
        if len(several) > 1:
            for body, block in several.items():
                physics.setdefault(body, _alone(block))
    return whole, physics


def scaled(learner: Pace, there: Pace, here: Pace, work: LearnerWork, known: LearnerWork) -> Pace:
    """The pace of a learner on another body.

    learner: measured on its own body, whose physics is `there`; `here`: the physics of the other one.
    work, known: what the learner computes on the other body, and on its own.
    """
    of_step = _operations(work) / max(1, _operations(known))
    of_act = work.act.flops / max(1, known.act.flops)
    return replace(
        learner,
        random_step=here.random_step,
        step=here.random_step + of_step * max(0.0, learner.step - there.random_step),
        evaluation_step=here.evaluation_step + of_act * max(0.0, learner.evaluation_step - there.evaluation_step),
        episode_steps=here.episode_steps,
    )


def work_of(block: Block) -> LearnerWork:
    """What the block's learner computes."""
    spec = task_spec(block.task, block.protocol.action_repeat)
    return learner_work(block, Dims(spec.obs_dim, spec.act_dim))


def _operations(work: LearnerWork) -> float:
    """Of an env step: an update call, on average over the schedule, and an action."""
    return statistics.fmean(call.flops for call in work.calls) + work.act.flops


def _alone(block: Block) -> Block:
    """The same body, protocol and seeds without a learner."""
    return replace(
        block, algorithm=PHYSICS, variant=PHYSICS, settings={}, mode="eager", precision="float32", chain="plain"
    )


def _learns(block: Block) -> bool:
    return load_algorithm(block.algorithm).learns


def _learner(block: Block) -> str:
    """Equal for blocks whose learner does the same work, but for the sizes of observations and actions."""
    per_body = "" if _learns(block) else _body(block)
    about = block.algorithm, block.settings, len(block.seeds), block.env_workers, _protocol(block), per_body
    return json.dumps([*about, block.identity()["execution"]], sort_keys=True)


def _body(block: Block) -> str:
    """Equal for blocks whose physics takes the same time: tasks of one body differ only in their reward."""
    spec = task_spec(block.task, block.protocol.action_repeat)
    sizes = spec.obs_dim, spec.act_dim, spec.max_episode_steps, len(block.seeds), block.env_workers
    return json.dumps([library_of(block.task).body(block.task), sizes, _protocol(block), block.device])


def _protocol(block: Block) -> tuple[int, int]:
    return block.protocol.action_repeat, block.protocol.eval_episodes
