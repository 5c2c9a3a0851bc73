"""`dimebench report`: figures and tables as files, or one page that opens anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dimebench.cli.compare import Budget
from dimebench.cli.errors import UsageError
from dimebench.cli.options import DEFAULT_RESULTS, Allow, Results, check_folder, parse_allow, split_words

FORMATS = ("svg", "png", "pdf")


def report(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Algorithms or variants (default: all there are), and suite=NAME.", metavar="[WORDS]..."),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Write one self-contained page as well.")] = False,
    budget: Budget = None,
    allow: Allow = None,
    formats: Annotated[str, typer.Option(help="Figure formats, of svg, png and pdf.", metavar="A,B")] = "svg,png,pdf",
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.", metavar="DIR")] = Path("report"),
    results: Results = DEFAULT_RESULTS,
) -> int:
    """Write learning curves, aggregates, profiles, tables and, with --html, a page with all of them."""
    chosen = [form for form in formats.split(",") if form]
    for form in chosen:
        if form not in FORMATS:
            raise UsageError(f"--formats {formats}: unknown format '{form}' (known: {', '.join(FORMATS)})")
    check_folder("--out", out)
    names, suite = split_words(words)
    allowed = parse_allow(allow)
    from dimebench.report import summary
    from dimebench.report.figures import write_figures
    from dimebench.report.html import write_html
    from dimebench.report.tables import plain_lines
    from dimebench.store import atomic_write

    found = summary(results, names, suite=suite, budget=budget, allow=allowed)
    folder = out / found.suite
    figures = write_figures(found, folder / "figures", chosen)
    atomic_write(folder / "tables.txt", ("\n".join(plain_lines(found)) + "\n").encode())
    typer.echo(f"{len(figures)} figures in {folder / 'figures'}/, tables in {folder / 'tables.txt'}")
    if html:
        typer.echo(f"page: {write_html(found, folder / 'report.html')}")
    return 0
