"""`dimebench render`: a trained policy as a film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dimebench.cli.common import options
from dimebench.cli.common.checks import check_folder
from dimebench.cli.common.parsers import split_words
from dimebench.errors import UsageError, nearest

SUFFIXES = ("mp4", "gif")


def render(
    words: Annotated[list[str], options.words("An algorithm or variant, task=NAME and suite=NAME.", "A task=NAME")],
    seed: Annotated[int | None, options.whole("--seed", "Which run (default: the first).", 0)] = None,
    episode: Annotated[int, options.whole("--episode", "Which start.", 0)] = 0,
    seconds: Annotated[float, options.seconds("--seconds", "Longest length.")] = 20.0,
    width: Annotated[int, options.whole("--width", None, 32, metavar="PIXELS")] = 480,
    height: Annotated[int, options.whole("--height", None, 32, metavar="PIXELS")] = 360,
    fps: Annotated[int, options.whole("--fps", "Pictures per second.", 1)] = 25,
    out: Annotated[Path | None, typer.Option("--out", help="File to write, .mp4 or .gif.", metavar="FILE")] = None,
    results: options.ResultsToRead = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> None:
    """Film a trained policy: one episode, in the task's own time, as mp4 or gif."""
    tasks = [word.removeprefix("task=") for word in words if word.startswith("task=")]
    names, suite = split_words([word for word in words if not word.startswith("task=")])
    if len(names) != 1 or len(tasks) > 1:
        raise UsageError("render takes one algorithm or variant, and at most one task=NAME")
    if out is not None and out.suffix[1:] not in SUFFIXES:
        raise UsageError(f"--out {out}: must end in .mp4 or .gif")
    if max(width, height) > 1920 or width % 2 or height % 2:
        raise UsageError(f"--width {width} --height {height}: even numbers up to 1920")
    from dimebench.cli.common.output import print_json
    from dimebench.store import atomic_write
    from dimebench.video.render import film

    policy = _policy(results, names[0], suite, tasks[0] if tasks else None, seed)
    run = policy.run
    file = out or Path(f"{run.variant.replace(':', '@')}-{run.task.split('/')[1]}.mp4")
    check_folder("--out", file.parent)
    shot = film(policy, kind=file.suffix[1:], width=width, height=height, seconds=seconds, fps=fps, episode=episode)
    atomic_write(file, shot.data)
    if as_json:
        print_json({"file": str(file), "frames": shot.frames, "seconds": shot.seconds, "return": shot.reached})
        return
    length = f"{shot.seconds:.1f} s, return {shot.reached:.1f}"
    typer.echo(f"{file}: {run.variant} on {run.task}, seed {run.seed}: {length}")


def _policy(results: Any, name: str, suite: str | None, task: str | None, seed: int | None) -> Any:
    """The policy asked for; UsageError, or an error of `analysis.errors`, that names what there is."""
    from dimebench.analysis.select import read_chosen
    from dimebench.cli.common.output import tell_unread
    from dimebench.store import StoreError
    from dimebench.store.external import external
    from dimebench.video.render import policy_of

    broken: list[StoreError] = []
    runs = read_chosen(results, suite, [name], broken)
    tell_unread(broken)
    name = runs[0].variant
    if any(external(run) for run in runs):
        raise UsageError(f"{name}: its runs were imported: there is no policy to film")
    tasks = list(dict.fromkeys(run.task for run in runs))
    found = [known for known in tasks if task in (None, known, known.split("/")[-1])]
    if not found:
        raise UsageError(f"task={task}: no runs of {name} on it{nearest(str(task), tasks)}")
    if len(found) > 1:
        raise UsageError(f"{name} has runs on {len(found)} tasks: choose one with task=NAME ({', '.join(found[:8])})")
    seeds = [run.seed for run in runs if run.task == found[0]]
    if seed is not None and seed not in seeds:
        raise UsageError(f"--seed {seed}: no such run (known: {', '.join(map(str, seeds[:12]))})")
    for run in runs:
        if run.task == found[0] and seed in (None, run.seed) and (policy := policy_of(run)):
            return policy
    raise UsageError(f"{name} on {found[0]}: no policy was kept; a run keeps it when it has finished")
