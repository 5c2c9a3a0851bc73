"""`dimebench import FILE ...`: curves of other tools and papers, as external runs beside one's own."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from dimebench.cli.common import options
from dimebench.cli.common.checks import check_folder, check_writable
from dimebench.errors import UsageError, nearest

WRITERS = 16
UNITS = ("env-steps", "frames")
OTHER_BOUNDS = {"myosuite": (0.0, 1.0)}  # fixed by how these tasks are built; no adapter says so
BOUNDS_SUITE = "gym-mujoco"  # has bounds for each of its tasks


def import_(
    words: Annotated[
        list[str],
        options.words(
            "Files (.npz of SB3, .csv, .parquet, a folder with env_interacts.npy and mean_return.npy), "
            "and suite=NAME to stand beside the runs of that suite.",
            "FILE... [suite=NAME]",
        ),
    ],
    algorithm: Annotated[str, typer.Option(help="The algorithm, where the file does not name it.")] = "",
    task: Annotated[str, typer.Option(help="The task, where the file does not name it.")] = "",
    source: Annotated[str, typer.Option(help="Where the curves come from (default: the file's name).")] = "",
    licence: Annotated[str, typer.Option(help="The licence of the curves.")] = "",
    unit: Annotated[str, typer.Option(help="What the steps count: env-steps or frames.", metavar="UNIT")] = "",
    action_repeat: Annotated[int, options.whole("--action-repeat", "Frames per env step at the source.", 1)] = 1,
    seed: Annotated[int, options.whole("--seed", "Seed of the first file that tells none.", 0)] = 0,
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
    if not files or len(suites) > 1:
        raise UsageError("import takes one file or more, and at most one suite=NAME")
    if unit and unit not in UNITS:
        raise UsageError(f"--unit {unit}: unknown unit (known: {', '.join(UNITS)})")
    check_folder("--results", results)
    check_writable("--results", results)
    from dimebench.store.importers import Origin, read_files

    given = {"algorithm": algorithm, "task": task, "source": source, "licence": licence}
    frame, lost = read_files(files, given, seed)
    for key in ("algorithm", "task"):
        if (frame[key] == "").any():
            raise UsageError(f"{files[0]}: names no {key}: add --{key} NAME")
    frame["task"] = frame["task"].map(_full_tasks(frame, task, files))
    long_table = any(file.suffix in (".parquet", ".pq") for file in files) and not source
    told = bool((frame["source"] != "").any()) and not source
    frame["source"] = frame["source"].where(frame["source"] != "", ", ".join(file.name for file in files))
    if not licence:
        from dimebench.reference import licence_of

        known = frame["source"].map({name: licence_of(name) for name in frame["source"].unique()})
        frame["licence"] = frame["licence"].where(frame["licence"] != "", known)
    origin = Origin(
        source=source,
        licence=licence or "not stated",
        unit=(unit or ("frames" if long_table and told else "env-steps")).replace("-", " "),
        action_repeat=action_repeat,
        published=published or told,
    )
    suite = suites[0] if suites else None
    return _store(frame, origin, suite, _targets(frame, suite, _bounds(bounds), results), results, lost, as_json)


def _store(
    frame: Any, origin: Any, suite: str | None, targets: list[Any], results: Path, lost: int, as_json: bool
) -> int:
    from dimebench.cli.common.output import print_json
    from dimebench.store.importers import external_runs, write_external

    written = there = 0
    variants: Counter[str] = Counter()
    for target in targets:
        mine = frame[frame["task"].isin(list(target.score))]
        runs = external_runs(mine, origin, target)
        with ThreadPoolExecutor(WRITERS) as pool:  # each waits for the disk most of the time
            news = list(pool.map(lambda both: write_external(results, *both), runs))
        written, there = written + sum(news), there + len(news) - sum(news)
        variants.update(run.variant for run, _ in runs)
    kept = {task for target in targets for task in target.score}
    others = sorted(set(frame["task"]) - kept)
    if as_json:
        facts = {"suites": [target.suite for target in targets], "written": written, "already_there": there}
        print_json(facts | {"variants": variants, "rows_left_out": lost, "tasks_left_out": others})
        return 0
    place = ", ".join(f"{results}/{target.suite}" for target in targets)
    again = f", {there} were there already" if there else ""
    typer.echo(f"{written} runs of {len(variants)} variants imported into {place}{again}")
    for name, count in sorted(variants.items())[:60]:
        typer.echo(f"  {name}: {count} runs")
    if lost:
        typer.echo(f"left out: {lost} rows without a score, or aggregates over seeds, which are no runs")
    if others:
        typer.echo(f"left out: tasks that suite {suite} does not have: {', '.join(others)}")
    return 0


def _targets(frame: Any, suite: str | None, bounds: dict[str, float] | None, results: Path) -> list[Any]:
    """The suite that was named, with those of its tasks that the file has; else one suite per family of tasks."""
    from dimebench.config import load_suite
    from dimebench.store.importers import Target

    tasks = sorted(set(frame["task"]))
    if suite is None:
        families = sorted({task.split("/")[0] for task in tasks})
        scores = {family: {t: _score(t, bounds) for t in tasks if t.split("/")[0] == family} for family in families}
        return [Target(f"external-{family}".lower().replace("/", "-"), 1, score) for family, score in scores.items()]
    if _is_new(suite, results):
        return [Target(suite, 1, {task: _score(task, bounds) for task in tasks})]
    loaded = load_suite(suite)
    shared = [task for task in tasks if task in loaded.tasks]
    if not shared:
        raise UsageError(f"suite={suite}: has none of the file's tasks ({', '.join(tasks[:8])})")
    of = {task: loaded.bounds(task) for task in shared}
    score = {task: {"kind": loaded.score.kind, "lower": b.lower, "upper": b.upper} for task, b in of.items()}
    return [Target(loaded.name, loaded.budget.action_repeat, score)]


def _is_new(suite: str, results: Path) -> bool:
    """Whether that suite is one of imports alone. Raises UsageError for a misspelt name, ConfigError for no name."""
    from dimebench.config import list_suites
    from dimebench.config.names import check_suite

    known = [name for name, _ in list_suites()]
    if suite in known or suite.endswith((".yaml", ".yml")):
        return False
    check_suite(suite)
    hint = nearest(suite, known)
    if not hint.startswith(" (nearest: ") or suite.startswith("external-") or (results / suite).is_dir():
        return True
    raise UsageError(f"suite={suite}: unknown suite{hint}; call a new one external-NAME")


def _score(task: str, bounds: dict[str, float] | None) -> dict[str, Any]:
    """How runs of a task without a suite are scored: by --bounds, else as its family fixes it."""
    if bounds is not None:
        return {"kind": "final", **bounds}
    from dimebench.config import load_suite
    from dimebench.envs import loaded_libraries

    family = task.split("/")[0]
    found = OTHER_BOUNDS.get(family)
    if found is None and (library := loaded_libraries().get(family)):
        found, sibling = library.bounds(task), library.current(task)
        if found is None and sibling in (suite := load_suite(BOUNDS_SUITE)).tasks:
            found = suite.bounds(sibling).lower, suite.bounds(sibling).upper
    if found is not None:
        return {"kind": "final", "lower": found[0], "upper": found[1]}
    raise UsageError(f"{task}: which returns score 0 and 1 is not known: add --bounds LOWER,UPPER")


def _bounds(text: str) -> dict[str, float] | None:
    if not text:
        return None
    try:
        lower, upper = (float(part) for part in text.split(","))
    except ValueError:
        lower = upper = 0.0
    if not -1e300 < lower < upper < 1e300:
        raise UsageError(f"--bounds {text}: write two numbers, the lower one first")
    return {"lower": lower, "upper": upper}


def _full_tasks(frame: Any, given: str, files: list[Path]) -> dict[str, str]:
    """The full name of each task of the files. Raises UsageError for a misspelt one."""
    from dimebench.cli.common.tasks import imported_task

    where = ", ".join(map(str, files))
    problems = {task: f"{where}: unknown task '{task}'" for task in frame["task"].unique()}
    problems |= {given: f"--task {given}: unknown task"} if given in problems else {}
    return {task: imported_task(task, problem) for task, problem in problems.items()}
