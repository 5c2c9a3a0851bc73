"""What a block asks of a cluster: `resources:` in a suite's file, `resources.time=8:00:00` on the command line.

None of it changes a number, and none of it is part of a run's identity.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from dimebench.config.section import Count, Section, Task, checked, rule

_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([MGT])B?", re.IGNORECASE)
_MEBIBYTES = {"M": 1, "G": 1 << 10, "T": 1 << 20}
_CLOCK = re.compile(r"(?:(?P<days>\d+)-)?(?P<clock>\d+(?::\d{1,2}){0,2})")
LONGEST_MIN = 10 * 366 * 24 * 60

# sbatch options that a key covers or that a run depends on, and the key to use instead.
TAKEN = {
    "partition": "partition",
    "account": "account",
    "time": "time",
    "mem": "memory",
    "cpus-per-task": "cpus",
    "gpus": "gpus",
    "gpus-per-node": "gpus",
    "signal": "notice",
    **dict.fromkeys(("array", "job-name", "output", "error", "open-mode", "requeue", "no-requeue"), ""),
    **dict.fromkeys(("nodes", "ntasks", "ntasks-per-node", "wrap", "parsable", "wait", "test-only"), ""),
}


def megabytes(text: str) -> int:
    """`32GB`, `1.5TB`, `900M` in MiB, as batch systems count. ValueError for anything else."""
    match = _MEMORY.fullmatch(text.strip())
    if match is None or not (size := round(float(match[1]) * _MEBIBYTES[match[2].upper()])):
        raise ValueError("must be a size such as 32GB or 900MB")
    return size


def minutes(text: str) -> int:
    """A time limit as Slurm writes it, in minutes, rounded up: `90`, `8:00:00`, `1-12:00:00`, `2-0`.

    Without days: MINUTES, MINUTES:SECONDS, HOURS:MINUTES:SECONDS; after `DAYS-`: HOURS, HOURS:MINUTES and so on.
    ValueError for anything else.
    """
    match, total = _CLOCK.fullmatch(text.strip()), 0
    if match is not None:
        parts = [int(part) for part in match["clock"].split(":")]
        if match["days"] is not None:
            hours, mins, seconds = [*parts, 0, 0][:3]
        else:
            hours, mins, seconds = [(0, parts[0], 0), (0, *parts), tuple(parts)][len(parts) - 1]
        total = int(match["days"] or 0) * 1440 + hours * 60 + mins + (seconds + 59) // 60
    if not 0 < total <= LONGEST_MIN:
        raise ValueError("must be minutes (90) or a time such as 8:00:00 or 1-12:00:00")
    return total


def _readable(read: Callable[[str], int]) -> AfterValidator:
    """Text that `read` takes, kept as it is."""

    def check(text: str) -> str:
        read(text)
        return text

    return checked(check)


def _text(value: Any) -> Any:
    """A number of minutes is a time, and a partition may be called 2."""
    return str(value) if type(value) is int else value


def _list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _sbatch(lines: list[str]) -> list[str]:
    for index, text in enumerate(lines):
        if not re.fullmatch(r"--[a-z][a-z-]*(=\S.*)?", text) or not text.isprintable():
            raise rule("must be an option of sbatch such as --qos=long", at=(index,))
        name = text[2:].partition("=")[0]
        if name in TAKEN:
            instead = f"write resources.{TAKEN[name]} instead" if TAKEN[name] else "dimebench sets it itself"
            raise rule(f"--{name} cannot be given here: {instead}", at=(index,))
    return lines


def _one_line(lines: list[str]) -> list[str]:
    for index, text in enumerate(lines):
        if not text.isprintable():
            raise rule("must be one line of a shell", at=(index,))
    return lines


def _word(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.,:@%+-]+", value):
        raise rule("must be a name without spaces")
    return value


Name = Annotated[str, AfterValidator(_word), BeforeValidator(_text)]
Memory = Annotated[str, _readable(megabytes), BeforeValidator(_text)]


class Asked(Section):
    """What the job of one block asks for; what is left out is the cluster's default."""

    gpus: Annotated[int, Field(ge=0, le=64)] | None = None
    cpus: Count | None = None
    memory: Memory | None = None
    time: Annotated[str, _readable(minutes), BeforeValidator(_text)] | None = None  # limit of one stretch
    partition: Name | None = None
    account: Name | None = None
    notice: Annotated[int, Field(ge=10, le=3600)] | None = None  # seconds before the limit at which a run saves
    sbatch: Annotated[list[str], BeforeValidator(_list), AfterValidator(_sbatch)] | None = None  # more options
    setup: Annotated[list[str], BeforeValidator(_list), AfterValidator(_one_line)] | None = None  # shell, beforehand


class Resources(Asked):
    """As `Asked`, and what concerns all jobs of a suite."""

    parallel: Count | None = None  # jobs at a time; all by default
    gpu_memory: Memory | None = None  # of one GPU: as many seeds train together as fit
    tasks: dict[Task, Asked] = Field(default={})  # for tasks with other needs

    def of(self, task: str) -> dict[str, Any]:
        """What a block of that task asks for, as plain values; keys that are not set are left out."""
        own = self.tasks.get(task)
        general = self.model_dump(exclude_none=True, exclude={"parallel", "gpu_memory", "tasks"})
        return general | (own.model_dump(exclude_none=True) if own else {})
