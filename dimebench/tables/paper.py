"""The tables that a paper prints, as LaTeX that fits its text."""

from __future__ import annotations

from collections.abc import Sequence

from dimebench import numbers
from dimebench.analysis.summary import Cited, Summary
from dimebench.papers import Paper
from dimebench.stats import Comparison, TaskRow
from dimebench.tables.content import bold
from dimebench.tables.latex import captions
from dimebench.tables.latex.grid import Column, Entry, Grid, digits_of, estimate, interval, levels, number, p_values
from dimebench.tables.latex.layout import latex
from dimebench.tables.verdicts import TASK_VERDICTS
from dimebench.wording import terms
from dimebench.wording.verdict import in_short

MOST_PAIRS = 50  # comparisons in a paper; the csv files have all


def paper_tables(summary: Summary, paper: Paper) -> dict[str, str]:
    """The text of each table by the name of its file: `table` (or `table*`) environments that need booktabs alone.

    Names are those of the summary. A table fits the paper's column, else its whole text (`layout` says how).
    """
    made = [_aggregates(summary), _tasks(summary)]
    made += [_ranking(summary)] if summary.ranking else []
    made += [_comparisons(summary), _task_verdicts(summary)] if summary.comparisons else []
    made += [_published(summary)] if any(citation.points for citation in summary.published) else []
    cost = _cost(summary)
    made += [cost] if cost.columns else []
    return {f"{grid.name}.tex": latex(grid, paper) for grid in made}


def _aggregates(summary: Summary) -> Grid:
    rows = summary.aggregates

    def statistic(name: str) -> Column:
        found = [row.estimates[name] for row in rows]
        best = bold(found, least=name == "optimality_gap")
        cells = (estimate(row.estimates[name], 3, row.estimates[name] in best and not row.is_floor) for row in rows)
        return Column(terms.STATISTICS[name], tuple(cells))

    spans = [(row.fewest_seeds, row.most_seeds) for row in rows]
    seeds = Column("seeds", tuple(Entry(_span(*span)) for span in spans))
    return Grid(
        "aggregates",
        captions.of(summary, terms.scores(summary)),
        (captions.intervals(summary), captions.BOLD, captions.diverged(summary)),
        _prose("variant", [row.variant + " (floor)" * row.is_floor for row in rows]),
        (*map(statistic, terms.STATISTICS), *[seeds] * (len(set(spans)) > 1)),
    )


def _ranking(summary: Summary) -> Grid:
    rows = summary.ranking
    ranks = Column("rank", tuple(Entry(_span(row.best_rank, row.worst_rank)) for row in rows))
    letters = _prose("letters", [row.letters or "" for row in rows])
    return Grid(
        "ranking",
        captions.of(summary, "ranking by IQM"),
        (terms.ranking(summary), captions.intervals(summary)),
        _prose("variant", [row.variant for row in rows]),
        (
            ranks,
            Column("IQM", tuple(estimate(row.iqm) for row in rows)),
            *[letters] * (not summary.best_against_each),
        ),
    )


def _comparisons(summary: Summary) -> Grid:
    shown = summary.comparisons[:MOST_PAIRS]
    chance = [Entry(number(c.improvement.point, 2), interval(c.improvement.interval, 2)) for c in shown]
    return Grid(
        "comparisons",
        captions.of(summary, "comparisons by IQM difference"),
        (
            captions.differences(summary),
            terms.judged_together(summary),
            captions.chances(summary),
            captions.shortened(summary, MOST_PAIRS, "comparisons"),
        ),
        _prose("A\n\u2212 B", map(_pair, shown)),
        (
            *_judged_columns(shown, 1 - summary.confidence),
            Column("P(A\u00a0>\u00a0B)", tuple(chance)),
            _prose("verdict", [c.verdict for c in shown]),
        ),
    )


def _task_verdicts(summary: Summary) -> Grid:
    """One comparison task by task; of several, differences with the intervals that the verdicts have read."""
    title = "verdicts per task, IQM differences"
    judged, level = terms.judged_per_task(summary), 1 - summary.confidence
    prefix, tasks = _short(summary.tasks)
    if len(summary.comparisons) == 1:
        (only,) = summary.comparisons
        return Grid(
            TASK_VERDICTS,
            captions.of(summary, f"{title} {only.a} \u2212 {only.b}"),
            (captions.tests_of_tasks(summary), judged, prefix),
            _prose("task", tasks),
            (*_judged_columns(only.tasks, level), _prose("verdict", [in_short(t.verdict, only) for t in only.tasks])),
        )
    shown = summary.comparisons[:MOST_PAIRS]
    by_task = [[next(t for t in c.tasks if t.task == task) for c in shown] for task in summary.tasks]
    equal = ", = one that is equivalent" if any(c.delta is not None for c in shown) else ""
    return Grid(
        TASK_VERDICTS,
        captions.of(summary, title),
        (
            "In brackets: the interval that the verdict has read, at the confidence that the task is judged at "
            f"({terms.TEST}). An asterisk marks a difference that is decided{equal}.",
            judged,
            captions.shortened(summary, MOST_PAIRS, TASK_VERDICTS),
            prefix,
        ),
        _prose("A\n\u2212 B", map(_pair, shown)),
        tuple(Column(name, tuple(map(_on_task, rows))) for name, rows in zip(tasks, by_task, strict=True)),
        crosswise="task",
    )


def _on_task(row: TaskRow) -> Entry:
    mark = {"A better": "*", "B better": "*", "equivalent": "="}.get(row.verdict, "")
    below = interval(row.judged, sign=True) or (("unbounded",) if row.judged_at is not None else ())
    return Entry(number(row.difference.point, 3, sign=True), below, mark=mark)


def _judged_columns(rows: Sequence[Comparison | TaskRow], level: float) -> list[Column]:
    """Difference, what the verdict has read where that is another interval, and p."""
    differences = []
    for row in rows:
        below = interval(row.difference.interval, sign=True)
        unbounded = ("unbounded",) if row.p_value is not None and not below else ()
        differences.append(Entry(number(row.difference.point, 3, sign=True), below or unbounded))
    made = [Column("difference", tuple(differences))]
    if any(row.judged_at is not None and row.judged != row.difference.interval for row in rows):
        at = levels([row.judged_at for row in rows])
        read = [
            (interval(row.judged, sign=True) or ("unbounded",)) if row.judged_at is not None else () for row in rows
        ]
        made.append(Column("judged at", tuple(map(Entry, at, read))))
    if any(row.adjusted_p is not None for row in rows):
        made.append(Column("p", tuple(map(Entry, p_values([row.adjusted_p for row in rows], level)))))
    return made


def _tasks(summary: Summary) -> Grid:
    soonest = summary.threshold is not None
    prefix, names = _short(summary.tasks)
    columns: dict[str, list[Entry]] = {variant: [] for variant in summary.shown}
    for task in summary.tasks:
        means = {variant: summary.cell(variant, task).mean for variant in summary.shown}
        best, digits = bold([*means.values()], least=soonest), digits_of([mean.point for mean in means.values()])
        for variant, mean in means.items():
            columns[variant].append(estimate(mean, digits, mean in best))
    title = terms.per_task(summary)
    return Grid(
        "tasks",
        captions.of(summary, title[0].lower() + title[1:]),
        (captions.intervals(summary), captions.BOLD, captions.diverged(summary), prefix),
        _prose("task", names),
        tuple(Column(variant, tuple(entries)) for variant, entries in columns.items()),
        crosswise="variant",
    )


def _cost(summary: Summary) -> Grid:
    rows = summary.aggregates
    seconds = [row.median_wall_time_s for row in rows]
    unit, size = next((u for u in (("h", 3600.0), ("min", 60.0)) if max(seconds) >= 2 * u[1]), ("s", 1.0))
    columns = (
        _numbers(f"time ({unit})", [value / size for value in seconds]),
        _numbers("env steps/s", [row.env_steps_per_s for row in rows]),
        _numbers("gradient steps", [row.grad_steps for row in rows], digits=0),
        _numbers("energy (kWh)", [row.energy_kwh for row in rows]),
    )
    return Grid(
        "cost",
        captions.of(summary, "cost of a run, medians"),
        (
            "Time: training and evaluation up to the budget, on whatever machine each run had; seeds that train "
            "together share it. Gradient steps: critic updates of the whole run.",
        ),
        _prose("variant", [row.variant for row in rows]),
        tuple(column for column in columns if any(entry.main for entry in column.entries)),
    )


def _published(summary: Summary) -> Grid:
    """Each figure under the task that it was published on."""
    cited = [citation for citation in summary.published if citation.points]
    found = [{point.task: point for _, point in citation.points} for citation in cited]
    tasks = {point.task: point.remark for citation in cited for _, point in citation.points}
    prefix, names = _short([*tasks])
    columns: list[list[Entry]] = [[] for _ in cited]
    for task in tasks:
        points = [by_task.get(task) for by_task in found]
        digits = digits_of([point.value for point in points if point])
        for column, point in zip(columns, points, strict=True):
            column.append(_cited(point, digits) if point else Entry("\u2013"))
    iqm = any(point.mean is None for by_task in found for point in by_task.values())
    return Grid(
        "published",
        f"{summary.suite}: mean returns as published by others, not run here, in no verdict",
        (
            *map(captions.source, cited),
            "i: the IQM, where no mean is known; in brackets its 95% interval, where that is known." if iqm else "",
            prefix,
        ),
        _prose("task", [f"{name} ({of})" if of else name for name, of in zip(names, tasks.values(), strict=True)]),
        tuple(Column(c.variant, tuple(entries)) for c, entries in zip(cited, columns, strict=True)),
        crosswise="reference",
    )


def _cited(point: Cited, digits: int) -> Entry:
    ends = (point.iqm_low, point.iqm_high) if point.mean is None else ()
    known = [number(end, digits) for end in ends if end is not None]
    below = (f"[{', '.join(known)}]",) if len(known) == 2 else ()
    return Entry(number(point.value, digits), below, mark="i" if point.mean is None else "")


def _numbers(heading: str, values: Sequence[float | None], digits: int | None = None) -> Column:
    known = [value for value in values if value]
    places = digits_of(known) if digits is None else digits
    return Column(heading, tuple(Entry(number(value, places) if value else "") for value in values))


def _prose(heading: str, texts: Sequence[str] | map[str]) -> Column:
    return Column(heading, tuple(map(Entry, texts)), prose=True)


def _pair(of: Comparison) -> str:
    return f"{of.a}\n\u2212 {of.b}"


def _span(fewest: int, most: int) -> str:
    return numbers.span(fewest, most).replace("-", "\u2013")


def _short(tasks: Sequence[str]) -> tuple[str, list[str]]:
    """What to say of the library where all tasks are of one, and the tasks' names without it."""
    libraries = {task.partition("/")[0] for task in tasks}
    if len(libraries) > 1 or not all("/" in task for task in tasks):
        return "", list(tasks)
    return f"Tasks of {libraries.pop()}.", [task.partition("/")[2] for task in tasks]
