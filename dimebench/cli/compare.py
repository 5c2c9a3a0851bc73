"""`dimebench compare A B`: which is better, by how much, how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dimebench.cli.common import options
from dimebench.cli.common.parsers import parse_allow, split_words
from dimebench.errors import UsageError

if TYPE_CHECKING:
    from dimebench.analysis.question import Question


def compare(
    words: Annotated[
        list[str] | None,
        options.words(
            "Two or more algorithms or variants, published ones too (paper:DIME); suite=NAME.", "A B [WORDS]..."
        ),
    ] = None,
    budget: options.Budget = None,
    axis: options.Axis = "env_step",
    metric: options.Metric = None,
    delta: options.Delta = None,
    interval: options.Interval = "expanded",
    engine: options.Engine = "numpy",
    allow: options.Allow = None,
    per_task: Annotated[bool, typer.Option("--per-task", help="Show the verdict on each task as well.")] = False,
    results: options.ResultsToRead = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> None:
    """Say which algorithm is better at a matched budget, with 95% intervals and a permutation test."""
    names, suite = split_words(words)
    if len(set(names)) < 2:
        raise UsageError(f"compare takes two algorithms or more, not {len(set(names))}: dimebench compare A B")
    allowed = parse_allow(allow)
    from dimebench.analysis import read_summary
    from dimebench.numbers import listed

    asked = question(axis, metric, delta, interval, engine)
    found = read_summary(results, names, suite=suite, budget=budget, question=asked, allow=allowed)
    if len(found.variants) + len(found.published) < 2:
        raise UsageError(f"compare takes two algorithms or more: {listed(names)} are all {found.variants[0]}")
    if as_json:
        from dimebench.wording.programs import to_json

        typer.echo(to_json(found))
        return
    from dimebench.cli.common.output import console
    from dimebench.tables.answer import plain_lines, render

    if console.is_terminal:
        console.print(render(found, per_task))
    else:
        for line in plain_lines(found, per_task):
            typer.echo(line)


def question(axis: str, metric: str | None, delta: float | None, interval: str, engine: str) -> Question:
    """The question that the options ask. Raises UsageError for options that exclude each other."""
    if engine == "rliable" and interval not in ("expanded", "percentile"):
        raise UsageError(f"--interval {interval}: rliable has percentile intervals alone; leave out --engine rliable")
    from dimebench.analysis.question import Metric, Question
    from dimebench.stats import Engine, NumpyEngine, RliableEngine

    chosen: Engine = RliableEngine() if engine == "rliable" else NumpyEngine(method=interval)  # type: ignore[arg-type]
    return Question(axis, None if metric is None else Metric.parse(metric), delta, chosen)
