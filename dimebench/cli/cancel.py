"""`dimebench cancel`: take jobs back from a cluster's queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from dimebench.cli.common import options
from dimebench.cli.common.checks import check_folder
from dimebench.errors import UsageError, nearest

if TYPE_CHECKING:
    from dimebench.engines.manifest import JobStatus

KEYS: dict[str, Callable[[JobStatus], tuple[str, ...]]] = {
    "suite": lambda one: (one.block.suite,),
    "algo": lambda one: (one.block.variant, one.block.algorithm),
    "task": lambda one: (one.block.task, one.block.task.partition("/")[2]),
}
LONGEST_S = 300.0  # for the jobs to save and end


def cancel(
    words: Annotated[
        list[str] | None,
        options.words(
            "Which jobs: suite=NAME algo=a,b task=x,y, or the numbers of jobs (12, 12_3). All without any.",
            "[WORDS...]",
        ),
    ] = None,
    results: options.Results = options.DEFAULT_RESULTS,
) -> None:
    """Cancel the jobs of `run --on slurm`; what they were training is saved, and `run` goes on with it."""
    check_folder("--results", results)
    from dimebench.engines.jobs import cancel_jobs, job_statuses
    from dimebench.numbers import count

    chosen = _chosen([each for each in job_statuses(results) if each.queued], words or [])
    if not chosen:
        typer.echo(f"no jobs in the queue for '{results}'")
        return
    left = cancel_jobs(chosen, LONGEST_S)
    running = sum(each.state not in ("pending", "requeued", "held") for each in chosen)
    typer.echo(f"cancelled {count(len(chosen), 'job')}, {running} of them running; `run` goes on from what is saved")
    for each in left:
        typer.echo(f"job {each.job} on {each.node} has not ended yet ({each.state})")


def _chosen(queued: Sequence[JobStatus], words: Sequence[str]) -> list[JobStatus]:
    """The jobs that all of the words fit. Raises UsageError for one that fits none, with the nearest that would."""
    numbers: set[str] = set()
    chosen = list(queued)
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            known = [each.job for each in queued]
            if not any(_is_of(job, word) for job in known):
                raise UsageError(f"'{word}': no job of that number is in the queue{nearest(word, known)}")
            numbers.add(word)
            continue
        if key not in KEYS:
            raise UsageError(f"{word}: unknown key '{key}'{nearest(key, KEYS)}")
        known = [text for each in queued for text in KEYS[key](each)]
        for name in value.split(","):
            if name not in known:
                raise UsageError(f"{word}: no job in the queue is of {key} '{name}'{nearest(name, known)}")
        chosen = [each for each in chosen if set(value.split(",")) & set(KEYS[key](each))]
    return [each for each in chosen if not numbers or any(_is_of(each.job, number) for number in numbers)]


def _is_of(job: str, number: str) -> bool:
    return number in (job, job.partition("_")[0])
