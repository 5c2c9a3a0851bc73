"""What happened to a block, in a line for people: the live view and the logs of other machines print the same."""

from __future__ import annotations

from dimebench.engines.local.pool import Event


def remark(event: Event) -> str:
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


def line(event: Event, rate: float = 0.0) -> str:
    """The line for an event that matters; "" for the rest. `rate`: env steps per second so far, 0 where unknown."""
    name, facts = f"{event.cell.name} {event.block.name}", event.facts
    if event.kind == "started":
        return f"{name}: started"
    if event.kind == "evaluation":
        latest, speed = facts["latest_return"], f", {rate:.0f} env steps/s" if rate else ""
        told = "diverged" if latest is None else f"return {latest:.1f}{speed}"
        return f"{name}: env step {facts['env_step']} of {event.block.protocol.env_steps}, {told}"
    if event.kind == "done":
        return f"{name}: {facts['status']}"
    if event.kind == "failed":
        return f"{name}: failed: {facts['reason']}"
    return remark(event)
