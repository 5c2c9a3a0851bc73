"""What happened to a block or a job, in a line for people: for the live view and the logs of other machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from dimebench.engines.events import Event
from dimebench.engines.manifest import JobStatus


def rare_event_line(event: Event) -> str:
    """The line for what happens rarely; "" for the rest."""
    name, facts = f"{event.cell.name} {event.block.name}", event.facts
    if event.kind == "notice":
        return f"{name}: {facts['text']}"
    if event.kind == "waiting":
        return f"{name}: waits for {facts['owner']}, which trains it"
    if event.kind == "elsewhere":
        return f"{name}: trained by another process"
    if event.kind == "split":
        parts = " and ".join(str(len(part.seeds)) for part in facts["parts"])
        return f"{name}: {facts['reason']}; goes on in parts of {parts}"
    return ""


def event_line(event: Event, rate: float = 0.0) -> str:
    """The line for an event that matters; "" for the rest. `rate`: env steps per second so far, 0 where unknown."""
    name, facts = f"{event.cell.name} {event.block.name}", event.facts
    if event.kind == "started":
        return f"{name}: started"
    if event.kind == "evaluation":
        latest, speed = facts["latest_return"], f", {rate:.0f} env steps/s" if rate else ""
        reached = "diverged" if latest is None else f"return {latest:.1f}{speed}"
        return f"{name}: env step {facts['env_step']} of {event.block.protocol.env_steps}, {reached}"
    if event.kind == "done":
        return f"{name}: {facts['status']}"
    if event.kind == "failed":
        return f"{name}: failed: {facts['reason']}"
    return rare_event_line(event)


def job_line(one: JobStatus) -> str:
    """The line about a job that has changed."""
    where = f" on {one.node}" if one.node else ""
    why = f" ({one.reason})" if one.reason else ""
    return f"{one.block.variant} on {one.block.task} {one.block.name}: job {one.job} {one.state}{where}{why}"


def ranges(jobs: Iterable[str]) -> str:
    """12_0, 12_1, 12_2, 12_7 as 12_[0-2,7]."""
    arrays: dict[str, list[int]] = {}
    for job in jobs:
        array, _, task = job.partition("_")
        arrays.setdefault(array, []).extend([int(task)] if task else [])
    shown = [(array, _spans(tasks)) for array, tasks in arrays.items()]
    return ", ".join(f"{a}_{some}" if some.isdigit() else f"{a}_[{some}]" if some else a for a, some in shown)


def _spans(numbers: Sequence[int]) -> str:
    pairs = groupby(enumerate(sorted(numbers)), lambda each: each[1] - each[0])  # the same within a span
    spans = [[number for _, number in span] for _, span in pairs]
    return ",".join(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in spans)
