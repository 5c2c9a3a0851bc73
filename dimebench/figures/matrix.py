"""The matrix of probabilities of improvement."""

from __future__ import annotations

import itertools

from matplotlib.patches import Rectangle

from dimebench import numbers
from dimebench.analysis.summary import Summary
from dimebench.figures.look import REPORT, SMALLEST, Look
from dimebench.figures.marks import Drawing
from dimebench.figures.style import INK, SERIES, label
from dimebench.stats import Estimate
from dimebench.wording.terms import estimate
from dimebench.wording.verdict import turned

MOST_IN_MATRIX = 40  # variants
WIDE, NARROW = 2.5, 1.9  # width of "0.53" and of ".53", in sizes of their type


def draw_matrix(summary: Summary, look: Look = REPORT) -> Drawing:
    """P(row > column) of every pair; blue where the row is ahead, vermilion where the column is.

    Without the numbers where there is no room for them in type of a size that can be read.
    """
    names = list(summary.variants)
    size = len(names)
    room = min(look.room, 26)
    beside = look.inches(max(len(label(name, room)) for name in names))
    drawing = Drawing(summary, look.width, 1.0)
    cell = min(0.85, (look.width - beside - 0.35) / size)  # inches across
    tall = min(0.42, cell)
    above = 0.25 + (0.6 if cell > 0.5 else 1.0) * beside
    drawing.figure.set_size_inches(min(look.width, beside + 0.35 + cell * size), above + tall * size)
    short = cell * 72 < WIDE * look.small
    type_size = min(look.small, cell * 72 / NARROW)
    axes = drawing.figure.subplots()
    judged = {(c.a, c.b): c.improvement for one in summary.comparisons for c in (one, turned(one))}
    for row, column in itertools.permutations(names, 2):
        x, y = names.index(column), names.index(row)
        chance = judged.get((row, column), Estimate(summary.improvements[y][x], None))
        colour = SERIES[0].light if chance.point >= 0.5 else SERIES[1].light
        strength = 0.08 + 0.8 * abs(chance.point - 0.5)
        square = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, alpha=strength, lw=0)
        axes.add_patch(square)
        drawing.mark(row, square)
        if type_size >= SMALLEST:
            written = numbers.probability(chance.point)
            written = written.removeprefix("0").replace("1.00", "1") if short else written
            drawing.mark(row, axes.text(x, y, written, ha="center", va="center", fontsize=type_size))
        hint = f"P({row} > {column}): {estimate(chance, numbers.probability)}"
        drawing.add_text(axes, row, x, y, hint, (x - 0.5, x + 0.5))
    axes.set_xlim(-0.5, size - 0.5)
    turn, side = (30, "left") if cell > 0.5 else (90, "center")
    axes.set_xticks(range(size), [label(n, room) for n in names], rotation=turn, ha=side)
    if turn != 90:
        for text in axes.get_xticklabels():
            text.set_rotation_mode("anchor")
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    axes.set_yticks(range(size), [label(name, room) for name in names])
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        drawing.mark(name, text)
    axes.tick_params(axis="y", labelsize=look.names, labelcolor=INK)
    axes.set_ylim(size - 0.5, -0.5)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    return drawing
