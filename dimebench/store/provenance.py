"""Where a run's numbers come from: versions, machine, code."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dimebench.errors import printable, shorten
from dimebench.store.atomic import atomic_write
from dimebench.store.errors import StoreError
from dimebench.store.places import Place

# The packages whose version can change a number, besides those of the environment library.
PACKAGES = ("torch", "numpy")
CODE_FOLDER = ".code"  # below the results; what reads runs skips it
_DIGEST = re.compile(r"[0-9a-f]{12,64}")


def package_versions(more: Iterable[str] = ()) -> dict[str, str]:
    """Installed versions of PACKAGES and of more; a package that is not installed is left out."""
    found = {name: _version(name) for name in (*PACKAGES, *more)}
    return {name: text for name, text in found.items() if text}


@cache
def _version(name: str) -> str:
    """The installed version, looked up once per process; "" where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def keep_code(results: Path, code: str, definitions: Mapping[str, str]) -> None:
    """Store the digest of each definition of a code, unless it is stored already. Raises OSError."""
    file = results / CODE_FOLDER / f"{code}.json"
    if not file.exists():
        atomic_write(file, code_file(definitions))


def code_file(definitions: Mapping[str, str]) -> bytes:
    """What the file of a code holds."""
    return (json.dumps(dict(definitions), indent=0) + "\n").encode()


def read_code(results: Place, code: str) -> dict[str, str] | None:
    """The digest of each definition of a code, as `keep_code` stored it; None where that cannot be had."""
    if not _DIGEST.fullmatch(code):  # a code of the old kind, or no digest at all
        return None
    try:
        content = json.loads((results / CODE_FOLDER / f"{code}.json").read_bytes())
    except (OSError, ValueError, RecursionError, StoreError):
        return None
    return content if isinstance(content, dict) else None


def differing_functions(there: Mapping[str, str] | None, here: Mapping[str, str] | None) -> list[str]:
    """The definitions that two codes do not share; [] where that is not known."""
    if there is None or here is None:
        return []
    names = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
    return [shorten(printable(name)) for name in names]


def version_of(identity: Mapping[str, Any], provenance: Mapping[str, Any]) -> Any:
    """The version of dimebench that trained a run: recorded, or at the beginning of a code of the old kind."""
    return provenance.get("dimebench") or identity.get("of", {}).get("code")


def with_allowed(provenance: dict[str, Any], codes: Sequence[str]) -> dict[str, Any]:
    """The provenance with these codes among those of the runs beside it, as `run --allow code` let them be."""
    before = provenance.get("code_allowed", [])
    return provenance | {"code_allowed": sorted({*(before if isinstance(before, list) else []), *codes})}


@cache
def machine() -> dict[str, str | int]:
    """Facts of this machine that explain timings: never part of an identity."""
    return {
        "python": platform.python_version(),
        "platform": " ".join([platform.system(), platform.machine(), *platform.libc_ver()]).strip(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count() or 1,  # of the machine, whatever part of it this process may use
    }


def command_line() -> str:
    """The command that was typed, quoted for a shell, without the interpreter's path."""
    return shlex.join(["dimebench", *sys.argv[1:]])


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
