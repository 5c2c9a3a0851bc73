"""Where a run's numbers come from: versions, machine, code."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import dimebench

# The packages whose version can change a number.
PACKAGES = ("torch", "numpy", "mujoco", "dm-control", "gymnasium")
# The rooms of this package whose code can change a number.
ROOMS = ("agents", "envs", "training")


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Installed versions; a package that is not installed is left out."""
    found = {name: _version(name) for name in names}
    return {name: text for name, text in found.items() if text}


@cache
def _version(name: str) -> str:
    """The installed version, looked up once per process; "" where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@cache
def code_version(extra: tuple[Path, ...] = ()) -> str:
    """The package's version and a digest of the sources that can change numbers, `extra` files included."""
    root = Path(dimebench.__file__).parent
    digest = hashlib.sha256()
    for file in [*sorted(f for room in ROOMS for f in (root / room).rglob("*.py")), *extra]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return f"{dimebench.__version__}+{digest.hexdigest()[:12]}"


@cache
def machine() -> dict[str, str | int]:
    """Facts of this machine that explain timings: never part of an identity."""
    return {
        "python": platform.python_version(),
        "platform": " ".join([platform.system(), platform.machine(), *platform.libc_ver()]).strip(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count() or 1,
    }


def command_line() -> str:
    """The command that was typed, without the interpreter's path."""
    return " ".join(["dimebench", *sys.argv[1:]])


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
