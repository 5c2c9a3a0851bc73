"""Options and words that several commands share, and their checks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dimebench.errors import UsageError


def _folder(text: str) -> Path:
    """A folder of this machine. Raises UsageError for a URL, and for an empty path, which is the current folder."""
    if _is_url(text) and not str(text).startswith(("file://", "local://")):
        raise UsageError(f"--results {text}: a URL is only read; training and import need a folder of this machine")
    return Path(_place(text))


def _place(text: str) -> Any:
    """A folder or a URL. Raises UsageError for an empty path, StoreError for a URL that nothing reads."""
    if not str(text).strip():
        raise UsageError("--results '': names no folder")
    if not _is_url(text):
        return Path(text)
    from dimebench.store.places import open_place

    return open_place(text)


def _is_url(text: str) -> bool:
    return "://" in str(text)


Results = Annotated[
    Path, typer.Option("--results", help="Folder that holds the runs.", metavar="DIR", parser=_folder)
]
ResultsToRead = Annotated[
    Any,  # a Place of the store, whose import is left to those who need it
    typer.Option("--results", help="Folder, or its URL, that holds the runs.", metavar="DIR", parser=_place),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        help="Compare in spite of a difference, which is then noted: budget, physics, protocol, settings.",
        metavar="A,B",
    ),
]
DEFAULT_RESULTS = Path("results")

MOST_SEEDS, LARGEST_SEED = 10_000, 999_999_999
_SEEDS = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*")


def parse_seeds(text: str) -> list[int]:
    """`10` is the seeds 0 to 9, `3-7` a range with both ends, `1,4,9` a list. Raises UsageError."""
    word = f"--seeds {text}"
    if not _SEEDS.fullmatch(text):
        raise UsageError(f"{word}: write a number (10), a range (3-7) or a list (1,4,9)")
    if max(map(len, re.findall("[0-9]+", text))) > len(str(LARGEST_SEED)):
        raise UsageError(f"{word}: seeds go from 0 to {LARGEST_SEED}")
    ranges = [(0, int(text) - 1)] if text.isdigit() else [_ends(part) for part in text.split(",")]
    for first, last in ranges:
        if last < first:
            backwards = f"the range {first}-{last} ends before it begins"
            raise UsageError(f"{word}: {'at least one seed is needed' if text.isdigit() else backwards}")
    if sum(last - first + 1 for first, last in ranges) > MOST_SEEDS:
        raise UsageError(f"{word}: at most {MOST_SEEDS} seeds at a time")
    return sorted({seed for first, last in ranges for seed in range(first, last + 1)})


def _ends(part: str) -> tuple[int, int]:
    first, _, last = part.partition("-")
    return int(first), int(last or first)


def check_device_name(asked: str) -> None:
    """Raises UsageError for a --device that there is not."""
    if asked not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {asked}: unknown device (known: auto, cpu, cuda)")


def parse_device(asked: str) -> str:
    """cpu or cuda; auto is cuda where torch sees such a device. Raises UsageError."""
    check_device_name(asked)
    if asked == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise UsageError("--device cuda: torch sees no CUDA device on this machine")
    return "cpu"


def parse_gpus(asked: str) -> tuple[str, list[int]]:
    """The device, and the GPUs that blocks are packed onto: those named (`cuda:0,2`), or all where there are several.

    With [] everything is left to the one device that there is. Raises UsageError as `parse_device`, and for a GPU
    that there is not.
    """
    device, colon, names = asked.partition(":")
    chosen = parse_device(device if device == "cuda" else asked)
    if chosen == "cpu":
        return chosen, []
    import torch

    there = list(range(torch.cuda.device_count()))
    if not colon:
        return chosen, there if len(there) > 1 else []
    if not re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", names):
        raise UsageError(f"--device {asked}: write the numbers of GPUs (cuda:0,1)")
    numbers = sorted({int(name) for name in names.split(",")})
    for number in numbers:
        if number not in there:
            raise UsageError(f"--device {asked}: there is no GPU {number} (known: {', '.join(map(str, there))})")
    return chosen, numbers


def whole_number(option: str, least: int, what: str = "") -> Callable[[str], int]:
    """A parser for an option's value: a whole number, also written 1e6, from `least` on. It raises UsageError."""

    def parse(text: str) -> int:
        try:
            value = float(text)
        except ValueError:
            value = 0.5
        if not value.is_integer():
            raise UsageError(f"{option} {text}: must be a whole number")
        if value < least:
            raise UsageError(f"{option} {text}: must be at least {least}{what}")
        return int(value)

    return parse


def parse_allow(words: list[str] | None) -> list[str]:
    """The differences that `--allow A,B` names. Raises UsageError."""
    from dimebench.analysis.select import ALLOWABLE
    from dimebench.errors import nearest

    names = [name for word in words or [] for name in word.split(",")]
    for name in names:
        if name not in ALLOWABLE:
            raise UsageError(f"--allow {name}: unknown difference '{name}'{nearest(name, ALLOWABLE)}")
    return names


def seconds_above_0(option: str) -> Callable[[str], float]:
    """A parser for an option's value: a number above 0. It raises UsageError."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not value > 0:
            raise UsageError(f"{option} {text}: must be a number of seconds above 0")
        return value

    return parse


def check_execution(device: str, mode: str, precision: str, chain: str = "auto") -> None:
    """Raises UsageError for an unknown --mode, --precision or --chain, or one that needs a GPU on a CPU."""
    from dimebench.errors import nearest
    from dimebench.training.execution.modes import CHAINS, MODES, PRECISIONS

    asked = (("--mode", mode, MODES), ("--precision", precision, PRECISIONS), ("--chain", chain, CHAINS))
    for option, value, known in asked:
        if value not in ("auto", *known):
            raise UsageError(f"{option} {value}: unknown{nearest(value, ['auto', *known])}")
        if not device.startswith("cuda") and value in ("compile+graph", "tf32", "fused"):
            raise UsageError(f"{option} {value}: needs a CUDA device; this run is on the CPU")


def number_above_0(option: str) -> Callable[[str], float]:
    """A parser for an option's value: a finite number above 0. It raises UsageError."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise UsageError(f"{option} {text}: must be a number above 0")
        return value

    return parse


def one_of(option: str, what: str, *known: str) -> Callable[[str], str]:
    """A parser for an option's value: one of a few words. It raises UsageError, with the nearest of them."""

    def parse(text: str) -> str:
        from dimebench.errors import nearest

        if text not in known:
            raise UsageError(f"{option} {text}: unknown {what}{nearest(text, known)}")
        return text

    return parse


def some_of(option: str, text: str, known: Sequence[str]) -> list[str]:
    """The words of an option's list A,B, each once. Raises UsageError for one that is not known, or none at all."""
    from dimebench.errors import nearest

    chosen, every = list(dict.fromkeys(word for word in text.split(",") if word)), f" (known: {', '.join(known)})"
    for word in chosen:
        if word not in known:
            hint = nearest(word, known) if len(known) > 3 else every
            raise UsageError(f"{option} {text}: unknown format '{word}'{hint}")
    if not chosen:
        raise UsageError(f"{option}: name a format{every}")
    return chosen


def check_looks(until_decided: bool, seeds: str, most: int | None, block: int | None) -> tuple[int, int]:
    """The most seeds of a group-sequential test and those of a block. Raises UsageError for options at odds."""
    if until_decided and seeds != "5":
        raise UsageError(f"--seeds {seeds}: with --until-decided, --block-seeds and --max-seeds say how many")
    for option, given in (("--max-seeds", most), ("--block-seeds", block)):
        if given is not None and not until_decided:
            raise UsageError(f"{option} {given}: belongs to --until-decided; --seeds says how many are trained")
    most = 20 if most is None else most
    return most, min(5 if block is None else block, most)


def check_folder(option: str, folder: Path) -> None:
    """Raises UsageError where `folder` is no folder, or lies below a file."""
    place = _existing(folder)
    if not place.is_dir():
        raise UsageError(f"{option} {folder}: {'' if place == folder else f'{place} is '}not a folder")


def check_writable(option: str, folder: Path) -> None:
    """Raises UsageError where nothing can be written to `folder`; one that is yet to be made, where it would be."""
    place = _existing(folder)
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {folder}: {'' if place == folder else f'{place} '}cannot be written to")


def make_folder(option: str, folder: Path) -> None:
    """Raises UsageError where that cannot be done."""
    check_writable(option, folder)
    try:  # root may do anything, but not everywhere
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option} {folder}: cannot be made ({error.strerror})") from error


def _existing(folder: Path) -> Path:
    """`folder`, or the nearest folder or file above it that exists."""
    return next(place for place in (folder, *folder.parents, Path("/")) if os.path.lexists(place))


def split_words(words: list[str] | None) -> tuple[list[str], str | None]:
    """The names among the words of a command that reads runs, each in its one form, and the suite of `suite=NAME`."""
    from dimebench.errors import nearest

    names: list[str] = []
    suites: list[str] = []
    for word in words or []:
        key, equals, value = word.partition("=")
        if equals and key == "suite":
            suites.append(value)
        elif equals and ":" not in key:
            raise UsageError(f"{word}: unknown key '{key}'{nearest(key, ['suite'])}")
        else:
            names.append(_canonical(word))
    if len(suites) > 1:
        raise UsageError(f"suite={suites[1]}: suite is already set by suite={suites[0]}")
    return names, suites[0] if suites else None


def _canonical(name: str) -> str:
    """The name under which `run` stores a variant: settings in order, `1e1` as 10."""
    from dimebench.config import ConfigError, parse_variant

    try:
        return parse_variant(name).name
    except ConfigError:
        return name  # no name that `run` gives: the runs on disk say whether they know it
