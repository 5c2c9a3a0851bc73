"""Which runs a report rests on: suite, variants, tasks; what is left out and why; refusals."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dimebench.report.data import Curve, curves, shared_env_steps
from dimebench.report.errors import (
    NoRunsError,
    NotComparableError,
    SuiteChoiceError,
    UnknownSuiteError,
    UnknownVariantError,
    nearest,
)
from dimebench.report.numbers import listed
from dimebench.store import Run
from dimebench.store.importers import external
from dimebench.store.places import Place

ALLOWABLE = ("budget", "physics", "protocol", "settings")  # differences that `--allow` lets pass
FLOOR = "random"  # the variant that learns nothing: a floor in tables, in no verdict unless asked for


@dataclass(frozen=True)
class LeftOut:
    """A run that the statistics do not count."""

    variant: str
    task: str
    seed: int
    status: str
    reason: str


@dataclass(frozen=True)
class LeftOutTask:
    """A task that not every compared variant has."""

    task: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """The runs that count. cells[variant, task] are their curves; every one covers `env_steps`."""

    suite: str
    variants: tuple[str, ...]  # compared, in the order asked
    floor: str | None  # shown beside them, in no verdict
    tasks: tuple[str, ...]
    env_steps: tuple[int, ...]  # shared evaluations; the last is the matched budget
    cells: dict[tuple[str, str], list[Curve]]
    left_out: tuple[LeftOut, ...]
    left_out_tasks: tuple[LeftOutTask, ...]
    notes: tuple[str, ...]

    @property
    def budget(self) -> int:
        return self.env_steps[-1]


def choose_suite(results: Place, runs: Sequence[Run], suite: str | None) -> list[Run]:
    """The runs of the chosen suite, or of the only one there."""
    if not runs:
        raise NoRunsError(f"no runs in '{results}'")
    found = sorted({run.suite for run in runs})
    if suite is None and len(found) > 1:
        raise SuiteChoiceError(f"{len(found)} suites in '{results}': {', '.join(found)}; choose one with suite=NAME")
    if suite is not None and suite not in found:
        raise UnknownSuiteError(f"no runs of suite '{suite}' in '{results}'{nearest(suite, found)}")
    return [run for run in runs if run.suite == (suite or found[0])]


def choose_variants(runs: Sequence[Run], names: Sequence[str]) -> tuple[list[str], str | None]:
    """The variants to compare, and the floor to show beside them."""
    known = sorted({run.variant for run in runs})
    for name in names:
        if name not in known:
            raise UnknownVariantError(f"no runs of '{name}' in suite {runs[0].suite}{nearest(name, known)}")
    own = sorted({run.variant for run in runs if external(run) is None})
    compared = list(dict.fromkeys(names)) or [name for name in own or known if name != FLOOR] or [FLOOR]
    return compared, FLOOR if FLOOR in known and FLOOR not in compared else None


def select(
    runs: Sequence[Run],
    evals: pd.DataFrame,
    names: Sequence[str],
    budget: int | None,
    allow: Collection[str] = (),
) -> Selection:
    """The runs of one suite that the statistics count. Raises the errors of `report.errors`.

    allow: differences (of ALLOWABLE) that are noted instead of refused.
    """
    variants, floor = choose_variants(runs, names)
    usable: dict[tuple[str, str], list[Curve]] = {}
    left_out: list[LeftOut] = []
    for curve in curves([run for run in runs if run.variant in (*variants, floor)], evals):
        run = curve.run
        if run.status == "failed":
            left_out.append(_left_out(run, run.reason or "no reason recorded"))
        elif not curve.begun:
            left_out.append(_left_out(run, "no evaluation after env step 0"))
        else:
            usable.setdefault((run.variant, run.task), []).append(curve)
    tasks, left_out_tasks = _shared_tasks(runs, variants, usable)
    cells = {(v, t): usable[v, t] for t in tasks for v in variants}
    notes = require_comparable([curve for cell in cells.values() for curve in cell], allow)
    env_steps = shared_env_steps(cells.values(), budget)
    if budget is not None and env_steps[-1] != budget:
        notes.append(f"asked for {budget:,} env steps; {env_steps[-1]:,} is the latest evaluation up to there")
    if floor is not None:
        why_not = _floor_misfit(floor, tasks, usable, cells, env_steps, allow)
        if why_not:
            notes.append(f"{floor} is not shown as the floor: {why_not}")
            floor = None
        else:
            cells |= {(floor, t): usable[floor, t] for t in tasks}
    for key, cell in cells.items():
        cells[key] = [curve for curve in cell if all(curve.covers(step) for step in env_steps)]
        left_out += [_short(curve, env_steps) for curve in cell if curve not in cells[key]]
    counted = [curve.run for cell in cells.values() for curve in cell]
    return Selection(
        suite=runs[0].suite,
        variants=tuple(variants),
        floor=floor,
        tasks=tuple(tasks),
        env_steps=env_steps,
        cells=cells,
        left_out=tuple(sorted(left_out, key=lambda r: (r.variant, r.task, r.seed))),
        left_out_tasks=tuple(left_out_tasks),
        notes=(*notes, *_origins(counted), *_mixtures([run for run in counted if external(run) is None])),
    )


def _left_out(run: Run, reason: str) -> LeftOut:
    return LeftOut(run.variant, run.task, run.seed, run.status, reason)


def _short(curve: Curve, env_steps: Sequence[int]) -> LeftOut:
    reached = max(curve.env_steps, default=0)
    if reached < env_steps[-1]:
        return _left_out(curve.run, f"reached {reached:,} of {env_steps[-1]:,} env steps")
    missing = next(step for step in env_steps if not curve.covers(step))
    return _left_out(curve.run, f"no evaluation at env step {missing:,}")


def _shared_tasks(
    runs: Sequence[Run], variants: Sequence[str], usable: dict[tuple[str, str], list[Curve]]
) -> tuple[list[str], list[LeftOutTask]]:
    tasks, left_out = [], []
    for task in sorted({run.task for run in runs if run.variant in variants}):
        lacking = [variant for variant in variants if (variant, task) not in usable]
        if lacking:
            reasons = [
                _lack(variant, [r for r in runs if (r.variant, r.task) == (variant, task)]) for variant in lacking
            ]
            left_out.append(LeftOutTask(task, "; ".join(reasons)))
        else:
            tasks.append(task)
    if not tasks:
        why = "; ".join(f"{lost.task}: {lost.reason}" for lost in left_out)
        raise NotComparableError(f"not comparable: {listed(variants)} share no task with usable runs ({why})")
    return tasks, left_out


def _lack(variant: str, runs: Sequence[Run]) -> str:
    if not runs:
        return f"no runs of {variant}"
    failed = sum(run.status == "failed" for run in runs)
    begun = [f"{failed} failed"] if failed else []
    begun += [f"{len(runs) - failed} not evaluated yet"] if len(runs) > failed else []
    return f"no usable run of {variant} ({', '.join(begun)})"


def require_score(run: Run) -> None:
    """Raises NotComparableError where run.json does not say how the run is scored."""
    lower, upper = run.score.get("lower"), run.score.get("upper")
    numbers = all(isinstance(bound, int | float) and math.isfinite(bound) for bound in (lower, upper))
    if run.score.get("kind") not in ("final", "auc") or not numbers or not lower < upper:  # type: ignore[operator]
        raise NotComparableError(f"not comparable: {run.path / 'run.json'} has no usable score: {run.score}")


def require_comparable(chosen: Sequence[Curve], allow: Collection[str] = ()) -> list[str]:
    """Notes on the differences that `allow` names. Raises NotComparableError for any other, naming what differs.

    All runs must share the protocol, the budget and the kind of score; the runs of a task its score bounds and its
    physics; the seeds of a cell their settings. What an external run does not tell is not asked of it: the notes
    say where it comes from.
    """
    seen: dict[tuple[str, ...], tuple[Any, Run]] = {}
    notes: dict[str, None] = {}
    for run in (curve.run for curve in chosen):
        require_score(run)
        of = run.identity.get("of", {})
        protocol = dict(of.get("protocol", {}))
        budget = {"env_steps": protocol.pop("env_steps", None)}
        bounds = {"lower": run.score["lower"], "upper": run.score["upper"]}
        facts: list[tuple[str, str, tuple[str, ...], Any]] = [
            ("", "score", (), {"kind": run.score["kind"]}),
            ("", "score", (run.task,), bounds),
        ]
        if external(run) is None:
            facts += [
                ("protocol", "protocol", (), protocol),
                ("budget", "protocol", (), budget),
                ("physics", "physics", (run.task,), {"": of.get("physics")}),
                ("settings", "settings", (run.variant, run.task), of.get("settings", {})),
            ]
        for kind, name, key, value in facts:
            known, first = seen.setdefault((kind, name, *key), (value, run))
            if known != value:
                text = _difference(name, known, first, value, run)
                if kind not in allow:
                    hint = f" (--allow {kind} compares them all the same)" if kind else ""
                    raise NotComparableError(f"not comparable: {text}{hint}")
                notes[f"allowed by --allow {kind}: {text}"] = None
    return list(notes)


def _difference(what: str, a: Any, run_a: Run, b: Any, run_b: Run) -> str:
    name, old, new = next(_unequal(what, a, b))
    here, there = (
        f"{run.variant}" if run_a.variant != run_b.variant else f"{run.variant} seed {run.seed}"
        for run in (run_a, run_b)
    )
    place = f" on {run_a.task}" if run_a.task == run_b.task else ""
    if run_a.task != run_b.task:
        here, there = f"{here} on {run_a.task}", f"{there} on {run_b.task}"
    return f"{name.removesuffix('.')}{place} is {old} for {here} and {new} for {there}"


def _unequal(path: str, a: Any, b: Any) -> Any:
    """Dotted name and both values wherever two nested dicts differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from _unequal(f"{path}.{key}", a.get(key), b.get(key))
    elif a != b:
        yield path, a, b


def _floor_misfit(
    floor: str,
    tasks: Sequence[str],
    usable: dict[tuple[str, str], list[Curve]],
    cells: dict[tuple[str, str], list[Curve]],
    env_steps: Sequence[int],
    allow: Collection[str] = (),
) -> str:
    """Why the floor cannot stand beside the compared runs; "" if it can."""
    lacking = [task for task in tasks if (floor, task) not in usable]
    if lacking:
        return f"it has no usable run on {listed(lacking)}"
    own = [curve for task in tasks for curve in usable[floor, task]]
    try:
        require_comparable([*(curve for cell in cells.values() for curve in cell), *own], allow)
    except NotComparableError as error:
        return str(error).removeprefix("not comparable: ").partition(" (--allow ")[0]
    for task in tasks:
        if not any(all(c.covers(step) for step in env_steps) for c in usable[floor, task]):
            return f"no run of it on {task} reached {env_steps[-1]:,} env steps"
    return ""


def _origins(runs: Sequence[Run]) -> list[str]:
    """Where each external variant comes from, and how it is read."""
    notes: dict[str, str] = {}
    for run in runs:
        told = external(run)
        if told is None or run.variant in notes:
            continue
        kind = "published curves" if told.get("published") else "curves of another tool"
        notes[run.variant] = (
            f"{run.variant}: {kind} from {told.get('source')} (licence: {told.get('licence')}; steps counted as "
            f"{told.get('unit')}, action repeat {told.get('action_repeat')}), trained elsewhere under another "
            "protocol; read by linear interpolation at the matched env steps"
        )
    return [notes[name] for name in sorted(notes)]


def _mixtures(runs: Sequence[Run]) -> list[str]:
    """What differs between the runs without forbidding the comparison: code, package versions, execution."""
    notes = []
    for key, words in (
        ("code", "versions of dimebench"),
        ("versions", "sets of packages"),
        ("execution", "executions"),
    ):
        found: list[Any] = []
        for run in runs:
            value = run.identity.get("of", {}).get(key)
            found += [value] if value not in found else []
        if len(found) > 1:
            differing = dict.fromkeys(
                f"{name.removeprefix('.')}: {old} and {new}" if name else f"{old} and {new}"
                for other in found[1:]
                for name, old, new in _unequal("", found[0], other)
            )
            notes.append(f"the runs come from {len(found)} {words} ({'; '.join(differing)})")
    return notes
