"""Options that several commands share, each declared once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from dimebench.cli.common.parsers import number_above_0, one_of, score_margin, seconds_above_0, whole_number
from dimebench.errors import UsageError


def folder_of(name: str) -> Callable[[str], Path]:
    """A parser for an option's value: a folder of this machine.

    It raises UsageError for a URL, and for an empty path, which is the current folder.
    """

    def parse(text: str) -> Path:
        if _is_url(text) and not str(text).startswith(("file://", "local://")):
            raise UsageError(f"{name} {text}: a URL is only read; what writes needs a folder of this machine")
        return Path(_place(text, name))

    return parse


def _place(text: str, name: str = "--results") -> Any:
    """A folder or a URL. Raises UsageError for an empty path, StoreError for a URL that nothing reads."""
    if not str(text).strip():
        raise UsageError(f"{name} '': names no folder")
    if not _is_url(text):
        return Path(text)
    from dimebench.store.places import open_place

    return open_place(text)


def _is_url(text: str) -> bool:
    return "://" in str(text)


def _engine(text: str) -> str:
    from dimebench.engines.registry import check_engine

    return check_engine(text)


def option(text: str | None, metavar: str, *name: str, parser: Callable[[str], Any] | None = None) -> Any:
    """An option with a value; without a name it has its parameter's."""
    return typer.Option(*name, help=text, metavar=metavar, parser=parser)


def words(text: str, metavar: str = "[WORDS]...") -> Any:
    """The words of a command."""
    return typer.Argument(help=text, metavar=metavar)


def whole(name: str, text: str | None, least: int, what: str = "", metavar: str = "N") -> Any:
    """An option that is a whole number from `least` on."""
    return option(text, metavar, name, parser=whole_number(name, least, what))


def seconds(name: str, text: str, metavar: str = "S") -> Any:
    return option(text, metavar, name, parser=seconds_above_0(name))


def above_0(name: str, text: str, metavar: str) -> Any:
    return option(text, metavar, name, parser=number_above_0(name))


def _budget(text: str) -> Any:
    return whole("--budget", text, 1, " env step", "ENV_STEPS")


def vary(declared: object, **changes: Any) -> Any:
    """A declared option where a command means it in another way: with another help text, or hidden."""
    varied = copy.copy(get_args(declared)[1])
    vars(varied).update(changes)
    return varied


DEFAULT_RESULTS = Path("results")

# --- of all commands ----------------------------------------------------------------------------------------------

Results = Annotated[Path, option("Folder that holds the runs.", "DIR", "--results", parser=folder_of("--results"))]
ResultsToRead = Annotated[
    Any,  # a Place of the store, whose import is left to the commands that need it
    option("Folder, or its URL, that holds the runs.", "DIR", "--results", parser=_place),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

# --- of the commands that compare and report -----------------------------------------------------------------------

Allow = Annotated[
    list[str] | None,
    option("Compare in spite of a difference, which is then noted: budget, physics, protocol, settings.", "A,B"),
]
Budget = Annotated[
    int | None, _budget("Compare at this many env steps (default: what all have); with --axis, in its unit.")
]
BudgetOfSteps = Annotated[int | None, _budget("Read the runs at this many env steps (default: what all have).")]
Axis = Annotated[
    str,
    option(
        "What budget and curves count: env_step, grad_step or wall_time (seconds of training).",
        "AXIS",
        parser=one_of("--axis", "axis", "env_step", "grad_step", "wall_time"),
    ),
]
Metric = Annotated[
    str | None,
    option(
        "final, auc, or threshold:0.8: how early that normalised score (up to 1) is reached; default: the suite's.",
        "METRIC",
    ),
]
Delta = Annotated[
    float | None,
    option(
        "Say 'equivalent' where the IQM difference is surely within this margin of normalised score, below 1.",
        "MARGIN",
        "--delta",
        parser=score_margin("--delta"),
    ),
]
Interval = Annotated[
    str,
    option(
        "How intervals are made: expanded, percentile, bca or student.",
        "METHOD",
        parser=one_of("--interval", "method", "expanded", "percentile", "bca", "student"),
    ),
]
Engine = Annotated[
    str,
    option(
        "Whose bootstrap: numpy, or rliable (percentile intervals, 2,000 resamples, slow).",
        "NAME",
        parser=one_of("--engine", "engine", "numpy", "rliable"),
    ),
]

# --- of the commands that remove and move ---------------------------------------------------------------------------

RunWords = Annotated[list[str] | None, words("Variants, suite=NAME and task=A,B.")]
SomeSeeds = Annotated[
    str, option("These seeds alone: a range (3-7) or a list (1,4,9); 10 is 0 to 9.", "N", "--seeds")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

# --- of the commands that train, or would --------------------------------------------------------------------------

Seeds = Annotated[str, option("How many seeds (10), a range (3-7) or a list (1,4,9).", "N")]
WHERE = "Where to train: local (here), slurm (jobs of a cluster), ray (tasks of a cluster)."
On = Annotated[str, option(WHERE, "ENGINE", parser=_engine)]
Device = Annotated[str, option("auto, cpu, cuda (all GPUs), or some of them: cuda:0,1.", "DEVICE")]
Workers = Annotated[int, whole("--workers", "Processes on a CPU; 0 for one per core.", 0)]
Mode = Annotated[str, option("How the learner runs: auto, eager, compile, graph, compile+graph (on a GPU).", "MODE")]
Precision = Annotated[
    str, option("What dense layers multiply in: auto, float32, tf32 (on a GPU), bf16.", "PRECISION")
]
Chain = Annotated[str, option("How DIME's denoising chain runs: auto, plain, fused (one kernel, on a GPU).", "CHAIN")]
CheckpointEvery = Annotated[float, seconds("--checkpoint-every", "Seconds between checkpoints.")]
KeepCheckpoints = Annotated[
    bool, typer.Option("--keep-checkpoints", help="Keep the last checkpoint and the replay of finished runs.")
]
HangTimeout = Annotated[float, seconds("--hang-timeout", "Kill a worker that gives no sign of life for this long.")]
Log = Annotated[str, option("Log live to tensorboard, wandb or both.", "A,B")]
Wait = Annotated[bool, typer.Option("--wait", help="With --on slurm: until all jobs have ended.")]
UntilDecided = Annotated[
    bool,
    typer.Option("--until-decided", help="Add blocks of seeds until a group-sequential test says which is better."),
]
Anytime = Annotated[
    bool,
    typer.Option(
        "--anytime",
        help="With --until-decided: a test that needs no plan and no maximum; best for large differences.",
    ),
]
MaxSeeds = Annotated[
    int | None,
    whole("--max-seeds", "With --until-decided: at most so many (default: 20; --anytime: no end).", 2, " seeds"),
]
BlockSeeds = Annotated[
    int | None,
    whole("--block-seeds", "With --until-decided: seeds per block (default: 5; --anytime: 2).", 2, " seeds", "K"),
]
AllowCode = Annotated[
    list[str] | None,
    option("Train in spite of a difference from the runs that are there, which is recorded in both: code.", "code"),
]
