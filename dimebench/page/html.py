"""The report as one self-contained page: inline CSS, script, data and SVG; nothing fetched.

The template escapes every text it is given; only this module's own SVG, script and JSON enter unescaped. A policy
in the page lets the browser run this one script, by its hash, and load nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import dimebench
from dimebench import numbers
from dimebench.analysis.summary import Summary
from dimebench.figures.curves import draw_one_task
from dimebench.figures.files import PER_TASK, RANKING, FigureSpec, draw_of, render_for_page, specs
from dimebench.figures.marks import numbers_of
from dimebench.figures.pool import FigurePool
from dimebench.figures.style import SERIES, css_variables
from dimebench.page import again, head, ranking
from dimebench.page.head import Made
from dimebench.page.parts import keys_of, origins_of, plain, series_of, settings_of, strip_of, verdict_of
from dimebench.page.svg import inline
from dimebench.store import atomic_write
from dimebench.tables.content import time_of
from dimebench.tables.published import cited_iqm
from dimebench.wording import terms, verdict
from dimebench.wording.notes import about_runs, not_counted, reason
from dimebench.wording.standing import standing

# Text stays text, to be searched and to take the page's font; the page's own colour is the background.
IN_PAGE = {"svg.fonttype": "none", "figure.facecolor": "none"}
MOST_PAIRS = 10  # shown at once; more of them are folded
MOST_RUNS = 600  # listed one by one
MOST_BYTES = 5_000_000  # of a page, films included


@dataclass(frozen=True)
class Clip:
    """A short film of a policy: its bytes in base64, "mp4" or "gif"."""

    variant: str
    title: str
    kind: str
    data: str


@dataclass(frozen=True)
class PageDrawing:
    """One SVG of the page; `key` leads to the numbers that its panels show under the pointer."""

    key: str
    title: str
    svg: Markup


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page: one drawing, or one per task."""

    name: str
    title: str
    caption: str
    drawings: tuple[PageDrawing, ...]

    @property
    def panelled(self) -> bool:
        return self.name == PER_TASK


def write_html(
    summary: Summary,
    path: Path,
    clips: Sequence[Clip] = (),
    refresh_s: int | None = None,
    pool: FigurePool | None = None,
    made: Made | None = None,
) -> Path:
    """Write the page. Raises OSError where it cannot be written; nothing half-written stays behind."""
    atomic_write(path, page(summary, clips, refresh_s, pool, made).encode())
    return path


def page(
    summary: Summary,
    clips: Sequence[Clip] = (),
    refresh_s: int | None = None,
    pool: FigurePool | None = None,
    made: Made | None = None,
) -> str:
    """The page's HTML, the same for the same arguments. `refresh_s`: it reads itself anew every so many seconds."""
    loader = PackageLoader("dimebench.page")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    written = ("unit", "signed", "raw", "rate", "percent", "count", "duration", "probability", "p_value", "p_short")
    writers = {name: getattr(numbers, name) for name in written}
    environment.filters |= {
        **writers,
        "plain": plain,
        "whole": lambda value: f"{value:,}" if isinstance(value, int) else plain(value),
        "elapsed": lambda value: numbers.duration(value) if isinstance(value, int | float) else plain(value),
        "seconds": lambda text: str(text).split(".")[0].replace("T", " ").removesuffix("+00:00"),
    }
    series, names = series_of(summary), numbers_of(summary)
    origins, origin_of = origins_of(summary)
    figures, drawn = _figures(summary, pool or FigurePool.here(summary))
    hover = {
        "names": {number: name for name, number in names.items()},
        "drawings": drawn,
    }
    script = (files("dimebench.page") / "templates" / "report.js").read_text(encoding="utf-8")
    sentences, known = verdict.sentences(summary), len(summary.comparisons) or 1
    facts = dict(
        **writers,
        summary=summary,
        verdicts=[verdict_of(summary, index, sentences[index]) for index in range(known)],
        cited_sentences=sentences[known:],
        figures=figures,
        series=series,
        keys=keys_of(summary),
        colours=len(SERIES) + 1,  # and the floor's
        names=names,
        cited={citation.variant for citation in summary.published},
        cited_iqm=cited_iqm,
        other_versions=verdict.other_versions,
        time_of=time_of,
        strip_of=partial(strip_of, series=series, ends=(0.0, summary.budget) if summary.threshold else None),
        numbers=numbers,
        terms=terms,
        left_out=sorted(summary.left_out, key=lambda row: row.status != "failed"),
        reason=reason,
        not_counted=not_counted(summary),
        about_runs=about_runs(summary),
        in_short=verdict.in_short,
        overview=standing(summary.comparisons) if len(summary.comparisons) > 1 else [],
        ranking=ranking.picture(summary),
        most_pairs=MOST_PAIRS,
        made=made,
        head=head.facts(summary),
        title=head.title(summary),
        contents=_contents(summary, clips),
        where=verdict.where(summary),
        caution=verdict.caution(summary.comparisons),
        settings=settings_of(summary),
        facts=origins,
        run_rows=summary.runs if len(summary.runs) <= MOST_RUNS else (),
        place_of=lambda run: 1 + origin_of(run),
        commands=again.commands_of(summary),
        light=Markup(css_variables(dark=False)),
        dark=Markup(css_variables(dark=True)),
        hover=Markup(_json(hover)),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        refresh_s=refresh_s,
        version=dimebench.__version__,
    )
    template = environment.get_template("report.html.j2")
    room = MOST_BYTES - len(template.render(facts, clips=[], no_room=[]).encode()) if clips else 0
    shown, without = _fitting(clips, room)
    return template.render(facts, clips=shown, no_room=without)


def _contents(summary: Summary, clips: Sequence[Clip]) -> list[tuple[str, str]]:
    """The sections of the page and the links to them."""
    of_many = [("ranking", "Ranking"), ("pairs", "Pairs")] if summary.ranking else []
    return [
        ("verdict", "Verdict"),
        *of_many,
        ("aggregates-table", "Over all tasks"),
        ("figures", "Figures"),
        *[("clips", "Clips")] * bool(clips),
        ("tasks", "Per task"),
        *[("task-verdicts", "Verdicts per task")] * bool(summary.comparisons),
        ("left-out", "What does not count"),
        *[("about", "About the runs")] * bool(about_runs(summary)),
        ("again", "Repeat it"),
        ("provenance", "Provenance"),
    ]


def _fitting(clips: Sequence[Clip], room: int) -> tuple[list[Clip], list[Clip]]:
    """The films that fit into so many bytes, first come, first served, and those that do not."""
    shown: list[Clip] = []
    without: list[Clip] = []
    for clip in clips:
        size = len(clip.data) + 3 * len(clip.title.encode()) + 400  # what stands around it
        (shown if size <= room else without).append(clip)
        room -= size if size <= room else 0
    return shown, without


def _json(value: Any) -> str:
    """JSON that may stand inside <script>: no character of it can end the element or begin another."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _figures(summary: Summary, pool: FigurePool) -> tuple[list[PageFigure], dict[str, Any]]:
    """The figures, and for each drawing its panels' numbers."""
    to_draw = _to_draw(summary)
    drawings: dict[str, list[PageDrawing]] = {}
    panels = {}
    for one, (drawing, its_panels) in zip(to_draw, pool.each(_draw, to_draw), strict=True):
        drawings.setdefault(one.name, []).append(drawing)
        panels[drawing.key] = its_panels
    figures = [PageFigure(s.name, s.title, s.caption(summary), tuple(drawings[s.name])) for s in _specs(summary)]
    return figures, panels


def _specs(summary: Summary) -> list[FigureSpec]:
    """The figures of a page, whose own ranking stands at its top."""
    return [spec for spec in specs(summary) if spec.name != RANKING]


def begin_page(summary: Summary, pool: FigurePool) -> None:
    """Start drawing what `page` will ask for."""
    pool.begin(_draw, _to_draw(summary))


@dataclass(frozen=True)
class _ToDraw:
    name: str  # of the figure
    index: int  # within it
    title: str
    task: str | None = None  # where there is a drawing per task: the page arranges the panels itself


def _to_draw(summary: Summary) -> list[_ToDraw]:
    found: list[_ToDraw] = []
    for spec in _specs(summary):
        if spec.name == PER_TASK:
            found += [_ToDraw(spec.name, i, f"{spec.title}, {task}", task) for i, task in enumerate(summary.tasks)]
        else:
            found.append(_ToDraw(spec.name, 0, spec.title))
    return found


def _draw(summary: Summary, one: _ToDraw) -> tuple[PageDrawing, list[dict[str, Any]]]:
    draw = draw_of(one.name) if one.task is None else partial(draw_one_task, task=one.task)
    svg, panels = render_for_page(draw, summary, **IN_PAGE)
    key = f"{one.name}-{one.index}"
    return PageDrawing(key, one.title, inline(svg, key, one.title)), panels
