"""`--device`: which of the devices that torch sees here."""

from __future__ import annotations

import re

from dimebench.errors import UsageError


def check_device_name(asked: str) -> None:
    """Raises UsageError for a --device that there is not."""
    if asked not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {asked}: unknown device (known: auto, cpu, cuda)")


def device_here(asked: str) -> str:
    """cpu or cuda; auto is cuda where torch sees such a device. Raises UsageError."""
    check_device_name(asked)
    if asked == "cpu":
        return "cpu"
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA device on this machine")
    return "cuda" if torch.cuda.is_available() else "cpu"


def gpus_here(asked: str) -> tuple[str, list[int]]:
    """The device, and the GPUs that blocks are packed onto: those named (`cuda:0,2`), or all where there are several.

    [] leaves everything to the one device that there is. Raises UsageError as `device_here`, and for a GPU that there
    is not.
    """
    device, colon, names = asked.partition(":")
    chosen = device_here(device if device == "cuda" else asked)
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
