"""A table as LaTeX with booktabs."""

from __future__ import annotations

from dimebench.tables.model import PAPER, Cell, Row, Table

LONGEST = 40  # rows on one page
_ESCAPED = {
    **{c: "\\" + c for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def latex(table: Table[Row]) -> str:
    """A table that needs the package booktabs, and longtable where it is longer than a page."""
    shown, above = table.on(PAPER), table.paper
    assert above is not None
    columns = "l" + "r" * (len(shown.columns) - 1)
    header = " & ".join(map(escape, shown.headings)) + r" \\"
    body = [" & ".join(map(_written, row)) + r" \\" for row in shown.rows]
    caption = rf"\caption{{{escape(above.title + ('. ' + above.note if above.note else ''))}}}"
    label = rf"\label{{tab:{table.name}}}"
    if len(body) > LONGEST:
        head = [rf"\begin{{longtable}}{{{columns}}}", caption + label + r" \\", r"\toprule", header, r"\midrule"]
        return "\n".join([*head, r"\endhead", *body, r"\bottomrule", r"\end{longtable}", ""])
    head = [r"\begin{table}", r"\centering", caption, label, rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    return "\n".join([*head, header, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def escape(text: str) -> str:
    """Text for LaTeX: names from files hold what LaTeX would read as commands."""
    return "".join(_ESCAPED.get(char, char) for char in text)


def _written(cell: Cell) -> str:
    return rf"\textbf{{{escape(cell.text)}}}" if cell.bold and cell.text else escape(cell.text)
