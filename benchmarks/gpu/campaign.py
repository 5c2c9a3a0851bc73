"""A campaign: parts one after another (some side by side), each with a limit of its own within the time for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu.lane import Lane, spare
from benchmarks.gpu.record import File, Result
from benchmarks.gpu.session import Orders

LOOK_EVERY_S = 0.1
LEAST_S = 5.0  # a part is not begun with less


@dataclass(frozen=True)
class Part:
    """A part. `most`: seconds that it takes of a tight budget; what nobody else needs is shared out on top of it."""

    name: str
    module: str
    most: float
    help: str = ""
    lanes: tuple[str, ...] = ("",)  # its processes, side by side; "": a single one
    timeless: bool = False  # it measures no time, so it may run beside another such part


@dataclass
class Campaign:
    """What all parts share."""

    file: File
    device: str
    seconds: float  # for all
    scratch: Path
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    tell: Callable[[str], None] = print

    def __post_init__(self) -> None:
        self._ends = time.monotonic() + self.seconds
        self._told = 0  # results that `tell` has been told of

    def run(self, parts: Sequence[Part]) -> list[Result]:
        """Run the parts in their order; all results, each of which stood in the file as soon as it was known."""
        stages = together(parts)
        for number, stage in enumerate(stages):
            left = self._ends - time.monotonic()
            limit = share(stage, stages[number:], left)
            if left < LEAST_S:
                for part in stage:
                    self.file.result(Result(part.name, part.name, "left out", note=f"{max(left, 0):.0f} s were left"))
            else:
                self._stage(stage, limit)
            self._say()
        return self.file.results()

    def _stage(self, stage: Sequence[Part], limit: float) -> None:
        told = time.monotonic() + limit - spare(limit)
        out = str(self.file.out)
        lanes = [
            Lane(
                Orders(part.module, part.name, lane, self.device, told, out, str(self.scratch),
                       self.file.campaign, self.options),
                limit,
                self.environment,
            )
            for part in stage
            for lane in part.lanes
        ]  # fmt: skip
        began, alive = time.monotonic(), list(lanes)
        try:
            while alive:
                alive = [lane for lane in alive if not lane.over()]
                self._say()
                time.sleep(LOOK_EVERY_S)
        finally:
            for lane in alive:
                lane.end()
        took = time.monotonic() - began
        self.tell(f"--- {' and '.join(part.name for part in stage)}: {took:.0f} s of {limit:.0f}")

    def _say(self) -> None:
        results = self.file.results()
        for result in results[self._told :]:
            self.tell(result.line())
        self._told = len(results)


def together(parts: Sequence[Part]) -> list[list[Part]]:
    """The parts by who runs side by side."""
    stages: list[list[Part]] = []
    for part in parts:
        if stages and all(each.timeless for each in [*stages[-1], part]):
            stages[-1].append(part)
        else:
            stages.append([part])
    return stages


def share(stage: Sequence[Part], to_come: Sequence[Sequence[Part]], left: float) -> float:
    """Seconds for a stage of those to come: its own, more where all of them leave some, never more than are left."""
    own = max(part.most for part in stage)
    wanted = sum(max(part.most for part in each) for each in to_come)
    return min(left, own * max(1.0, left / wanted))
