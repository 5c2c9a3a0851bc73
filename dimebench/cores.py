"""How many cores this process may use: its CPU affinity and the CPU quotas of its control groups.

`docker --cpus=2` on a machine of 64 cores leaves all 64 in the affinity, and stops whoever has used two cores' worth.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")


def usable_cores(root: Path = ROOT) -> int:
    """The processes or threads that can work at full speed here, at least 1.

    A part of a core counts as one (`--cpus=1.5` is 2): the quota is shared out among all, so that one more process
    than it has whole cores loses nothing, and one fewer would leave a part of it unused.
    """
    limit = quota(root)
    return available() if limit is None else max(1, min(available(), math.ceil(limit)))


def available() -> int:
    """The cores that the system lets this process run on, whatever its share of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota(root: Path = ROOT) -> float | None:
    """The cores' worth of time that this process's control groups may use, the smallest of all; None without a limit.

    Reads version 2 (`cpu.max`) and version 1 (`cpu.cfs_quota_us`) below `root`; a file that cannot be read or
    understood is no limit.
    """
    limits = [limit for mount in _mounts(root) for folder in mount.folders() for limit in _limits(folder)]
    return min(limits, default=None)


@dataclass(frozen=True)
class _Mount:
    """A hierarchy of control groups with CPU quotas as it is mounted here."""

    place: Path  # where its groups are seen
    group: str  # that of this process, in the hierarchy
    shown: str  # the group that `place` itself is

    def folders(self) -> Iterator[Path]:
        """The process's group and those above it, as far as they are seen here.

        A container may see its own group as the top, while its name is still that from outside: then only the top.
        """
        group, shown = Path(self.group), Path(self.shown)
        below = group.relative_to(shown) if group.is_relative_to(shown) else group.relative_to("/")
        folder = self.place / below
        if ".." in below.parts or not folder.is_dir():
            folder = self.place
        yield folder
        while folder != self.place:
            folder = folder.parent
            yield folder


def _mounts(root: Path) -> Iterator[_Mount]:
    """The mounted hierarchies that may limit CPU time: version 2, and version 1's controller `cpu`."""
    groups: dict[str, str] = {}  # controller, "" for version 2: this process's group
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, colon, group = rest.partition(":")
        if colon and group.startswith("/"):
            groups |= dict.fromkeys(controllers.split(",") if number != "0" else [""], group)
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        shown, place = map(_unescaped, fields[3:5])
        if not (shown.startswith("/") and place.startswith("/")):
            continue
        wanted = {"cgroup2": "", "cgroup": "cpu"}.get(kind[0])
        if wanted is None or (wanted and wanted not in kind[2].split(",")):
            continue
        yield _Mount(root / place.lstrip("/"), groups.get(wanted, "/"), shown)


def _limits(folder: Path) -> Iterator[float]:
    """The quotas of a group, in cores."""
    given = " ".join(_lines(folder / "cpu.max")).split(" ")  # "max 100000" or "200000 100000"
    yield from _ratio(given[0], given[1] if len(given) > 1 else "100000")
    times = ["".join(_lines(folder / f"cpu.cfs_{name}_us")).strip() for name in ("quota", "period")]  # quota -1: none
    yield from _ratio(*times)


def _ratio(quota: str, period: str) -> Iterator[float]:
    if re.fullmatch("[0-9]{1,18}", quota) and re.fullmatch("[0-9]{1,18}", period) and int(quota) and int(period):
        yield int(quota) / int(period)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (OSError, ValueError):
        return []


def _unescaped(text: str) -> str:
    """A path of mountinfo, where a space stands as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
