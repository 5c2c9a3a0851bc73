"""What a campaign ran on, asked in a process of its own: whoever asks a GPU gets a context there and keeps it.

`python -m benchmarks.gpu.machine DEVICE` prints the facts as JSON, or {"absent": why}.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from dimebench.errors import last_line

ROOT = Path(__file__).resolve().parents[2]


def ask(device: str) -> dict[str, Any]:
    """The facts, or {"absent": why} where there is no such device."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.machine", device],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return {"absent": f"torch cannot be asked: {last_line(done.stderr, done.returncode)[:200]}"}


def _facts(device: str) -> dict[str, Any]:
    import torch

    from dimebench.planning.code.closure import code_version
    from dimebench.store.provenance import machine, package_versions

    facts: dict[str, Any] = {"device": device, **machine()}
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            return {"absent": "torch sees no CUDA device"}
        known = torch.cuda.get_device_properties(0)
        facts |= {"gpu": known.name, "gpu_bytes": known.total_memory, "capability": f"{known.major}.{known.minor}"}
        facts |= {"cuda": torch.version.cuda, "driver": _driver()}
    physics, rivals = (
        ["mujoco", "dm-control", "gymnasium"],
        ["triton", "jax", "stable-baselines3", "torchrl", "sbx-rl"],
    )
    versions = package_versions(physics + rivals)
    versions["torch"] = torch.__version__  # with the build behind it
    return facts | {"versions": versions, "code": code_version(), "commit": _commit()}


def _driver() -> str:
    return _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").partition("\n")[0]


def _commit() -> str:
    """The commit, with a + where files differ from it; "" outside a repository."""
    commit = _said("git", "rev-parse", "HEAD")
    return commit + ("+" if commit and _said("git", "status", "--porcelain", "--untracked-files=no") else "")


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    print(json.dumps(_facts(sys.argv[1])))
