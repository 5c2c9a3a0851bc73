"""The report as one self-contained page: inline CSS and SVG, no script, nothing fetched.

The template escapes every text it is given; only this module's own SVG enters unescaped.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

import dimebench
from dimebench.report import captions, numbers, tables, verdict
from dimebench.report.figures import draw_one_task, render, specs
from dimebench.report.style import FLOOR, SERIES, css_variables, looks
from dimebench.report.summary import CellRow, RunRow, Summary
from dimebench.report.svg import inline
from dimebench.stats import Comparison
from dimebench.store import atomic_write

# Text stays text, to be searched and to take the page's font; the page's own colour is the background.
IN_PAGE = {"svg.fonttype": "none", "figure.facecolor": "none"}
PER_TASK = "learning_curves"  # drawn task by task, so that the page can arrange the panels


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page: one drawing, or one per task."""

    name: str
    title: str
    caption: str
    drawings: tuple[Markup, ...]


def write_html(summary: Summary, path: Path) -> Path:
    """Write the page. Raises OSError where it cannot be written; nothing half-written stays behind."""
    atomic_write(path, page(summary).encode())
    return path


def page(summary: Summary) -> str:
    """The page's HTML: the same for the same summary."""
    environment = Environment(
        loader=PackageLoader("dimebench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "unit": numbers.unit,
        "signed": numbers.signed,
        "raw": numbers.raw,
        "percent": numbers.percent,
        "count": numbers.count,
        "duration": numbers.duration,
        "estimate": numbers.estimate,
        "plain": plain,
        "whole": lambda value: f"{value:,}" if isinstance(value, int) else plain(value),
        "elapsed": lambda value: numbers.duration(value) if isinstance(value, int | float) else plain(value),
        "seconds": lambda text: str(text).split(".")[0].replace("T", " ").removesuffix("+00:00"),
    }
    series = _series(summary)
    origins, origin_of = _origins(summary)
    return environment.get_template("report.html.j2").render(
        summary=summary,
        verdicts=[_verdict(summary, index) for index in range(len(summary.sentences))],
        figures=_figures(summary),
        series=series,
        strip_of=partial(_strip, series=series),
        left_out=sorted(summary.left_out, key=lambda row: row.status != "failed"),
        remarks=tables.remarks(summary),
        aggregate_words=tables.AGGREGATE_WORDS,
        seeds=captions.seeds(summary),
        seed_span=numbers.span,
        overview=verdict.overview(summary.comparisons) if len(summary.comparisons) > 1 else [],
        where=verdict.where(summary),
        caution=verdict.caution(summary.comparisons),
        settings=_settings(summary),
        facts=origins,
        place_of=lambda run: 1 + origin_of(run),
        commands=_commands(summary),
        light=Markup(css_variables(dark=False)),
        dark=Markup(css_variables(dark=True)),
        version=dimebench.__version__,
    )


def plain(value: Any) -> str:
    """A setting or a fact as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items())
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _verdict(summary: Summary, index: int) -> dict[str, Any]:
    comparison = summary.comparisons[index] if summary.comparisons else None
    pair = verdict.winner(comparison) if comparison else None
    return {
        "headline": verdict.headline(comparison) if comparison else summary.variants[0],
        "better": pair[0] if pair else None,
        "sentence": summary.sentences[index],
        "comparison": comparison,
        "forest": _forest(comparison, summary) if comparison else None,
    }


def _forest(comparison: Comparison, summary: Summary) -> dict[str, float] | None:
    """Where zero, the point and the interval lie on a bar, in percent; one scale for all comparisons."""
    interval = comparison.difference.interval
    if interval is None:
        return None
    reach = max(abs(end) for c in summary.comparisons if (i := c.difference.interval) for end in (i.low, i.high))
    scale = 46 / (reach or 1.0)
    return {
        "low": 50 + scale * interval.low,
        "width": max(0.5, scale * (interval.high - interval.low)),
        "point": 50 + scale * comparison.difference.point,
    }


def _strip(cell: CellRow, series: dict[str, int]) -> dict[str, Any]:
    """A cell's runs and its mean's interval on the scale of the suite's bounds, in percent."""

    def place(value: float) -> float:
        return round(100 * min(1.0, max(0.0, (value - cell.lower) / (cell.upper - cell.lower))), 2)

    interval = cell.mean.interval
    low = place(interval.low) if interval else 0.0
    return {
        "runs": [place(score) for score in cell.scores],
        "mean": place(cell.mean.point),
        "low": low,
        "width": round(place(interval.high) - low, 2) if interval else 0.0,
        "series": series[cell.variant],
    }


def _series(summary: Summary) -> dict[str, int]:
    """Variant -> number of its CSS colour."""
    order = [look.light for look in (*SERIES, FLOOR)]
    return {name: order.index(look.light) for name, look in looks(summary.shown, summary.floor).items()}


def _figures(summary: Summary) -> list[PageFigure]:
    figures = []
    draws: list[tuple[str, Callable[[Summary], Figure]]]
    for spec in specs(summary):
        if spec.name == PER_TASK:
            draws = [(f"{spec.title}, {task}", partial(draw_one_task, task=task)) for task in summary.tasks]
        else:
            draws = [(spec.title, spec.draw)]
        drawings = tuple(
            inline(render(draw, summary, "svg", **IN_PAGE).decode(), f"{spec.name}-{index}", title)
            for index, (title, draw) in enumerate(draws)
        )
        figures.append(PageFigure(spec.name, spec.title, spec.caption(summary), drawings))
    return figures


def _settings(summary: Summary) -> list[dict[str, Any]]:
    """The settings of every variant, tasks with the same ones together."""
    groups: dict[str, dict[str, Any]] = {}
    for run in summary.runs:
        settings = run.identity.get("of", {}).get("settings", {})
        group = groups.setdefault(
            _key([run.variant, settings]), {"variant": run.variant, "settings": settings, "tasks": []}
        )
        if run.task not in group["tasks"]:
            group["tasks"].append(run.task)
    return list(groups.values())


def _origins(summary: Summary) -> tuple[list[dict[str, Any]], Callable[[RunRow], int]]:
    """Code, packages, protocol, execution and machine, runs with the same ones together; and a run's place."""
    groups: dict[str, dict[str, Any]] = {}
    for run in summary.runs:
        facts = _origin(run)
        group = groups.setdefault(_key(facts), {"title": f"Origin {len(groups) + 1}", "facts": facts, "runs": 0})
        group["runs"] += 1
    order = list(groups)
    return list(groups.values()), lambda run: order.index(_key(_origin(run)))


def _origin(run: RunRow) -> dict[str, Any]:
    of, seen = run.identity.get("of", {}), run.provenance
    facts = {key: of.get(key) for key in ("code", "versions", "protocol", "execution")}
    facts |= {key: seen.get(key) for key in ("device", "machine", "command")}
    return {key: value for key, value in facts.items() if value is not None}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _commands(summary: Summary) -> list[str]:
    """What to type to get these runs, this verdict and this page again."""
    typed = sorted({str(run.provenance["command"]) for run in summary.runs if run.provenance.get("command")})
    if not typed:
        seeds = 1 + max(run.seed for run in summary.runs)
        typed = [
            f"dimebench run suite={summary.suite} {shlex.quote('algo=' + ','.join(summary.shown))} --seeds {seeds}"
        ]
    names = shlex.join(summary.variants)
    suite, budget = shlex.quote(f"suite={summary.suite}"), f"--budget {summary.budget}"
    compare = [f"dimebench compare {names} {suite} {budget}"] if summary.comparisons else []
    return [*typed, *compare, f"dimebench report {names} {suite} {budget} --html"]
