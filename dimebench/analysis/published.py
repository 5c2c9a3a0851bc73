"""Published aggregates next to the user's own runs, at matched env steps.

An aggregate over other people's seeds holds no runs, so nothing is resampled and no verdict is made: it is set
against the interval of the user's runs on the same tasks. A figure on another version of a task (gymnasium's Ant-v4
beside Ant-v5) is shown, with that remark, and enters no number. `dimebench import` of per-seed curves makes runs,
which are compared like any others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from dimebench.analysis.errors import NotComparableError
from dimebench.analysis.summary import Citation, Cited, Summary
from dimebench.numbers import listed, span
from dimebench.reference import PREFIX, Point, Reference, find, references, versioned
from dimebench.stats import Estimate, estimate
from dimebench.stats.bootstrap import stream

# What a report that names no reference shows next to a variant: the same algorithm as others published it.
PEERS = {
    "dime": "paper:DIME",
    "sac": "paper:SAC@simba",
    "crossq": "paper:CrossQ (DIME paper)",
    "dime-gaussian": "paper:Gaussian policy (DIME implementation)",
}


def split(names: Sequence[str], stored: Collection[str]) -> tuple[list[str], list[Reference]]:
    """Names of runs, and references among them: those `paper:` names that no run on disk has.

    Raises UnknownReferenceError.
    """
    cited = [name for name in names if name.startswith(PREFIX) and name not in stored]
    return [name for name in names if name not in cited], [find(name) for name in cited]


def peers(summary: Summary) -> list[Reference]:
    """The references to show with the summary's variants when none is named."""
    known = references()
    wanted = [PEERS[v] for v in summary.variants if v in PEERS and PEERS[v] not in summary.variants]
    return [known[name] for name in wanted]


def cite(summary: Summary, wanted: Sequence[Reference], asked: bool = True) -> Summary:
    """The summary with those references that have a figure at its budget.

    asked: the user named them, so one without a figure is an error (NotComparableError).
    """
    alike = summary.score == "final" and summary.axis == "env_step"
    found = [_citation(summary, reference, asked) for reference in wanted] if alike else []
    if asked and wanted:
        if not found:
            raise NotComparableError("not comparable: published figures are final returns at an env step, no others")
        for citation, reference in zip(found, wanted, strict=True):
            if not citation.points:
                raise NotComparableError(f"not comparable: {_nothing_there(summary, reference)}")
    return replace(summary, published=tuple(citation for citation in found if citation.points))


def _own_estimate(summary: Summary, variant: str, tasks: Collection[str], statistic: str) -> Estimate:
    """The variant's own mean over these tasks, normalised; where IQMs are cited a mean of IQMs, without interval."""
    cells = [summary.cell(variant, task) for task in tasks]
    if statistic == "IQM":
        scaled = [cell.normalised(cell.iqm.point) for cell in cells]
        return Estimate(float(np.mean(scaled)), None)
    scores = [np.array([cell.normalised(score) for score in cell.scores]) for cell in cells]
    rng = stream(summary.seed, "cited", variant)
    return estimate(scores, ("mean",), rng=rng, resamples=summary.resamples)["mean"]


def _citation(summary: Summary, reference: Reference, asked: bool) -> Citation:
    repeat = _action_repeat(summary)
    frames = summary.budget * repeat
    matched, others, curves = {}, {}, {}
    for task in summary.tasks:
        near = reference.at(task, frames)
        if near is not None:
            matched[task] = _cited(task, near, repeat)
        elif (other := _of_other_version(reference, task, frames, repeat)) is not None:
            others[task] = other
        reached = [p for p in reference.points.get(task, ()) if p.frames <= frames * 1.05]
        curves[task] = tuple(_cited(task, p, repeat) for p in reached)
    seeds = sorted({point.seeds for point in (*matched.values(), *others.values()) if point.seeds})
    found = Citation(
        variant=reference.name,
        algorithm=reference.algorithm,
        source=reference.source,
        path=reference.path,
        licence=reference.licence,
        action_repeat=reference.action_repeat,
        seeds=span(seeds[0], seeds[-1]) if seeds else reference.seeds,
        note=reference.note,
        matched=matched,
        other_versions=others,
        curves=curves,
        score=None,
        own={},
        asked=asked,
    )
    if not matched:
        return found
    cells = {task: summary.cell(summary.variants[0], task) for task in matched}
    scaled = [cells[task].normalised(point.figure(found.statistic)) for task, point in matched.items()]
    found = replace(found, score=float(np.mean(scaled)))
    if not asked:
        return found
    own = {variant: _own_estimate(summary, variant, matched, found.statistic) for variant in summary.variants}
    return replace(found, own=own)


def _of_other_version(reference: Reference, task: str, frames: int, repeat: int) -> Cited | None:
    """The figure on the nearest other version of the task that has one at the budget."""
    for other in reference.other_versions(task):
        near = reference.at(other, frames)
        if near is not None:
            return _cited(other, near, repeat, other_version([other]))
    return None


def _cited(task: str, point: Point, repeat: int, remark: str = "") -> Cited:
    steps = round(point.frames / repeat)
    figures = (point.mean, point.iqm, point.iqm_low, point.iqm_high)
    return Cited(task, remark, steps, point.kind, point.seeds, *figures)


def other_version(tasks: Collection[str]) -> str:
    """What is said of figures on other versions of a task: "v4; not the same task"."""
    versions = sorted({versioned(task)[1] for task in tasks})
    return f"{listed([f'v{version}' for version in versions])}; not the same task"


def _action_repeat(summary: Summary) -> int:
    """Frames per env step of the summary's own runs."""
    protocols = [run.identity.get("of", {}).get("protocol", {}) for run in summary.runs]
    return next((int(p["action_repeat"]) for p in protocols if p.get("action_repeat")), 1)


def _nothing_there(summary: Summary, reference: Reference) -> str:
    """Why a reference has no figure at the budget."""
    repeat = _action_repeat(summary)
    others = [other for task in summary.tasks for other in reference.other_versions(task)]
    same = [task for task in summary.tasks if task in reference.points]
    steps = sorted({round(p.nominal / repeat) for task in same or others for p in reference.points[task]})
    if steps:
        there = ", ".join(f"{step:,}" for step in steps)
        remark = "" if same else f" ({other_version(others)})"
        return (
            f"{reference.name} has figures at {there} env steps{remark}, these runs are matched at {summary.budget:,}"
        )
    tasks = sorted(reference.points)
    more = ", ..." if len(tasks) > 4 else ""
    return f"{reference.name} has no figures on {listed(summary.tasks)} (it has {', '.join(tasks[:4])}{more})"
