"""Options that several commands share, and their checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dimebench.cli.errors import UsageError

Results = Annotated[Path, typer.Option("--results", help="Folder that holds the runs.", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DEFAULT_RESULTS = Path("results")

MOST_SEEDS = 10_000


def parse_seeds(text: str) -> list[int]:
    """`10` is the seeds 0 to 9, `3-7` a range with both ends, `1,4,9` a list. Raises UsageError."""
    try:
        if text.isdigit():
            seeds = list(range(int(text)))
        else:
            parts = [part.split("-") for part in text.split(",")]
            seeds = [seed for part in parts for seed in range(int(part[0]), int(part[-1]) + 1) if len(part) <= 2]
    except ValueError:
        raise UsageError(f"--seeds {text}: write a number (10), a range (3-7) or a list (1,4,9)") from None
    if not seeds or min(seeds) < 0 or len(seeds) > MOST_SEEDS:
        raise UsageError(f"--seeds {text}: between 1 and {MOST_SEEDS} seeds, none of them negative")
    return sorted(set(seeds))


def split_words(words: list[str] | None) -> tuple[list[str], str | None]:
    """The names among the words of a command that reads runs, and the suite of `suite=NAME`."""
    suites = [word.removeprefix("suite=") for word in words or [] if word.startswith("suite=")]
    names = [word for word in words or [] if not word.startswith("suite=")]
    if len(suites) > 1:
        raise UsageError(f"suite={suites[1]}: suite is already set by suite={suites[0]}")
    return names, suites[0] if suites else None
