"""Published aggregates beside one's own runs, at matched env steps, and always said to be published.

An aggregate over somebody else's seeds holds no runs, so nothing is resampled and no verdict is made: a sentence
says where the published figure lies against the interval of one's own. `dimebench import` of per-seed curves makes
runs, which are compared like any others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dimebench.analysis.errors import NotComparableError
from dimebench.numbers import count, listed, percent, span, unit
from dimebench.reference import PREFIX, Point, Reference, find, references
from dimebench.stats import Estimate, estimate
from dimebench.stats.bootstrap import stream

if TYPE_CHECKING:
    from dimebench.analysis.summary import Summary

# What stands beside a variant in a report that names no reference: the same algorithm as others published it.
PEERS = {
    "dime": "paper:DIME",
    "sac": "paper:SAC@simba",
    "crossq": "paper:CrossQ (DIME paper)",
    "dime-gaussian": "paper:Gaussian policy (DIME implementation)",
}


@dataclass(frozen=True)
class Cited:
    """A published figure on one task, in units of return; `env_steps` are those of the suite."""

    env_steps: int
    kind: str
    seeds: int | None
    mean: float | None
    iqm: float | None
    iqm_low: float | None
    iqm_high: float | None

    @property
    def value(self) -> float:
        """The mean where it was published, else the IQM."""
        figure = self.mean if self.mean is not None else self.iqm
        assert figure is not None
        return figure


@dataclass(frozen=True)
class Citation:
    """A reference on the tasks of a summary."""

    variant: str  # "paper:DIME"
    algorithm: str
    source: str
    licence: str
    action_repeat: str
    seeds: str
    note: str
    matched: dict[str, Cited]  # by task, at the summary's budget
    curves: dict[str, tuple[Cited, ...]]  # by task, up to the budget
    score: float | None  # mean over `matched` in normalised scores

    @property
    def statistic(self) -> str:
        """What is published: the mean over seeds, or an IQM read off a figure."""
        return "mean" if all(point.mean is not None for point in self.matched.values()) else "IQM"


def split(names: Sequence[str], stored: Collection[str]) -> tuple[list[str], list[Reference]]:
    """Names of runs, and references among them: those `paper:` names that no run on disk has.

    Raises UnknownReferenceError.
    """
    cited = [name for name in names if name.startswith(PREFIX) and name not in stored]
    return [name for name in names if name not in cited], [find(name) for name in cited]


def peers(summary: Summary) -> list[Reference]:
    """The references that go with the summary's variants by themselves."""
    known = references()
    wanted = [PEERS[v] for v in summary.variants if v in PEERS and PEERS[v] not in summary.variants]
    return [known[name] for name in wanted]


def cite(summary: Summary, wanted: Sequence[Reference], asked: bool = True) -> Summary:
    """The summary with those references that have a figure at its budget, and a sentence on each.

    asked: somebody named them, so one without a figure is an error (NotComparableError), and what is said of them
    takes the place of "there is nothing to compare it with". Otherwise they only stand beside the runs.
    """
    by_env_step = getattr(summary, "axis", "env_step") == "env_step"
    alike = summary.score == "final" and by_env_step
    found = [_citation(summary, reference) for reference in wanted] if alike else []
    if asked and wanted:
        if not found:
            raise NotComparableError("not comparable: published figures are final returns at an env step, no others")
        for citation, reference in zip(found, wanted, strict=True):
            if not citation.matched:
                raise NotComparableError(f"not comparable: {_nothing_there(summary, reference)}")
    found = [citation for citation in found if citation.matched]
    said = [sentence(summary, variant, citation) for citation in found for variant in summary.variants]
    sentences = summary.sentences if summary.comparisons else (*said,) if asked and said else summary.sentences
    extra = tuple(said) if asked and summary.comparisons else ()
    return replace(summary, published=tuple(found), sentences=(*sentences, *extra))


def sentence(summary: Summary, variant: str, citation: Citation) -> str:
    """Where the published figure lies against one's own, with source, seeds and env steps of both."""
    tasks = list(citation.matched)
    steps = sorted(point.env_steps for point in citation.matched.values())
    own = own_estimate(summary, variant, citation)
    assert citation.score is not None
    text = (
        f"{citation.variant} is published, not run here ({citation.source}, licence {citation.licence}, "
        f"seeds: {citation.seeds}, action repeat {citation.action_repeat}): {citation.statistic} of the normalised "
        f"score {unit(citation.score)} over {count(len(tasks), 'task')} at "
        f"{' to '.join(f'{step:,}' for step in dict.fromkeys((steps[0], steps[-1])))} env steps; "
        f"{variant} has {unit(own.point)}"
    )
    if own.interval is not None:
        low, high = own.interval.low, own.interval.high
        where = "above" if citation.score > high else "below" if citation.score < low else "within"
        text += f" ({percent(own.interval.confidence)} CI {unit(low)} to {unit(high)})"
        text += f" at {summary.budget:,}, and the published figure lies {where} that interval"
    else:
        text += f" at {summary.budget:,}"
    return text + ". Published aggregates hold no runs: no verdict is made."


def own_estimate(summary: Summary, variant: str, citation: Citation) -> Estimate:
    """One's own mean over the citation's tasks, normalised; of IQMs and without interval where it has IQMs."""
    cells = [summary.cell(variant, task) for task in citation.matched]
    if citation.statistic == "IQM":
        scaled = [(cell.iqm.point - cell.lower) / (cell.upper - cell.lower) for cell in cells]
        return Estimate(float(np.mean(scaled)), None)
    scores = [(np.array(cell.scores) - cell.lower) / (cell.upper - cell.lower) for cell in cells]
    rng = stream(summary.seed, "cited", variant)
    return estimate(scores, ("mean",), rng=rng, resamples=summary.resamples)["mean"]


def _citation(summary: Summary, reference: Reference) -> Citation:
    repeat = action_repeat(summary)
    matched, curves = {}, {}
    for task in summary.tasks:
        near = reference.at(task, summary.budget * repeat)
        if near is not None:
            matched[task] = _cited(near, repeat)
        reached = summary.budget * repeat * 1.05
        curves[task] = tuple(_cited(p, repeat) for p in reference.points.get(task, ()) if p.frames <= reached)
    scaled = []
    for task, point in matched.items():
        cell = summary.cell(summary.variants[0], task)
        scaled.append((point.value - cell.lower) / (cell.upper - cell.lower))
    seeds = sorted({point.seeds for point in matched.values() if point.seeds})
    return Citation(
        variant=reference.name,
        algorithm=reference.algorithm,
        source=reference.source,
        licence=reference.licence,
        action_repeat=reference.action_repeat,
        seeds=span(seeds[0], seeds[-1]) if seeds else reference.seeds,
        note=reference.note,
        matched=matched,
        curves=curves,
        score=float(np.mean(scaled)) if scaled else None,
    )


def _cited(point: Point, repeat: int) -> Cited:
    steps = round(point.frames / repeat)
    return Cited(steps, point.kind, point.seeds, point.mean, point.iqm, point.iqm_low, point.iqm_high)


def action_repeat(summary: Summary) -> int:
    """Frames per env step of the summary's own runs."""
    protocols = [run.identity.get("of", {}).get("protocol", {}) for run in summary.runs]
    return next((int(p["action_repeat"]) for p in protocols if p.get("action_repeat")), 1)


def _nothing_there(summary: Summary, reference: Reference) -> str:
    """Why a reference has no figure at the budget."""
    repeat = action_repeat(summary)
    steps = sorted({round(p.nominal / repeat) for task in summary.tasks for p in reference.points.get(task, ())})
    if steps:
        there = ", ".join(f"{step:,}" for step in steps)
        return f"{reference.name} has figures at {there} env steps, these runs are matched at {summary.budget:,}"
    tasks = sorted(reference.points)
    more = ", ..." if len(tasks) > 4 else ""
    return f"{reference.name} has no figures on {listed(summary.tasks)} (it has {', '.join(tasks[:4])}{more})"
