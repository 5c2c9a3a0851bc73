"""The facts of a page in the shapes that its template wants."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from dimebench.analysis.summary import CellRow, RunRow, Summary
from dimebench.figures.keys import key_svg
from dimebench.figures.style import series_index, styles_of
from dimebench.stats import Comparison
from dimebench.store.provenance import version_of
from dimebench.wording import verdict


def plain(value: Any) -> str:
    """A setting or a fact as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items())
    return value if isinstance(value, str) else json.dumps(value, default=str)


def verdict_of(summary: Summary, index: int, sentence: str) -> dict[str, Any]:
    comparison = summary.comparisons[index] if summary.comparisons else None
    pair = comparison.winner if comparison else None
    return {
        "headline": verdict.headline(comparison) if comparison else summary.variants[0],
        "better": pair[0] if pair else None,
        "sentence": sentence,
        "comparison": comparison,
        "forest": forest_of(comparison, summary) if comparison else None,
    }


def forest_of(comparison: Comparison, summary: Summary) -> dict[str, float] | None:
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


def strip_of(cell: CellRow, series: dict[str, int], ends: tuple[float, float] | None = None) -> dict[str, Any]:
    """A cell's runs and its mean's interval on the scale of the suite's bounds, or of `ends`, in percent."""
    lower, upper = ends or (cell.lower, cell.upper)

    def place(value: float) -> float:
        return round(100 * min(1.0, max(0.0, (value - lower) / (upper - lower))), 2)

    interval = cell.mean.interval
    low = place(interval.low) if interval else 0.0
    return {
        "lower": lower,
        "upper": upper,
        "runs": [place(score) for score in cell.scores],
        "mean": place(cell.mean.point),
        "low": low,
        "width": round(place(interval.high) - low, 2) if interval else 0.0,
        "series": series[cell.variant],
    }


def series_of(summary: Summary) -> dict[str, int]:
    """Variant -> number of its CSS colour."""
    return {name: series_index(style) for name, style in styles_of(summary).items()}


def keys_of(summary: Summary) -> dict[str, Markup]:
    """Variant -> its key, the marker of a published one open."""
    cited = {citation.variant for citation in summary.published}
    return {name: key_svg(style, open=name in cited) for name, style in styles_of(summary).items()}


def settings_of(summary: Summary) -> list[dict[str, Any]]:
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


def origins_of(summary: Summary) -> tuple[list[dict[str, Any]], Callable[[RunRow], int]]:
    """Code, packages, protocol, execution and machine, runs with the same ones together; and a run's place."""
    groups: dict[str, dict[str, Any]] = {}
    codes: dict[str, dict[str, dict[str, None]]] = {}  # by group and variant, each once
    for run in summary.runs:
        origin = _origin(run)
        first = {"title": f"Origin {len(groups) + 1}", "facts": {"code": {}, **origin}, "runs": 0}
        group = groups.setdefault(_key(origin), first)
        group["runs"] += 1
        of_variant = codes.setdefault(_key(origin), {}).setdefault(run.variant, {})
        of_variant[plain(run.identity.get("of", {}).get("code"))] = None
    for key, group in groups.items():
        group["facts"]["code"] = {variant: " and ".join(each) for variant, each in codes[key].items()}
    order = list(groups)
    return list(groups.values()), lambda run: order.index(_key(_origin(run)))


def _origin(run: RunRow) -> dict[str, Any]:
    """What runs of one origin share. The code does not count: every algorithm has its own."""
    of, seen = run.identity.get("of", {}), run.provenance
    facts = {"dimebench": version_of(run.identity, seen), "shared_code": seen.get("shared_code")}
    facts |= {key: of.get(key) for key in ("versions", "protocol", "execution")}
    facts |= {key: seen.get(key) for key in ("device", "machine", "command")}
    return {key: value for key, value in facts.items() if value is not None}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
