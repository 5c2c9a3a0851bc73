"""`dimebench compare A B`: which is better, by how much, how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dimebench.cli.common.options import DEFAULT_RESULTS, Allow, Json, ResultsToRead
from dimebench.cli.common.parsers import number_above_0, one_of, parse_allow, split_words, whole_number
from dimebench.errors import UsageError

if TYPE_CHECKING:
    from dimebench.analysis.question import Question


def _budget(text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        help=text, metavar="ENV_STEPS", parser=whole_number("--budget", 1, " env step")
    )
    return option


Budget = Annotated[
    int | None, _budget("Compare at this many env steps (default: what all have); with --axis, in its unit.")
]
BudgetOfSteps = Annotated[int | None, _budget("Read the runs at this many env steps (default: what all have).")]
Axis = Annotated[
    str,
    typer.Option(
        help="What budget and curves count: env_step, grad_step or wall_time (seconds of training).",
        metavar="AXIS",
        parser=one_of("--axis", "axis", "env_step", "grad_step", "wall_time"),
    ),
]
MetricName = Annotated[
    str | None,
    typer.Option(
        help="final, auc, or threshold:0.8: how early that normalised score is reached (default: the suite's).",
        metavar="METRIC",
    ),
]
Delta = Annotated[
    float | None,
    typer.Option(
        help="Say 'equivalent' where the IQM difference is surely within this margin of normalised score.",
        metavar="MARGIN",
        parser=number_above_0("--delta"),
    ),
]
Interval = Annotated[
    str,
    typer.Option(
        help="How intervals are made: expanded, percentile, bca or student.",
        metavar="METHOD",
        parser=one_of("--interval", "method", "expanded", "percentile", "bca", "student"),
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        help="Whose bootstrap: numpy, or rliable (percentile intervals, 2,000 resamples, slow).",
        metavar="NAME",
        parser=one_of("--engine", "engine", "numpy", "rliable"),
    ),
]


def compare(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Two or more algorithms or variants, published ones too (paper:DIME); suite=NAME.",
            metavar="A B [WORDS]...",
        ),
    ] = None,
    budget: Budget = None,
    axis: Axis = "env_step",
    metric: MetricName = None,
    delta: Delta = None,
    interval: Interval = "expanded",
    engine: EngineName = "numpy",
    allow: Allow = None,
    results: ResultsToRead = DEFAULT_RESULTS,
    as_json: Json = False,
) -> int:
    """Say which algorithm is better at a matched budget, with 95% intervals and a permutation test."""
    names, suite = split_words(words)
    if len(set(names)) < 2:
        raise UsageError(f"compare takes two algorithms or more, not {len(set(names))}: dimebench compare A B")
    allowed = parse_allow(allow)
    from dimebench.analysis import read_summary

    asked = question(axis=axis, metric=metric, delta=delta, interval=interval, engine=engine)
    found = read_summary(results, names, suite=suite, budget=budget, question=asked, allow=allowed)
    if as_json:
        from dimebench.wording.programs import to_json

        typer.echo(to_json(found))
        return 0
    from dimebench.cli.common.output import console
    from dimebench.tables.answer import plain_lines, render

    if console.is_terminal:
        console.print(render(found))
    else:
        for line in plain_lines(found):
            typer.echo(line)
    return 0


def question(
    *,
    axis: str = "env_step",
    metric: str | None = None,
    delta: float | None = None,
    interval: str = "expanded",
    engine: str = "numpy",
) -> Question:
    """The question that the options ask. Raises UsageError for options that exclude each other."""
    if engine == "rliable" and interval not in ("expanded", "percentile"):
        raise UsageError(f"--interval {interval}: rliable has percentile intervals alone; leave out --engine rliable")
    from dimebench.analysis.question import Metric, Question
    from dimebench.stats import Engine, NumpyEngine, RliableEngine

    chosen: Engine = RliableEngine() if engine == "rliable" else NumpyEngine(method=interval)  # type: ignore[arg-type]
    return Question(axis, None if metric is None else Metric.parse(metric), delta, chosen)
