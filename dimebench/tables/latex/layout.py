"""How a table is set so that it fits: size of type, rows and columns changing places, panels, several floats.

The narrowest width of the paper in which the whole table fits in one float, in the larger type, as it is or with rows
and columns changing places; else the way with the fewest floats. A table too wide for all of these is split into
panels of as many columns as fit, one below the other. One that is too high is split into several floats
("continued"), each with its head. Nothing is scaled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dimebench.papers import Paper
from dimebench.tables.latex import source
from dimebench.tables.latex.columns import Set, Setting, family, set_column
from dimebench.tables.latex.grid import Grid
from dimebench.tables.latex.metrics import Type
from dimebench.tables.latex.text import latex_needs

SIZES = ((9, 11.0, 5), (8, 9.5, 4), (8, 9.5, 3))  # type, distance of its lines, half the gap between two columns
MARGIN = 1.0  # points that a table stays below the width
NARROWEST = 5.0  # a column of names is folded at most to this many times the size of its type
MOST_LINES = 2  # of a folded name, where the table fits otherwise
SHORT_HEAD = 6.0  # a head is folded below this many times the size of its type only where that is needed
RULES = 16.0  # points: the rules of a table with the space around them
BETWEEN = 2.0  # points between two rows
LEADING = 12.0  # of a caption's lines
AROUND = 24.0  # points: the space around a caption


def latex(grid: Grid, paper: Paper) -> str:
    """The table's floats. Comments above them say what they need; see `text.latex_needs` for other scripts."""
    chosen, setting, panels = _chosen(grid, paper)
    floats = list(_floats(chosen, setting, panels))
    columns = (grid.names, *grid.columns)
    shown = [text for c in columns for text in (c.heading, *(e.main for e in c.entries))]
    needs = latex_needs([grid.caption, *shown])
    about = rf"% needs \usepackage{{booktabs}}; for a text width of {setting.width:.1f}pt ({paper.name})"
    whole = "table*" if paper.two_columns and setting.width > paper.column_pt else "table"
    return "\n".join([*needs, about, *_written(chosen, setting, floats, whole), ""])


def _chosen(grid: Grid, paper: Paper) -> tuple[Grid, Setting, list[list[int]]]:
    """The table as it is or turned, the setting, and the columns of each panel."""
    ways = [grid, grid.turned()] if grid.crosswise else [grid]
    settings = [
        Setting(paper, width, *size) for width in dict.fromkeys((paper.column_pt, paper.text_pt)) for size in SIZES
    ]
    found: list[tuple[int, Grid, Setting, list[list[int]]]] = []
    for setting in settings:
        for way in ways:
            whole = [list(range(len(way.columns)))]
            if _set(way, setting, strict=True):
                found.append((len(list(_floats(way, setting, whole))), way, setting, whole))
                if found[-1][0] == 1:
                    return found[-1][1:]
    if not found:
        last = Setting(paper, paper.text_pt, *SIZES[1])
        for way in ways:
            panels = _panels(way, last)
            found.append((len(list(_floats(way, last, panels))), way, last, panels))
    return min(found, key=lambda each: (each[0], len(each[3])))[1:]


def _panels(grid: Grid, setting: Setting) -> list[list[int]]:
    """The columns of each panel, alike in number: the fewest panels that fit."""
    count = len(grid.columns)
    for panels in range(1, count + 1):
        each = math.ceil(count / panels)
        parts = [list(range(start, min(start + each, count))) for start in range(0, count, each)]
        if panels == count or all(_set(grid.part(p, _all(grid)), setting, strict=False) for p in parts):
            return parts
    return [[]]


def _all(grid: Grid) -> range:
    return range(len(grid.names.entries))


def _set(grid: Grid, setting: Setting, strict: bool) -> list[Set] | None:
    """The columns set, names folded as far as they must be; None where they do not fit.

    strict: names in few lines alone.
    """
    columns = (grid.names, *grid.columns)
    room = setting.width - MARGIN - 2 * setting.gap * (len(columns) - 1)
    found = [set_column(column, setting, math.inf, SHORT_HEAD * setting.size) for column in columns]
    if sum(each.width for each in found) <= room:
        return found
    found = [set_column(column, setting, math.inf) for column in columns]
    least = NARROWEST * setting.size
    while (excess := sum(each.width for each in found) - room) > 0:
        widest = max((k for k, each in enumerate(found) if each.column.prose), key=lambda k: found[k].width)
        width = found[widest].width
        if width <= least:
            return None
        aim = max(least, width - max(1.0, min(excess, width / 8)))
        found[widest] = set_column(columns[widest], setting, aim)
        if found[widest].width > aim:
            return None
    lines = max((len(cell) for each in found if each.column.prose for cell in each.lines), default=0)
    return found if not strict or lines <= MOST_LINES else None


Block = tuple[list[int], range]  # columns and rows of one tabular


def _floats(grid: Grid, setting: Setting, panels: list[list[int]]) -> Iterator[list[Block]]:
    """The tabulars of each float: all rows of a panel where they have room, else as many rows as fit, alike."""
    high = setting.paper.height_pt - _caption_height(grid, setting)
    blocks: list[Block] = []
    for panel in panels:
        sets = _forced(grid.part(panel, _all(grid)), setting)
        head = RULES + setting.leading * max(len(each.head) for each in sets)
        rows = [setting.leading * max(len(each.lines[k]) for each in sets) + BETWEEN for k in _all(grid)]
        pieces = max(1, math.ceil(sum(rows) / (high - head)))
        each = math.ceil(len(rows) / pieces)
        while each > 1 and any(sum(rows[start : start + each]) > high - head for start in range(0, len(rows), each)):
            each -= 1
        for start in range(0, len(rows), each):
            blocks.append((panel, range(start, min(start + each, len(rows)))))
    yield from _packed(grid, setting, blocks, high)


def _packed(grid: Grid, setting: Setting, blocks: list[Block], high: float) -> Iterator[list[Block]]:
    here: list[Block] = []
    left = high
    for panel, rows in blocks:
        sets = _forced(grid.part(panel, rows), setting)
        needs = RULES + setting.leading * max(len(each.head) for each in sets) + LEADING
        needs += sum(setting.leading * max(len(s.lines[k]) for s in sets) + BETWEEN for k in range(len(rows)))
        if here and needs > left:
            yield here
            here, left = [], high
        here.append((panel, rows))
        left -= needs
    yield here


def _forced(grid: Grid, setting: Setting) -> list[Set]:
    """The columns set; where not even one of them fits, as narrow as they become."""
    found = _set(grid, setting, strict=False)
    if found:
        return found
    least = NARROWEST * setting.size
    return [
        set_column(column, setting, least if column.prose else math.inf) for column in (grid.names, *grid.columns)
    ]


def _caption_height(grid: Grid, setting: Setting) -> float:
    width = Type(family(setting.paper), 10).width(grid.caption) * 1.08
    return AROUND + LEADING * (1 + math.ceil(width / setting.width))


def _written(grid: Grid, setting: Setting, floats: Sequence[list[Block]], environment: str) -> Iterator[str]:
    for number, blocks in enumerate(floats):
        again = f"{grid.title} (continued)."
        yield rf"\begin{{{environment}}}"
        yield r"\centering"
        if number:
            yield r"\addtocounter{table}{-1}"
        yield rf"\caption{{{source.caption_text(again if number else grid.caption)}}}"
        if not number:
            yield rf"\label{{tab:{grid.name.replace('_', '-')}}}"
        yield r"\vspace{1ex}"
        yield rf"\fontsize{{{setting.size}}}{{{setting.leading:g}}}\selectfont"
        yield rf"\setlength{{\tabcolsep}}{{{setting.gap}pt}}"
        for place, (panel, rows) in enumerate(blocks):
            if place:
                yield r"\par\bigskip"
            yield from _tabular(_forced(grid.part(panel, rows), setting), len(rows))
        yield rf"\end{{{environment}}}"


def _tabular(sets: list[Set], count: int) -> Iterator[str]:
    yield rf"\begin{{tabular}}{{@{{}}{''.join('l' if each.column.prose else 'c' for each in sets)}@{{}}}}"
    yield r"\toprule"
    heads, columns = [each.heads() for each in sets], [each.cells() for each in sets]
    high = max(map(len, heads))
    for line in range(high):
        yield source.row(head[k] if (k := line - high + len(head)) >= 0 else "" for head in heads)
    yield r"\midrule"
    for item in range(count):
        lines = max(len(cells[item]) for cells in columns)
        for line in range(lines):
            last = line == lines - 1 and item < count - 1 and lines > 1
            row = [cells[item][line] if line < len(cells[item]) else "" for cells in columns]
            yield source.row(row, f"[{BETWEEN:g}pt]" if last else "")
    yield r"\bottomrule"
    yield r"\end{tabular}"
