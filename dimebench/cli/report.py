"""`dimebench report`: figures and tables as files, or one page that opens anywhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dimebench.cli.common import options
from dimebench.cli.common.checks import check_folder
from dimebench.cli.common.parsers import parse_allow, some_of, split_words
from dimebench.cli.compare import question
from dimebench.errors import UsageError, nearest, shorten

if TYPE_CHECKING:
    from dimebench.analysis import Summary
    from dimebench.figures.pool import FigurePool
    from dimebench.page.head import Made
    from dimebench.page.html import Clip
    from dimebench.papers import Paper
    from dimebench.store.places import Place

FORMATS = ("svg", "png", "pdf")


def report(
    words: Annotated[
        list[str] | None,
        options.words("Algorithms, variants or published references (default: all there are), and suite=NAME."),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Write one self-contained page as well.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write everything as one PDF as well.")] = False,
    clips: Annotated[bool, typer.Option("--clips", help="Put a short film per task into the page.")] = False,
    published: Annotated[
        bool, typer.Option(help="Set published figures of the same algorithms beside the runs.")
    ] = True,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write the page anew as evaluations land, until all runs are done.")
    ] = False,
    every: Annotated[float, options.seconds("--every", "Seconds between two looks.")] = 10.0,
    budget: options.Budget = None,
    axis: options.Axis = "env_step",
    metric: options.Metric = None,
    delta: options.Delta = None,
    interval: options.Interval = "expanded",
    engine: options.Engine = "numpy",
    allow: options.Allow = None,
    formats: Annotated[
        str | None, typer.Option(help="Figure formats, of svg, png and pdf (default: all three).", metavar="A,B")
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(help="Write figures and tables for a paper as well: neurips, icml or plain.", metavar="NAME"),
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Draw single runs in the paper's figures too.")] = False,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Call a variant otherwise in figures and tables; repeatable.", metavar="OLD=NEW"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Who the page says made it (default: your login name; '' for nobody).", metavar="NAME"),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.", metavar="DIR")] = Path("report"),
    results: options.ResultsToRead = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> None:
    """Write learning curves, aggregates, profiles, tables and, with --html, a page with all of them."""
    chosen = list(FORMATS) if formats is None else some_of("--formats", formats, FORMATS)
    paper = _paper(style, runs)
    if watch and (paper or name):
        raise UsageError(f"{'--style' if paper else '--name'}: works on files; --watch writes the page alone")
    if (watch or clips) and not html:
        raise UsageError(f"{'--watch' if watch else '--clips'}: works on the page: add --html")
    check_folder("--out", out)
    names, suite = split_words(words)
    allowed = parse_allow(allow)
    from dimebench.analysis import read_summary
    from dimebench.analysis.published import cite, peers
    from dimebench.analysis.renamed import parse_names, renamed

    def read() -> Summary:
        asked = question(axis, metric, delta, interval, engine)
        found = read_summary(results, names, suite=suite, budget=budget, question=asked, allow=allowed)
        return cite(found, peers(found), asked=False) if published and not found.published else found

    if watch:
        _watch(read, results, suite, out, every, by)
        return
    from dimebench.cli.common.output import print_json, tell_unread
    from dimebench.figures.files import begin_figures
    from dimebench.figures.pool import FigurePool

    with FigurePool(_cells(results, suite, names), preload="dimebench.page.html") as pool:
        found = read()
        unread = tell_unread(found.unread)
        folder = out / found.suite
        others = parse_names(name or [], found)
        called = renamed(found, others)
        say_not_shown(called)
        pool.show(found)
        begin_figures(found, chosen, pool, names=others)
        if paper:
            from dimebench.page.paper import begin_paper, write_paper

            begin_paper(found, paper, chosen if formats else (), runs, others, pool)
        if html:
            from dimebench.page.html import begin_page, write_html

            begin_page(found, pool)
        written = _write_files(found, called, folder, chosen, pool, others)
        if paper:
            place = folder / paper.name
            made = write_paper(found, paper, place, chosen if formats else (), runs, others, pool)
            written["paper"] = [str(path) for path in made]
        if html:
            films = _clips(found, results) if clips else []
            written["page"] = str(
                write_html(found, folder / "report.html", films, pool=pool, made=_made(results, by))
            )
    if pdf:
        from dimebench.page.pdf import write_pdf

        written["pdf"] = str(write_pdf(found, folder / "report.pdf", written.get("page"), _note, _made(results, by)))
    if as_json:
        print_json(written | {"not_read": unread})
        return
    count, tables = len(written["figures"]), folder / "tables"
    typer.echo(f"{count} figures in {folder / 'figures'}/, tables in {tables}.txt and {tables}/")
    if paper:
        typer.echo(f"{paper.name}: {folder / paper.name / 'paper.tex'}, with its figures and tables beside it")
    for kind in ("page", "pdf"):
        if kind in written:
            typer.echo(f"{kind}: {written[kind]}")


def _paper(style: str | None, runs: bool) -> Paper | None:
    """The format that `--style` names. Raises UsageError."""
    from dimebench.papers import PAPERS

    if style is None:
        if runs:
            raise UsageError("--runs: works on a paper's figures: add --style")
        return None
    if style not in PAPERS:
        raise UsageError(f"--style {style}: unknown style{nearest(style, PAPERS)}")
    return PAPERS[style]


def say_not_shown(found: Summary) -> None:
    """On standard error, the characters of names that no installed font has; figures show a box for each."""
    from dimebench.figures import fonts

    lacking = "".join(fonts.not_shown(fonts.texts_of(found)))
    if lacking:
        advice = "install one that has them, such as Noto Sans CJK"
        print(f"dimebench: note: no font here has {shorten(lacking)}: figures show boxes; {advice}", file=sys.stderr)


def _made(results: Place, by: str | None) -> Made:
    """For the head of the page: now, by whom, from which folder or URL."""
    import getpass
    from datetime import UTC, datetime

    from dimebench.page.head import Made

    if by is None:
        try:
            by = getpass.getuser()
        except (OSError, KeyError):  # a user id without a name, as in containers
            by = ""
    return Made(datetime.now(UTC), by, str(results))


def _note(text: str) -> None:
    print(f"dimebench: note: {text}", file=sys.stderr)


def _cells(results: Place, suite: str | None, names: list[str]) -> int:
    """About how many cells will be drawn; 0 for results at a URL, where looking takes long."""
    from dimebench.store.reader import cell_names

    if not isinstance(results, Path):
        return 0
    tasks = [task for of, _, task in cell_names(results) if suite in (None, of)]
    return len(names) * len(set(tasks)) if names else len(tasks)


def _write_files(
    found: Summary, called: Summary, folder: Path, formats: list[str], pool: FigurePool, names: dict[str, str]
) -> dict[str, Any]:
    """Figures and tables; `called` has the names for readers, `found` those for programs."""
    from dimebench.figures.files import write_figures
    from dimebench.store import atomic_write
    from dimebench.tables.answer import plain_lines
    from dimebench.tables.files import table_files

    texts = {folder / "tables.txt": "\n".join(plain_lines(called)) + "\n"}  # while the pool draws
    tables = table_files(found, ["csv"]) | table_files(called, ["markdown", "latex"])
    texts |= {folder / "tables" / name: text for name, text in tables.items()}
    figures = write_figures(found, folder / "figures", formats, pool, names=names)
    for path, text in texts.items():
        atomic_write(path, text.encode())
    return {"figures": [str(path) for path in figures], "tables": [str(path) for path in texts]}


def _clips(found: Summary, results: Place) -> list[Clip]:
    """One short film per task, of the best variant's first seed that has kept its policy."""
    import base64

    from dimebench import numbers
    from dimebench.page.html import Clip
    from dimebench.video.render import RenderError, film, find_policy

    clips = []
    for task in found.tasks:
        for row in sorted(found.aggregates, key=lambda row: -found.cell(row.variant, task).mean.point):
            runs = [run for run in found.runs if (run.variant, run.task, run.counted) == (row.variant, task, True)]
            policy = find_policy(results, found.suite, row.variant, task, [run.seed for run in runs])
            if policy is None:
                continue
            try:
                shot = film(policy, kind=None, width=256, height=192, seconds=6.0, fps=20)
            except RenderError as error:
                typer.echo(f"no film of {task}: {error}", err=True)
                break
            length = numbers.duration(shot.seconds)
            title = f"{task}: {row.variant}, seed {policy.run.seed}, return {shot.reached:.0f} in {length}"
            clips.append(Clip(row.variant, title, shot.kind, base64.b64encode(shot.data).decode()))
            break
    return clips


def _watch(
    read: Callable[[], Summary], results: Place, suite: str | None, out: Path, every: float, by: str | None
) -> None:
    """Write the page whenever a run's files have changed; the last one, when all is done, stays as it is."""
    from dimebench.analysis import NoRunsError, NotComparableError
    from dimebench.analysis.watch import watch
    from dimebench.cli.common.output import tell_unread
    from dimebench.figures.pool import FigurePool
    from dimebench.page.html import write_html

    waiting, said = "", set[str]()
    for state, changed, last in watch(results, suite, every):
        if not changed and not last:
            continue
        try:
            found = read()
        except (NotComparableError, NoRunsError) as error:
            if last:
                raise
            if str(error) != waiting:  # runs that have just begun
                typer.echo(f"waiting: {error}")
            waiting = str(error)
            continue
        tell_unread(found.unread, said)
        path = out / found.suite / "report.html"
        with FigurePool.of(found) as pool:
            again = None if last else max(2, round(every))
            write_html(found, path, refresh_s=again, pool=pool, made=_made(results, by))
        typer.echo(f"page: {path} at {found.budget:,} env steps, {state.words()}")
