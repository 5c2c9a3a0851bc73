"""What an import took and made, in lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dimebench.importing.gather import Gathered, ends
from dimebench.numbers import count, listed
from dimebench.store.foreign.columns import FRAMES
from dimebench.store.foreign.rows import Reading
from dimebench.store.foreign.runs import Ended
from dimebench.store.importers import Origin

MOST = 12  # lines of a kind, and names in a line


def files(gathered: Gathered) -> list[dict[str, Any]]:
    """Of each file: its columns, and how its steps were counted."""
    found = []
    for reading, origin in zip(gathered.readings, gathered.origins, strict=True):
        last, env_steps = _last(gathered, reading, origin)
        found.append(
            {
                "file": str(reading.file),
                "columns": reading.taken,
                "unit": reading.unit,
                "unit_from": reading.unit_from,
                "last_step": last,
                "env_steps": env_steps,
                "left_out": reading.left_out,
            }
        )
    return found


def lines(gathered: Gathered, suite: str | None) -> list[str]:
    """What was taken from where, the conversion of steps, and what is left out or may be wrong."""
    return [*_taken(gathered), *_renamed(gathered), *_noticed(gathered), *_left_out(gathered, suite)]


def _taken(gathered: Gathered) -> Iterator[str]:
    alike: dict[tuple[str, ...], list[Path]] = {}
    repeat = gathered.targets[0].action_repeat
    for reading, origin in zip(gathered.readings, gathered.origins, strict=True):
        columns = ", ".join(f"{key} from '{name}'" for key, name in reading.taken.items())
        last, env_steps = _last(gathered, reading, origin)
        unit = FRAMES if reading.unit == FRAMES else f"env steps of {count(origin.action_repeat, 'frame')}"
        why = f" ({reading.unit_from})" if reading.unit_from else ""
        if reading.unit == FRAMES and origin.action_repeat > 1:
            why += f", whatever --action-repeat {origin.action_repeat} says"
        made = f"{last:,.10g} source steps = {env_steps:,} env steps"
        of = f" of {count(repeat, 'frame')}" if repeat > 1 else ""
        alike.setdefault((columns, f"steps count {unit}{why}: {made}{of}"), []).append(reading.file)
    for number, (told, names) in enumerate(alike.items()):
        if number == MOST:
            yield f"and {count(len(alike) - MOST, 'more kind')} of file: --json has all"
            return
        others = f" and {count(len(names) - 1, 'file')} alike" if len(names) > 1 else ""
        yield f"{names[0]}{others}: {'; '.join(filter(None, told))}"


def _last(gathered: Gathered, reading: Reading, origin: Origin) -> tuple[float, int]:
    """The last step of a file, and what it became: targets of one import share their action repeat."""
    last = float(reading.rows["step"].max())
    return last, round(last * origin.frames / gathered.targets[0].action_repeat)


def _noticed(gathered: Gathered) -> Iterator[str]:
    for n in sorted({n for n in gathered.told.episodes.values() if n > 1}):
        cells = [f"{variant} on {task}" for (variant, task), each in gathered.told.episodes.items() if each == n]
        yield f"{n} episodes per evaluation: {_some(cells)}"
    if gathered.by_success:
        yield f"scored by the share of successes: {_some(gathered.by_success)}"
    if gathered.numbered:
        seeds = sorted({run.seed for run in gathered.numbered})
        yield f"numbered here, since no file tells the seed: {count(len(gathered.numbered), 'run')}, {_seeds(seeds)}"
    if gathered.told.split:
        yield f"made runs of their own, since the steps begin again: {count(gathered.told.split, 'run')}"
    if gathered.told.copies:
        yield f"counted once, since they are there twice: {count(gathered.told.copies, 'run')}"
    yield from _first(
        f"diverged: {run.variant} on {run.task} seed {run.seed}: {run.reason}; it counts with the lower bound"
        for run, _ in gathered.runs
        if run.status == "diverged"
    )
    yield from _first(_ended(gathered, each) for each in gathered.told.ended)
    yield from _first(
        f"{runs[0].variant} on {runs[0].task}: {_seeds(sorted(run.seed for run in runs))} hold the same numbers"
        for runs in gathered.alike
    )
    yield from _first(
        f"{new.variant} on {new.task} seed {new.seed}: holds the numbers of {old.variant} seed {old.seed}"
        for new, old in gathered.elsewhere
    )
    yield from _first(gathered.unread)


def _ended(gathered: Gathered, ended: Ended) -> str:
    at, of = ends(gathered, ended)
    where = "no scores: left out" if at is None else f"scores end at env step {at:,} of {of:,}"
    return f"{ended.variant} on {ended.task}{' ' + _seeds(ended.seeds) if ended.seeds else ''}: {where}"


def _first(found: Iterable[str]) -> Iterator[str]:
    """The lines of one kind, or the first ones and how many there are more."""
    told = list(found)
    yield from told[:MOST]
    if len(told) > MOST:
        yield f"and {count(len(told) - MOST, 'more line')} like this"


def _renamed(gathered: Gathered) -> Iterator[str]:
    for reading in gathered.readings:
        for key, name in reading.called.items():
            yield f"{reading.file}: its {key} '{name}' is called as --{key} says"
        if reading.ignored:
            yield f"{reading.file}: {reading.ignored}"


def _left_out(gathered: Gathered, suite: str | None) -> Iterator[str]:
    if gathered.told.unscored:
        yield f"left out: {count(gathered.told.unscored, 'row')} without a score"
    kinds: dict[str, int] = {}
    for reading in gathered.readings:
        for kind, rows in reading.left_out.items():
            kinds[kind] = kinds.get(kind, 0) + rows
    for kind, rows in list(kinds.items())[:MOST]:
        yield f"left out: {count(rows, 'row')} {kind}"
    if gathered.tasks_not_in_suite:
        yield f"left out: tasks that suite {suite} does not have: {_some(gathered.tasks_not_in_suite)}"
    if gathered.tasks_unknown:
        where = f"neither suite {suite} nor a library has" if suite else "no library has"
        yield f"left out: tasks that {where}: {_some(gathered.tasks_unknown)}"
    if gathered.tasks_unscored:
        unscored = _some(gathered.tasks_unscored)
        yield f"left out: tasks of which nobody says what scores 0 and 1 (--bounds LOWER,UPPER does): {unscored}"


def _some(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= MOST else f"{', '.join(names[:MOST])} and {len(names) - MOST} more"


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"seeds {', '.join(map(str, seeds[:MOST]))}{', ...' if len(seeds) > MOST else ''}"
