"""Figures with a row per variant or comparison: aggregates, ranking, differences, cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dimebench import numbers
from dimebench.analysis.summary import Summary, VariantRow
from dimebench.figures.curves import shown
from dimebench.figures.look import REPORT, Look
from dimebench.figures.marks import Drawing
from dimebench.figures.style import INK, MUTED, PAPER, VariantStyle, label, styles_of
from dimebench.stats import Estimate
from dimebench.wording.terms import STATISTICS, estimate, score

MOST_ROWS = 40  # comparisons in one figure; the matrix shows them all
LEAST_PANEL = 0.95  # inches, of one of several panels beside each other


def draw_aggregates(summary: Summary, look: Look = REPORT) -> Drawing:
    """Point estimates and intervals of the four aggregates, one panel each."""
    variants = [row.variant for row in summary.aggregates]
    drawing, panels = _panels(summary, look, len(STATISTICS), variants)
    for axes, (name, title) in zip(panels, STATISTICS.items(), strict=True):
        for place, (row, style) in enumerate(shown(summary)):
            text = f"{row.variant}: {title} {estimate(row.estimates[name])}"
            _interval(drawing, axes, place, row.estimates[name], style, row.variant, text)
        axes.set_title(title)
        axes.set_xlabel("lower is better" if name == "optimality_gap" else score(summary), fontsize=look.small)
        axes.xaxis.set_major_locator(MaxNLocator(_ticks(look, len(STATISTICS))))
    return drawing


def draw_ranking(summary: Summary, look: Look = REPORT) -> Drawing:
    """The variants by IQM, best first, the ranks that each may have, and letters where every pair is judged."""
    rows = summary.ranking
    drawing = Drawing(summary, look.width, _tall(look, len(rows)))
    axes, ranks = drawing.figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    by_name = styles_of(summary)
    for place, row in enumerate(rows):
        style, among = by_name[row.variant], numbers.span(row.best_rank, row.worst_rank)
        said = f"; {row.letters}" if row.letters else ""
        text = f"{row.variant}: IQM {estimate(row.iqm)}, rank {among}{said}"
        _interval(drawing, axes, place, row.iqm, style, row.variant, text)
        bar = Rectangle((row.best_rank - 0.4, place - 0.28), row.worst_rank - row.best_rank + 0.8, 0.56)
        bar.set(facecolor=style.light, alpha=0.35, linewidth=0)
        ranks.add_patch(bar)
        drawing.mark(row.variant, bar)
        drawing.add_text(ranks, row.variant, (row.best_rank + row.worst_rank) / 2, place, text)
        if row.letters:
            drawing.mark(
                row.variant,
                ranks.annotate(
                    row.letters, (1.03, place), xycoords=("axes fraction", "data"), va="center", fontsize=look.small
                ),
            )
    axes.set_title("IQM")
    axes.set_xlabel(score(summary), fontsize=look.small)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    ranks.set_title("rank")
    ranks.set_xlabel("1 is the best", fontsize=look.small)
    ranks.set_xlim(0.4, len(rows) + 0.6)
    every = -(-len(rows) // 6)
    ranks.set_xticks(sorted({1, *range(every, len(rows) + 1, every)}))
    _variants_down(drawing, axes, [row.variant for row in rows], look)
    return drawing


def draw_improvement(summary: Summary, look: Look = REPORT) -> Drawing:
    """Each comparison: IQM difference and probability of improvement."""
    found = summary.comparisons[:MOST_ROWS]
    drawing = Drawing(summary, look.width, _tall(look, len(found)))
    left, right = drawing.figure.subplots(1, 2, sharey=True)
    by_name = styles_of(summary)
    for place, c in enumerate(found):
        better = c.a if c.difference.point >= 0 else c.b
        difference = f"{c.a} - {c.b}: {estimate(c.difference, numbers.signed)}"
        chance = f"P({c.a} > {c.b}): {estimate(c.improvement, numbers.probability)}"
        _interval(drawing, left, place, c.difference, by_name[better], better, difference)
        _interval(drawing, right, place, c.improvement, by_name[better], better, chance)
    for axes, nothing, title in ((left, 0.0, "IQM(A) - IQM(B)"), (right, 0.5, "P(A > B)")):
        axes.axvline(nothing, color=MUTED, linewidth=1.0, linestyle="--")
        axes.set_title(title)
    left.set_xlabel(score(summary), fontsize=look.small)
    left.xaxis.set_major_locator(MaxNLocator(_ticks(look, 2)))
    right.set_xlabel("probability", fontsize=look.small)
    right.set_xlim(-0.02, 1.02)
    right.set_xticks([0, 0.5, 1] if look.width < 5 else [0, 0.25, 0.5, 0.75, 1])
    each = max(6, look.letters(0.46 * look.width) // 2 - 1)
    _names_down(left, [f"{label(c.a, each)} - {label(c.b, each)}" for c in found], look)
    return drawing


def draw_cost(summary: Summary, look: Look = REPORT) -> Drawing:
    """Median time, gradient steps and, where it was measured, energy of a run."""
    rows = summary.aggregates
    unit, size = numbers.time_unit(max(row.median_wall_time_s for row in rows))
    measures: list[tuple[str, str, Callable[[VariantRow], float | None], Callable[[float], str]]] = [
        (
            "time of a run",
            unit,
            lambda row: row.median_wall_time_s / size,
            lambda v: numbers.duration(v * size),
        ),
        ("gradient steps", "critic updates", lambda row: row.grad_steps, numbers.short_steps),
        ("energy of a run", "kWh", lambda row: row.energy_kwh, lambda v: f"{v:.3g} kWh"),
    ]
    measures = [measure for measure in measures if any(measure[2](row) for row in rows)]
    drawing, panels = _panels(summary, look, len(measures), [row.variant for row in rows])
    by_name = styles_of(summary)
    for axes, (title, of, value, write) in zip(panels, measures, strict=True):
        for place, row in enumerate(rows):
            amount = value(row) or 0.0
            bars = axes.barh(place, amount, height=0.56, color=by_name[row.variant].light, alpha=0.75)
            drawing.mark(row.variant, *bars)
            text = f"{row.variant}: {title} {write(amount) if amount else 'not recorded'}"
            drawing.add_text(axes, row.variant, amount, place, text)
        axes.set_title(title)
        axes.set_xlabel(of, fontsize=look.small)
        axes.xaxis.set_major_locator(MaxNLocator(_ticks(look, len(measures))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: numbers.short_steps(v)))
    return drawing


def _panels(summary: Summary, look: Look, count: int, variants: Sequence[str]) -> tuple[Drawing, list[Axes]]:
    """So many panels with a row per variant, beside each other as far as the width allows."""
    columns = look.columns(count, LEAST_PANEL, beside=min(2.0, 0.3 * look.width))
    rows = -(-count // columns)
    drawing = Drawing(summary, look.width, rows * _tall(look, len(variants)))
    panels = drawing.figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in panels[:, 0]:
        _variants_down(drawing, axes, variants, look)
    for axes in panels.ravel()[count:]:
        axes.set_axis_off()
    return drawing, list(panels.ravel()[:count])


def _tall(look: Look, rows: int) -> float:
    """Inches, of panels with so many rows: closer where they are many."""
    one = 0.32 if rows <= 12 else 0.24 if rows <= 30 else 0.19
    return (0.75 + one * rows) * look.names / REPORT.names


def _ticks(look: Look, panels: int) -> int:
    return 4 if look.width / panels >= 1.75 else 3


def _interval(
    drawing: Drawing, axes: Axes, place: int, value: Estimate, style: VariantStyle, variant: str, text: str
) -> None:
    """A horizontal bar with the variant's marker at the point; the marker alone where there is no interval."""
    drawing.add_text(axes, variant, value.point, place, text)
    if value.interval is not None:
        ends = (value.interval.low, value.interval.high)
        bar = axes.plot(ends, (place, place), color=style.light, linewidth=7, alpha=0.35, solid_capstyle="butt")
        drawing.mark(variant, *bar)
    point = axes.plot(
        [value.point], [place], color=style.light, marker=style.marker, markersize=6, mec=PAPER, mew=0.6
    )
    drawing.mark(variant, *point)


def _variants_down(drawing: Drawing, axes: Axes, variants: Sequence[str], look: Look) -> None:
    _names_down(axes, [label(variant, look.room) for variant in variants], look)
    for text, variant in zip(axes.get_yticklabels(), variants, strict=True):
        drawing.mark(variant, text)


def _names_down(axes: Axes, names: Sequence[str], look: Look) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", labelsize=look.names, labelcolor=INK)
    axes.grid(axis="y", visible=len(names) > 12)  # leads the eye to a name
