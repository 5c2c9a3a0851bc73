"""The board as lines of text: never wider or higher than the terminal, whatever the number of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from dimebench.cli.common.live.columns import Column, columns_for
from dimebench.cli.common.live.forecast import Forecast, forecast
from dimebench.cli.common.live.names import clock
from dimebench.cli.common.live.progress import (
    DIVERGED,
    ELSEWHERE,
    FAILED,
    FINISHED,
    HELD,
    INTERRUPTED,
    OVER,
    STATES,
    TRAINING,
    UNREAD,
    WAITING,
    CellProgress,
    PlanProgress,
)
from dimebench.numbers import count, rate, short_steps

SIGNS = {  # with colours alone a state would be lost on many: sign, sign in ASCII, style
    TRAINING: ("▶", ">", "cyan"),
    FAILED: ("✗", "x", "bold red"),
    INTERRUPTED: ("‖", "=", "yellow"),
    HELD: ("~", "~", "yellow"),
    WAITING: ("·", ".", "dim"),
    UNREAD: ("?", "?", "red"),
    DIVERGED: ("!", "!", "magenta"),
    ELSEWHERE: ("≈", "%", "green"),
    FINISHED: ("✓", "+", "green"),
}
FEWEST_ROWS = 3  # of cells, on however low a terminal


@dataclass(frozen=True)
class Size:
    width: int
    height: int
    ascii_only: bool = False


def frame(plan: PlanProgress, now: float, size: Size) -> list[Text]:
    """At most size.height lines of at most size.width columns.

    The whole; runs by state; a row for each cell: those that train come first, then failed ones, then those that
    wait. Those that are over have rows only where all cells have; what has no row is counted in the last line.
    """
    ahead = forecast(plan, now)
    lines = [_whole(plan, ahead, now, size), *_counts(plan, size)]
    rows, folded = _chosen(plan, size.height - len(lines) - 1)  # a row of headings
    columns = columns_for(plan, now, ahead, size.width, size.ascii_only)
    lines.append(_row([(_heading(each), "dim") for each in columns], size.width, " "))
    for cell in rows:
        sign, style = _sign(cell.shown_state, size.ascii_only)
        lines.append(_row([(each.of(cell), each.style or style) for each in columns], size.width, sign, style))
    if folded:
        lines.append(_folded(folded, bool(rows), size))
    return lines[: size.height]


def _whole(plan: PlanProgress, ahead: Forecast, now: float, size: Size) -> Text:
    done, total, speed = plan.done(), plan.total(), plan.rate(now)
    share = f" ({100 * done // total}%)" if total else ""
    parts = [f"{short_steps(done)} of {short_steps(total)} env steps{share}"]
    parts += [f"{rate(speed)} env steps/s"] if speed else []
    parts += [f"ETA {clock(ahead.total)}"] if ahead.total and done < total else []
    so_far = f"{clock(now - plan.began)} so far"
    text = "  ".join([plan.plan.suite, *parts])
    text = f"{text}  {so_far}" if cell_len(text) + 2 + len(so_far) <= size.width else text
    if cell_len(text) > size.width:
        text = "  ".join(parts)
    return _line(Text(text, style="bold"), size.width)


def _counts(plan: PlanProgress, size: Size) -> list[Text]:
    """Runs by state, each with its sign: what the signs of the rows mean. Two lines where one is too narrow."""
    counts = plan.counts()
    items = []
    for state in STATES:
        if counts[state]:
            sign, style = _sign(state, size.ascii_only)
            items.append(Text(f"{sign} {counts[state]} {state}", style=style))
    lines = [Text()]
    for item in items:
        if lines[-1] and lines[-1].cell_len + 2 + item.cell_len > size.width:
            lines.append(Text())
        lines[-1] = Text.assemble(lines[-1], "  " if lines[-1] else "", item)
    every = Text(f"  of {count(sum(counts.values()), 'run')}", style="dim")
    if lines[-1].cell_len + every.cell_len <= size.width:
        lines[-1].append(every)
    return [_line(line, size.width) for line in lines[:2]]


def _chosen(plan: PlanProgress, room: int) -> tuple[list[CellProgress], list[CellProgress]]:
    """The cells that have a row, and those that have none."""
    order = {state: rank for rank, state in enumerate(STATES)}
    states = {id(cell): cell.shown_state for cell in plan.cells}  # once: they may change meanwhile
    cells = sorted(plan.cells, key=lambda cell: order[states[id(cell)]])
    if len(cells) <= room:
        return cells, []
    room = max(room - 1, FEWEST_ROWS)  # the line that counts the others
    rows = [cell for cell in cells if states[id(cell)] not in OVER][:room]
    shown = {id(cell) for cell in rows}
    return rows, [cell for cell in cells if id(cell) not in shown]


def _folded(cells: Sequence[CellProgress], after: bool, size: Size) -> Text:
    states = [cell.shown_state for cell in cells]
    kinds = [f"{number} {state}" for state in STATES if (number := states.count(state))]
    text = f"{'and ' * after}{count(len(cells), 'cell')}: {', '.join(kinds)}"
    return _line(Text(text, style="dim"), size.width)


def _heading(column: Column) -> str:
    name = column.name[: column.width]
    return name.rjust(column.width) if column.right else name.ljust(column.width)


def _row(cells: Sequence[tuple[str, str]], width: int, sign: str, style: str = "") -> Text:
    text = Text(f"{sign} ", style=style)
    for index, (content, own) in enumerate(cells):
        text.append(" " * (index > 0)).append(content, style=own)
    return _line(text, width)


def _sign(state: str, ascii_only: bool) -> tuple[str, str]:
    sign, plain, style = SIGNS.get(state, SIGNS[WAITING])
    return plain if ascii_only else sign, style


def _line(text: Text, width: int) -> Text:
    text.truncate(width)
    text.no_wrap = True
    return text
