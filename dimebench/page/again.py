"""What to type to get the runs of a page, their verdict and the page again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from dimebench.analysis.build import USUAL_PLACE
from dimebench.analysis.summary import RunRow, Summary
from dimebench.numbers import count, listed

RESULTS = "--results"


def commands_of(summary: Summary) -> list[str]:
    """Lines for a shell: how every run was trained or imported, into this results folder; then compare and report.

    A run whose command nobody recorded gets one that trains it; an imported one gets a comment, since only its
    source is known.
    """
    place = _place_of(summary.options)
    typed = {str(run.provenance["command"]) for run in summary.runs if run.provenance.get("command")}
    unknown = [run for run in summary.runs if not run.provenance.get("command")]
    return [
        *sorted({_into(command, place) for command in typed}),
        *_trained(summary, [run for run in unknown if not run.imported_from], place),
        *_imported([run for run in unknown if run.imported_from]),
        *_judged(summary),
    ]


def _place_of(options: Sequence[str]) -> str:
    """The results folder that the report was made from."""
    words = shlex.split(" ".join(options))
    return words[words.index(RESULTS) + 1] if RESULTS in words else USUAL_PLACE


def _into(command: str, place: str) -> str:
    """The command with this results folder, as its runs may have been moved; as it is where it cannot be read."""
    try:
        words = shlex.split(command)
    except ValueError:  # recorded without quotes, by an earlier release
        return command
    kept, rest = [], iter(words)
    for word in rest:
        if word == RESULTS:
            next(rest, None)
        elif not word.startswith(f"{RESULTS}="):
            kept.append(word)
    return shlex.join(kept if place == USUAL_PLACE else [*kept, RESULTS, place])


def _trained(summary: Summary, runs: Sequence[RunRow], place: str) -> list[str]:
    """One command that trains these runs."""
    if not runs:
        return []
    variants = ",".join(dict.fromkeys(run.variant for run in runs))
    words = ["dimebench", "run", f"suite={summary.suite}", f"algo={variants}"]
    return [_into(shlex.join([*words, "--seeds", str(1 + max(run.seed for run in runs))]), place)]


def _imported(runs: Sequence[RunRow]) -> list[str]:
    """A comment per source."""
    by_source: dict[str, list[RunRow]] = {}
    for run in runs:
        by_source.setdefault(str(run.imported_from), []).append(run)
    return [
        f"# {count(len(them), 'run')} of {listed(list(dict.fromkeys(run.variant for run in them)))}: imported from "
        f"{source} by a release that did not record the command".replace("\n", " ")
        for source, them in by_source.items()
    ]


def _judged(summary: Summary) -> list[str]:
    suite, budget = shlex.quote(f"suite={summary.suite}"), f"--budget {summary.budget}"
    if summary.axis != "env_step":
        budget += f" --axis {summary.axis}"
    if summary.score_asked:
        budget += f" --metric {summary.score}"
    delta = summary.comparisons[0].delta if summary.comparisons else None
    if delta is not None:
        budget += f" --delta {delta}"
    budget = " ".join([budget, *summary.options])
    if summary.best_against_each:  # named variants would be compared pair by pair
        return [f"dimebench report {suite} {budget} --html"]
    names = shlex.join([*summary.variants, *(citation.variant for citation in summary.published)])
    compare = [f"dimebench compare {names} {suite} {budget}"] if summary.comparisons or summary.published else []
    return [*compare, f"dimebench report {names} {suite} {budget} --html"]
