"""Which runs a report rests on: suite, variants, tasks; what is left out and why; what is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd

from dimebench.analysis import errors
from dimebench.analysis.comparability import differences, has_usable_score, mixtures, origins, require_comparable
from dimebench.analysis.curves import Curve, curves, decisive, shared_env_steps
from dimebench.analysis.notes import BudgetTrimmed, FloorNotShown, Lacking, LeftOut, LeftOutTask, Note, limited_by
from dimebench.errors import close, nearest
from dimebench.numbers import listed
from dimebench.reference import find, references
from dimebench.store import Run, StoreError, read_runs
from dimebench.store.external import OTHER, PUBLISHED, external
from dimebench.store.places import Place
from dimebench.store.reader import TwiceError

ALLOWABLE = ("budget", "physics", "protocol", "settings")  # differences that `--allow` lets pass
FLOOR = "random"  # the variant that learns nothing: a floor in tables, in no verdict unless asked for


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
    notes: tuple[Note, ...]
    axis: str = "env_step"  # what `env_steps` count: they may have been moved along another axis

    @property
    def budget(self) -> int:
        return self.env_steps[-1]

    @property
    def compared(self) -> list[Curve]:
        """The curves of every variant but the floor."""
        return [curve for (variant, _), cell in self.cells.items() if variant != self.floor for curve in cell]

    def of(self, variant: str) -> list[list[Curve]]:
        """The curves of a variant, over tasks."""
        return [self.cells[variant, task] for task in self.tasks]


def choose_suite(results: Place, runs: Sequence[Run], suite: str | None) -> list[Run]:
    """The runs of the chosen suite, or of the only one there."""
    if not runs:
        raise errors.NoRunsError(f"no runs in '{results}'")
    found = sorted({run.suite for run in runs})
    if suite is None and len(found) > 1:
        raise errors.SuiteChoiceError(
            f"{len(found)} suites in '{results}': {', '.join(found)}; choose one with suite=NAME"
        )
    if suite is not None and suite not in found:
        raise errors.UnknownSuiteError(f"no runs of suite '{suite}' in '{results}'{nearest(suite, found)}")
    return [run for run in runs if run.suite == (suite or found[0])]


def read_chosen(results: Place, suite: str | None, names: Sequence[str], broken: list[StoreError]) -> list[Run]:
    """The runs of a suite, of these variants where any are named. Raises ReportError, StoreError.

    broken: collects what keeps single runs from being read; the others count. Two folders with the same run are
    refused all the same, for either may be the true one.
    """
    every = read_runs(results, broken=broken)
    for error in broken:
        if not every or isinstance(error, TwiceError):
            raise error
    with naming(broken):
        runs = choose_suite(results, every, suite)
        wanted = choose_variants(runs, names)[0] if names else {run.variant for run in runs}
    return [run for run in runs if run.variant in wanted]


def require_left(runs: Sequence[Run], lost: Mapping[Place, StoreError], named: Collection[str]) -> list[Run]:
    """The runs that are not lost, which `lost` says by their folders.

    Raises what lost a run where nothing is left, of all or of a variant that was named.
    """
    left = [run for run in runs if run.path not in lost]
    variants = {run.variant for run in left}
    for run in runs if lost else ():
        if run.path in lost and (not left or (run.variant in named and run.variant not in variants)):
            raise lost[run.path]
    return left


def full_names(names: Sequence[str], runs: Sequence[Run], broken: Sequence[StoreError]) -> list[str]:
    """`in_full`, whose errors name a run that cannot be read."""
    with naming(broken):
        return in_full(names, runs)


@contextmanager
def naming(broken: Sequence[StoreError]) -> Iterator[None]:
    """Errors about what there is name a run that cannot be read, too: it may be the one that is missed."""
    try:
        yield
    except errors.ReportError as error:
        raise type(error)(f"{error}; not read: {broken[0]}") if broken else error from None


def choose_variants(runs: Sequence[Run], names: Sequence[str]) -> tuple[list[str], str | None]:
    """The variants to compare, and the floor to show beside them. Raises UnknownVariantError."""
    known = sorted({run.variant for run in runs})
    wanted = in_full(names, runs)
    for name in wanted:
        if name not in known:
            raise errors.UnknownVariantError(
                f"no runs of '{name}' in suite {runs[0].suite}: it is published, not run"
            )
    own = sorted({run.variant for run in runs if external(run) is None})
    compared = wanted or [name for name in own or known if name != FLOOR] or [FLOOR]
    return compared, FLOOR if FLOOR in known and FLOOR not in compared else None


def in_full(names: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """The variants and published references that names mean, each once: what a command's words go through first.

    The prefix of an imported variant (`ext:`, `paper:`) may be left out where one variant alone has the rest of its
    name, and none is called so. A published reference is named with its prefix, in any case. Raises
    UnknownVariantError, AmbiguousVariantError, UnknownReferenceError, with the nearest names that exist.
    """
    variants = sorted({run.variant for run in runs}, key=lambda name: (name.startswith((OTHER, PUBLISHED)), name))
    return list(dict.fromkeys(_in_full(name, variants, runs[0].suite) for name in names))


def _in_full(name: str, variants: Sequence[str], suite: str) -> str:
    """variants: those with runs, one's own first."""
    if name in variants:
        return name
    published = name.startswith(PUBLISHED)
    alike = [v for v in variants if (v.lower() == name.lower() if published else name != v and name == _bare(v))]
    if len(alike) > 1:
        raise errors.AmbiguousVariantError(f"'{name}' may be {' or '.join(alike)} in suite {suite}: name one of them")
    if alike:
        return alike[0]
    if published:
        return find(name, among=[v for v in variants if v.startswith(PUBLISHED)]).name
    raise errors.UnknownVariantError(f"no runs of '{name}' in suite {suite}{_nearest(_bare(name), variants)}")


def _nearest(bare: str, variants: Sequence[str]) -> str:
    """The tail of a message: variants first, then published references so called, or that alone are close."""
    near = [v for found in close(bare, map(_bare, variants)) for v in variants if _bare(v).lower() == found.lower()]
    citable = [reference for reference in references().values() if reference.name not in variants]
    near += [r.name for r in citable if r.algorithm.lower() == bare.lower()]
    near = near or close(bare, [r.name for r in citable], _bare)
    return f" (nearest: {', '.join(near)})" if near else nearest(bare, variants)


def _bare(variant: str) -> str:
    """The name of a variant without the prefix of imported ones."""
    return variant.removeprefix(OTHER).removeprefix(PUBLISHED)


def select(
    runs: Sequence[Run], evals: pd.DataFrame, names: Sequence[str], budget: int | None, allow: Collection[str] = ()
) -> Selection:
    """The runs of one suite that the statistics count. Raises the errors of `analysis.errors`.

    allow: differences (of ALLOWABLE) that are noted instead of refused.
    """
    variants, floor = choose_variants(runs, names)
    usable: dict[tuple[str, str], list[Curve]] = {}
    left_out: list[LeftOut] = []
    for curve in curves([run for run in runs if run.variant in (*variants, floor)], evals):
        run = curve.run
        if run.status == "failed" or not curve.begun:
            left_out.append(LeftOut(run.variant, run.task, run.seed, run.status, run.reason))
        else:
            usable.setdefault((run.variant, run.task), []).append(curve)
    tasks, left_out_tasks = _shared_tasks(runs, variants, usable)
    cells = {(v, t): usable[v, t] for t in tasks for v in variants}
    compared = [curve for cell in cells.values() for curve in cell]
    notes: list[Note] = [*require_comparable(compared, allow)]
    env_steps = shared_env_steps(cells.values(), budget)
    if budget is not None and env_steps[-1] != budget:
        notes.append(BudgetTrimmed(budget, env_steps[-1]))
    deciding = [curve for cell in cells.values() for curve in decisive(cell)]
    ends = [(curve.run.variant, (curve.run.task, curve.run.seed, curve.reach)) for curve in deciding]
    if limited := limited_by(ends, budget):
        notes.append(limited)
    if floor is not None:
        own = {task: usable.get((floor, task), []) for task in tasks}
        if why_not := _floor_misfit(floor, own, compared, env_steps, allow):
            notes.append(why_not)
            floor = None
        else:
            cells |= {(floor, task): cell for task, cell in own.items()}
    enough: dict[object, bool] = {}
    for cell in cells.values():
        for curve in cell:
            if curve.grid not in enough:
                enough[curve.grid] = all(curve.covers(step) for step in env_steps)
    for key, cell in cells.items():
        cells[key] = [curve for curve in cell if enough[curve.grid]]
        left_out += [_short(curve, env_steps) for curve in cell if not enough[curve.grid]]
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
        notes=(*notes, *origins(counted), *mixtures([run for run in counted if external(run) is None], FLOOR)),
    )


def _short(curve: Curve, env_steps: Sequence[int]) -> LeftOut:
    run, reached = curve.run, max(curve.env_steps, default=0)
    missing = next(step for step in env_steps if not curve.covers(step))
    return LeftOut(run.variant, run.task, run.seed, run.status, None, reached, env_steps[-1], missing)


def _shared_tasks(
    runs: Sequence[Run], variants: Sequence[str], usable: dict[tuple[str, str], list[Curve]]
) -> tuple[list[str], list[LeftOutTask]]:
    tasks, left_out = [], []
    for task in sorted({run.task for run in runs if run.variant in variants}):
        lacking = []
        for variant in (name for name in variants if (name, task) not in usable):
            failed = [run.status == "failed" for run in runs if (run.variant, run.task) == (variant, task)]
            lacking.append(Lacking(variant, sum(failed), len(failed) - sum(failed)))
        if lacking:
            left_out.append(LeftOutTask(task, tuple(lacking)))
        else:
            tasks.append(task)
    if not tasks:
        why = "; ".join(f"{lost.task}: {lost.reason}" for lost in left_out)
        raise errors.NotComparableError(f"not comparable: {listed(variants)} share no task with usable runs ({why})")
    return tasks, left_out


def _floor_misfit(
    floor: str, own: dict[str, list[Curve]], others: Iterable[Curve], env_steps: Sequence[int], allow: Collection[str]
) -> FloorNotShown | None:
    """Why the floor, with its own curves by task, cannot stand beside the other runs; None if it can."""
    lacking = tuple(task for task, cell in own.items() if not cell)
    if lacking:
        return FloorNotShown(floor, lacking)
    curves_ = [curve for cell in own.values() for curve in cell]
    for run in (curve.run for curve in curves_):
        if not has_usable_score(run):
            return FloorNotShown(floor, unscored=(str(run.path / "run.json"), run.score))
    for difference in differences([*others, *curves_]):
        if difference.kind not in allow:
            return FloorNotShown(floor, difference=difference)
    for task, cell in own.items():
        if not any(all(curve.covers(step) for step in env_steps) for curve in cell):
            return FloorNotShown(floor, ends_before=(env_steps[-1], "env_step", task))
    return None
