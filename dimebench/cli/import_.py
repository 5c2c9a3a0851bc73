"""`dimebench import FILE ...`: curves of other tools and papers, as external runs beside one's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from dimebench.cli.common import options
from dimebench.cli.common.checks import check_folder, check_writable
from dimebench.errors import UsageError
from dimebench.numbers import LARGEST, NARROWEST, count

WRITERS = 16
UNITS = ("env-steps", "frames")
MOST_SHOWN = 60  # variants


def import_(
    words: Annotated[
        list[str],
        options.words(
            "Files (.csv and .parquet tables, .npz of SB3, a folder with env_interacts.npy and mean_return.npy), "
            "and suite=NAME to stand beside the runs of that suite.",
            "FILE... [suite=NAME]",
        ),
    ],
    algorithm: Annotated[
        str, typer.Option(help="The algorithm, where the file does not name it.", metavar="NAME")
    ] = "",
    task: Annotated[str, typer.Option(help="The task, where the file does not name it.", metavar="TASK")] = "",
    source: Annotated[
        str, typer.Option(help="Where the curves come from (default: the file's name).", metavar="TEXT")
    ] = "",
    licence: Annotated[str, typer.Option(help="The licence of the curves.", metavar="TEXT")] = "",
    unit: Annotated[str, typer.Option(help="What the steps count: env-steps or frames.", metavar="UNIT")] = "",
    action_repeat: Annotated[
        int | None, options.whole("--action-repeat", "Frames per env step at the source (default: 1).", 1)
    ] = None,
    seed: Annotated[
        int | None, options.whole("--seed", "Number of the first run whose file tells no seed.", 0)
    ] = None,
    step: Annotated[str, typer.Option(help="The column of the steps.", metavar="COLUMN")] = "",
    score: Annotated[str, typer.Option(help="The column of the returns.", metavar="COLUMN")] = "",
    metric: Annotated[
        str, typer.Option(help="The metric that is the score, in a table of metrics.", metavar="NAME")
    ] = "",
    success: Annotated[str, typer.Option(help="The column, or the metric, of successes.", metavar="NAME")] = "",
    seed_column: Annotated[str, typer.Option(help="The column of the seeds.", metavar="COLUMN")] = "",
    episode_column: Annotated[str, typer.Option(help="The column of the episodes.", metavar="COLUMN")] = "",
    algorithm_column: Annotated[str, typer.Option(help="The column of the algorithms.", metavar="COLUMN")] = "",
    task_column: Annotated[str, typer.Option(help="The column of the tasks.", metavar="COLUMN")] = "",
    rename_task: Annotated[
        list[str] | None,
        typer.Option(help="What a task is called here; without NEW it is left out.", metavar="OLD=NEW"),
    ] = None,
    runs_in: Annotated[
        str, typer.Option(help="What a run is in mean_return.npy: rows or columns.", metavar="AXIS")
    ] = "",
    split_repeats: Annotated[
        bool, typer.Option("--split-repeats", help="Where the steps of a seed begin again, count another run.")
    ] = False,
    uneven_episodes: Annotated[
        bool, typer.Option("--uneven-episodes", help="Evaluations may differ in their number of episodes.")
    ] = False,
    bounds: Annotated[str, typer.Option(help="Returns that score 0 and 1.", metavar="LOWER,UPPER")] = "",
    published: Annotated[
        bool, typer.Option("--published", help="Mark as published: paper:NAME, not ext:NAME.")
    ] = False,
    results: options.Results = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> int:
    """Read curves of another tool or paper into the results folder, marked ext: or paper:, with their source."""
    files = [Path(word) for word in words if not word.startswith("suite=")]
    suites = [word.removeprefix("suite=") for word in words if word.startswith("suite=")]
    if not files or "" in words or len(suites) > 1:
        raise UsageError("import takes one file or more, and at most one suite=NAME")
    _one_of("--unit", unit, UNITS, "unit")
    _one_of("--runs-in", runs_in, ("rows", "columns"), "axis")
    check_folder("--results", results)
    check_writable("--results", results)
    from dimebench.importing.gather import Wish, gather
    from dimebench.store.foreign.choices import Choices
    from dimebench.store.provenance import command_line

    choices = Choices(
        algorithm=algorithm,
        task=task,
        source=source,
        licence=licence,
        unit=unit.replace("-", " "),
        step=step,
        score=score,
        success=success,
        seed_column=seed_column,
        episode_column=episode_column,
        uneven=uneven_episodes,
        algorithm_column=algorithm_column,
        task_column=task_column,
        metric=metric,
        runs_in=runs_in,
    )
    wish = Wish(
        choices=choices,
        suite=suites[0] if suites else None,
        action_repeat=action_repeat,
        published=published,
        first_seed=seed,
        split_repeats=split_repeats,
        bounds=_bounds(bounds),
        renamed=_renamed(rename_task or []),
        command=command_line(),
    )
    gathered = gather(files, wish, results)
    _write(gathered, results)
    _tell(gathered, wish.suite, results, as_json)
    return 0


def _write(gathered: Any, results: Path) -> None:
    from dimebench.store.external import write_external

    new = [both for both in gathered.runs if both[0].folder not in gathered.already]
    with ThreadPoolExecutor(WRITERS) as pool:  # each waits for the disk most of the time
        list(pool.map(lambda both: write_external(results, *both), new))


def _tell(gathered: Any, suite: str | None, results: Path, as_json: bool) -> None:
    from dimebench.cli.common.output import print_json, print_line
    from dimebench.importing import words
    from dimebench.importing.gather import counts

    variants, there = counts(gathered), len(gathered.already)
    written = len(gathered.runs) - there
    notes = words.lines(gathered, suite)
    if as_json:
        lost = gathered.told.unscored + sum(sum(each.left_out.values()) for each in gathered.readings)
        tasks = [*gathered.tasks_not_in_suite, *gathered.tasks_unknown, *gathered.tasks_unscored]
        facts = {"suites": [target.suite for target in gathered.targets], "written": written, "already_there": there}
        facts |= {"variants": variants, "rows_left_out": lost, "tasks_left_out": tasks}
        print_json(facts | {"files": words.files(gathered), "notes": notes})
        return
    place = ", ".join(f"{results}/{target.suite}" for target in gathered.targets)
    again = f", {there} {'was' if there == 1 else 'were'} there already" if there else ""
    print_line(f"{count(written, 'run')} of {count(len(variants), 'variant')} imported into {place}{again}")
    for name, number in sorted(variants.items())[:MOST_SHOWN]:
        print_line(f"  {name}: {count(number, 'run')}")
    for line in notes:
        print_line(line)


def _one_of(option: str, value: str, known: tuple[str, ...], what: str) -> None:
    if value and value not in known:
        raise UsageError(f"{option} {value}: unknown {what} (known: {', '.join(known)})")


def _bounds(text: str) -> dict[str, float] | None:
    if not text:
        return None
    try:
        lower, upper = (float(part) for part in text.split(","))
    except ValueError:
        lower = upper = 0.0
    if not (abs(lower) <= LARGEST and abs(upper) <= LARGEST and upper - lower >= NARROWEST):
        raise UsageError(f"--bounds {text}: write two numbers, the lower one first")
    return {"lower": lower, "upper": upper}


def _renamed(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not old or not equals:
            raise UsageError(f"--rename-task {pair}: write OLD=NEW, or OLD= to leave the task out")
        found[old] = new
    return found
