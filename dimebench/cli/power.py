"""`dimebench power A [B]`: how many seeds does a difference need?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from dimebench.cli.common import options
from dimebench.cli.common.parsers import split_words
from dimebench.errors import UsageError

if TYPE_CHECKING:
    from dimebench.analysis.pilot import Pilot
    from dimebench.stats import PowerAnswer


def power(
    words: Annotated[
        list[str] | None,
        options.words(
            "One algorithm or variant with runs to take the spread from, or the two to compare, of which one may be "
            "published (paper:BRO); suite=NAME.",
            "A [B] [WORDS]...",
        ),
    ] = None,
    difference: Annotated[
        float | None,
        options.above_0(
            "--difference",
            "IQM difference of normalised scores to find (default: the one seen between A and B).",
            "D",
        ),
    ] = None,
    chance: Annotated[float, options.above_0("--chance", "Chance of finding it, between 0 and 1.", "P")] = 0.8,
    comparisons: Annotated[
        int, options.whole("--comparisons", "How many comparisons are judged together.", 1, metavar="M")
    ] = 1,
    simulations: Annotated[
        int, options.whole("--simulations", "Simulated comparisons per number of seeds.", 20)
    ] = 300,
    budget: options.BudgetOfSteps = None,
    published: Annotated[
        Path | None,
        options.option(
            "Runs from this table, as `import` reads it (algorithm, task, seed, step, score).", "FILE", "--from"
        ),
    ] = None,
    task: Annotated[str, options.option("With --from: only these tasks.", "X,Y")] = "",
    upper: Annotated[
        float | None, options.above_0("--upper", "With --from: the score that counts as 1 (default: 1000).", "S")
    ] = None,
    step: Annotated[str, options.option("With --from: the column of the steps.", "COLUMN")] = "",
    score: Annotated[str, options.option("With --from: the column of the returns.", "COLUMN")] = "",
    seed_column: Annotated[str, options.option("With --from: the column of the seeds.", "COLUMN")] = "",
    algorithm_column: Annotated[str, options.option("With --from: the column of the algorithms.", "COLUMN")] = "",
    task_column: Annotated[str, options.option("With --from: the column of the tasks.", "COLUMN")] = "",
    metric: Annotated[str, options.option("With --from: the metric that is the score.", "NAME")] = "",
    results: options.ResultsToRead = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> None:
    """Say how many seeds per task and variant find an IQM difference, from the spread of runs there are."""
    from dimebench.reference import PREFIX

    names, suite = split_words(words)
    if not 1 <= len(set(names)) <= 2:
        raise UsageError(f"power takes one algorithm or two, not {len(set(names))}: dimebench power A [B]")
    if difference is None and len(set(names)) < 2 and not names[0].startswith(PREFIX):
        raise UsageError("power of one algorithm needs a difference to find: --difference 0.05")
    of_file = {"--step": step, "--score": score, "--seed-column": seed_column, "--metric": metric}
    of_file |= {"--algorithm-column": algorithm_column, "--task-column": task_column}
    if published is not None and suite is not None:
        raise UsageError(f"suite={suite}: is of a results folder; --from {published} has none")
    for option, given in {"--task": task, "--upper": upper, **of_file}.items():
        if given and published is None:
            raise UsageError(f"{option} {given}: works with --from FILE; a results folder brings its suite's own")
    if not 0 < chance < 1:
        raise UsageError(f"--chance {chance}: must be between 0 and 1")
    from dimebench.analysis.pilot import pilot_of_file, pilot_of_results
    from dimebench.cli.common.output import print_json, print_line
    from dimebench.stats import how_many_seeds
    from dimebench.stats.bootstrap import stream
    from dimebench.stats.estimators import iqm
    from dimebench.store.foreign.choices import Choices
    from dimebench.wording.notes import note

    if published is None:
        pilot = pilot_of_results(results, names, suite, budget)
    else:
        wanted_tasks = [name for name in task.split(",") if name]
        choices = Choices(
            step=step,
            score=score,
            seed_column=seed_column,
            algorithm_column=algorithm_column,
            task_column=task_column,
            metric=metric,
        )
        pilot = pilot_of_file(published, names, budget, (0.0, upper or 1000.0), wanted_tasks, choices)
    names = list(pilot.named) or names
    for name, scores in pilot.scores.items():
        for on, runs in zip(pilot.tasks, scores, strict=True):
            if len(runs) < 2:
                raise UsageError(f"power needs at least two runs of every task, not {len(runs)} of {name} on {on}")
    of = list(pilot.scores)  # of one variant alone where the other is published
    a, b = pilot.scores[of[0]], pilot.scores[of[-1]]
    seen = pilot.published.difference if pilot.published else abs(iqm(a) - iqm(b))
    wanted = seen if difference is None else difference
    if wanted == 0:
        raise UsageError(f"{names[0]} and {names[-1]} do not differ at all: name a difference, --difference 0.05")
    answer = how_many_seeds(
        a, b, wanted, rng=stream(0, "power", *names), alpha=0.05 / comparisons, chance=chance, simulations=simulations
    )
    if as_json:
        about = {"variants": names, "tasks": pilot.tasks, "budget": pilot.budget, "source": pilot.source}
        about["published"] = pilot.published and asdict(pilot.published)
        about["notes"] = [note(each) for each in pilot.notes]
        print_json(about | {"comparisons": comparisons} | asdict(answer), allow_nan=False)
    else:
        for line in _lines(pilot, answer, comparisons):
            print_line(line)
        for each in pilot.notes:
            print_line(note(each))


def _lines(pilot: Pilot, answer: PowerAnswer, comparisons: int) -> list[str]:
    """The answer in words, then the table of what was tried."""
    from dimebench.numbers import count, percent, span, unit
    from dimebench.stats.power import MOST_SEEDS
    from dimebench.tables.plain import aligned

    spread = " and ".join(pilot.scores)
    runs_of = [len(runs) for tasks in pilot.scores.values() for runs in tasks]
    found = f"about {answer.seeds} seeds" if answer.seeds else f"more than {MOST_SEEDS:,} seeds"
    together = f", {comparisons} comparisons judged together" if comparisons > 1 else ""
    lines = [
        f"An IQM difference of {unit(answer.difference)} on {count(len(pilot.tasks), 'task')} needs {found} per task "
        f"and variant, to be found with a chance of {percent(answer.chance)} at {percent(1 - answer.alpha)} "
        f"confidence{together}.",
        f"From the spread of {spread} over {span(min(runs_of), max(runs_of))} seeds at {pilot.budget:,} {pilot.unit} "
        f"({pilot.source}); few seeds tell a spread roughly.",
    ]
    if pilot.published:
        one = pilot.published
        lines.append(
            f"{one.variant} is published, not run here ({one.source}, licence {one.licence}): {one.statistic} of the "
            f"normalised score {unit(one.score)} on these tasks, where {spread} has {unit(one.own)}, a difference of "
            f"{unit(one.difference)}; both sides are given the spread of {spread}."
        )
    if answer.simulated:
        found_in = [f"{percent(p.power)} of {p.simulations} (+-{percent(p.error)})" for p in answer.simulated]
        seeds = [str(p.seeds) for p in answer.simulated]
        lines += ["", *aligned([("seeds", "found in"), *zip(seeds, found_in, strict=True)])]
    return lines
