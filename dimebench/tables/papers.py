"""The report's tables for a paper: markdown, LaTeX with booktabs, and csv with every number in full.

In bold stands the best of a column (or, per task, of a row), and with it each one whose interval holds the best's
point: the data do not tell those apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dimebench import numbers
from dimebench.analysis.cost import costs
from dimebench.analysis.summary import Summary
from dimebench.stats import Estimate
from dimebench.store import atomic_write
from dimebench.tables.content import AGGREGATE_WORDS, cited_iqm, method, per_task
from dimebench.tables.records import csv_text, records

FORMATS = ("csv", "markdown", "latex")
SUFFIX = {"csv": "csv", "markdown": "md", "latex": "tex"}
_LATEX = {
    **{c: "\\" + c for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


@dataclass(frozen=True)
class Cell:
    text: str
    bold: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table to be typeset; the first column is text, the others are numbers."""

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def write_sheets(summary: Summary, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write every table in every format. Returns the paths. Raises OSError where a file cannot be written."""
    paths = []
    for name, text in sheet_files(summary, formats).items():
        atomic_write(folder / name, text.encode())
        paths.append(folder / name)
    return paths


def sheet_files(summary: Summary, formats: Sequence[str] = FORMATS) -> dict[str, str]:
    """Every table in every format, by the name of its file."""
    files: dict[str, str] = {}
    writers: dict[str, Callable[[Sheet], str]] = {"markdown": markdown, "latex": latex}
    for form in formats:
        texts = (
            {name: csv_text(found) for name, found in records(summary).items()}
            if form == "csv"
            else {sheet.name: writers[form](sheet) for sheet in sheets(summary)}
        )
        files |= {f"{name}.{SUFFIX[form]}": text for name, text in texts.items()}
    return files


def sheets(summary: Summary) -> list[Sheet]:
    """The tables to typeset: aggregates, comparisons, tasks, seeds, cost, published."""
    found = [_aggregates(summary), _tasks(summary), _seeds(summary), _cost(summary)]
    found += [_comparisons(summary)] if summary.comparisons else []
    return found + ([_published(summary)] if summary.published else [])


def _aggregates(summary: Summary) -> Sheet:
    columns = []
    for name in AGGREGATE_WORDS:
        estimates = [row.estimates[name] for row in summary.aggregates]
        columns.append(bold([replace_sign(e) for e in estimates] if name == "optimality_gap" else estimates))
    rows = []
    for index, row in enumerate(summary.aggregates):
        cells = [
            Cell(numbers.estimate(row.estimates[name]), columns[column][index] and not row.is_floor)
            for column, name in enumerate(AGGREGATE_WORDS)
        ]
        seeds = numbers.span(row.fewest_seeds, row.most_seeds)
        rows.append((Cell(row.variant + (" (floor)" if row.is_floor else "")), *cells, Cell(seeds)))
    at = numbers.place(summary.budget, summary.axis)
    title = f"{summary.suite}: normalised scores at {at} over {numbers.count(len(summary.tasks), 'task')}"
    return Sheet("aggregates", title, ("variant", *AGGREGATE_WORDS.values(), "seeds"), tuple(rows), method(summary))


def _tasks(summary: Summary) -> Sheet:
    rows = []
    for task in summary.tasks:
        estimates = [summary.cell(variant, task).mean for variant in summary.shown]
        best = bold([replace_sign(e) for e in estimates] if summary.threshold else estimates)  # soonest, or highest
        cells = [Cell(numbers.estimate(e, raw_units=True), b) for e, b in zip(estimates, best, strict=True)]
        rows.append((Cell(task), *cells))
    at = "" if summary.threshold else f" at {numbers.place(summary.budget, summary.axis)}"
    title = f"{summary.suite}: {per_task(summary)[0].lower()}{per_task(summary)[1:]}{at}"
    return Sheet("tasks", title, ("task", *summary.shown), tuple(rows), method(summary))


def _seeds(summary: Summary) -> Sheet:
    rows = [
        (Cell(cell.task), Cell(cell.variant), Cell(str(seed)), Cell(numbers.raw(score)))
        for cell in summary.cells
        for seed, score in zip(cell.seeds, cell.scores, strict=True)
    ]
    scored = f"{numbers.AXES[summary.axis]} to {summary.threshold}" if summary.threshold else "return"
    title = f"{summary.suite}: {scored} of every run that counts, at {numbers.place(summary.budget, summary.axis)}"
    return Sheet("seeds", title, ("task", "variant", "seed", scored), tuple(rows))


def _comparisons(summary: Summary) -> Sheet:
    rows = tuple(
        (
            Cell(f"{c.a} - {c.b}"),
            Cell(numbers.difference(c.difference)),
            Cell(numbers.estimate(c.improvement, digits=2)),
            Cell(c.verdict.replace("A better", f"{c.a} better").replace("B better", f"{c.b} better")),
        )
        for c in summary.comparisons
    )
    return Sheet(
        "comparisons", f"{summary.suite}: comparisons", ("A - B", "IQM difference", "P(A > B)", "verdict"), rows
    )


def _cost(summary: Summary) -> Sheet:
    rows = tuple(
        (
            Cell(row.variant),
            Cell(numbers.duration(row.seconds) if row.seconds else ""),
            Cell(numbers.rate(row.env_steps_per_s) if row.env_steps_per_s else ""),
            Cell(f"{row.grad_steps:,.0f}" if row.grad_steps else ""),
            Cell(f"{row.energy_kwh:.3g}" if row.energy_kwh else ""),
        )
        for row in costs(summary)
    )
    header = ("variant", "time of a run", "env steps/s", "gradient steps", "kWh")
    return Sheet("cost", f"{summary.suite}: cost of a run, medians", header, rows)


def _published(summary: Summary) -> Sheet:
    rows = tuple(
        (
            Cell(citation.variant),
            Cell(task),
            Cell("" if point.mean is None else numbers.raw(point.mean)),
            Cell(cited_iqm(point)),
            Cell(f"{point.env_steps:,}"),
            Cell("" if point.seeds is None else str(point.seeds)),
            Cell(f"{citation.source}, {citation.licence}"),
        )
        for citation in summary.published
        for task, point in citation.matched.items()
    )
    header = ("reference", "task", "mean", "IQM", "env steps", "seeds", "source and licence")
    return Sheet("published", f"{summary.suite}: as published by others, not run here", header, rows)


def bold(estimates: Sequence[Estimate]) -> list[bool]:
    """Which of them are the best (highest) or hold the best's point in their interval."""
    best = max(estimate.point for estimate in estimates)
    return [
        e.point == best or (e.interval is not None and e.interval.low <= best <= e.interval.high) for e in estimates
    ]


def replace_sign(estimate: Estimate) -> Estimate:
    """The estimate of the negative: where less is better."""
    interval = estimate.interval
    turned = interval and replace(interval, low=-interval.high, high=-interval.low)
    return Estimate(-estimate.point, turned)


def markdown(sheet: Sheet) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    def written(cell: Cell) -> str:
        text = cell.text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
        return f"**{text}**" if cell.bold and text else text

    header = [written(Cell(name)) for name in sheet.header]
    rule = [":--" if column == 0 else "--:" for column in range(len(header))]
    body = [line([written(cell) for cell in row]) for row in sheet.rows]
    return "\n".join(
        [f"**{sheet.title}**", "", line(header), line(rule), *body, *(["", sheet.note] * bool(sheet.note)), ""]
    )


def latex(sheet: Sheet) -> str:
    """A table that needs the package booktabs, and longtable where it has more than 40 rows."""
    columns = "l" + "r" * (len(sheet.header) - 1)

    def written(cell: Cell) -> str:
        text = escape(cell.text)
        return rf"\textbf{{{text}}}" if cell.bold and text else text

    header = " & ".join(escape(name) for name in sheet.header) + r" \\"
    body = [" & ".join(written(cell) for cell in row) + r" \\" for row in sheet.rows]
    caption = rf"\caption{{{escape(sheet.title + ('. ' + sheet.note if sheet.note else ''))}}}"
    label = rf"\label{{tab:{sheet.name}}}"
    if len(body) > 40:
        head = [rf"\begin{{longtable}}{{{columns}}}", caption + label + r" \\", r"\toprule", header, r"\midrule"]
        return "\n".join([*head, r"\endhead", *body, r"\bottomrule", r"\end{longtable}", ""])
    head = [r"\begin{table}", r"\centering", caption, label, rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    tail = [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join([*head, header, r"\midrule", *body, *tail])


def escape(text: str) -> str:
    """Text for LaTeX: names from files hold what LaTeX would read as commands."""
    return "".join(_LATEX.get(char, char) for char in text)
