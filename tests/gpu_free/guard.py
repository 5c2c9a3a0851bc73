"""Builds and loads `guard.cpp`, so that torch believes in a CUDA device.

    python -m tests.gpu_free.guard

says whether that works here. It has to be loaded before torch: the first hooks for CUDA that are registered stay.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

SOURCE = Path(__file__).with_name("guard.cpp")


class NoGuardError(Exception):
    """There can be no fake CUDA device here; one line that says why."""


def load() -> None:
    """Make this process one with a CUDA device that does nothing. Raises NoGuardError."""
    if "torch" in sys.modules:
        raise NoGuardError("torch has been imported already")
    library = ctypes.CDLL(str(build()), mode=ctypes.RTLD_GLOBAL)
    import torch

    if torch.cuda.is_available() and torch.version.cuda:
        raise NoGuardError("there is a real CUDA device: tests/training/test_gpu.py runs on it")
    library.fake_cuda_install()


def build() -> Path:
    """The shared library, built once for each torch and source."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        raise NoGuardError("torch is not installed")
    compiler = shutil.which("g++")
    if compiler is None:
        raise NoGuardError("there is no g++ to build the fake device with")
    torch = Path(found.origin).parent
    mark = hashlib.sha256(SOURCE.read_bytes() + str(torch).encode() + version("torch").encode()).hexdigest()[:16]
    built = Path(tempfile.gettempdir()) / f"dimebench-fake-cuda-{os.getuid()}" / f"{mark}.so"
    if not built.exists():
        built.parent.mkdir(mode=0o700, exist_ok=True)
        beside = built.with_suffix(f".{os.getpid()}")
        places = [f"-I{torch / 'include'}", f"-I{torch / 'include/torch/csrc/api/include'}", f"-L{torch / 'lib'}"]
        options = ["-O1", "-std=c++20", "-shared", "-fPIC", f"-Wl,-rpath,{torch / 'lib'}"]
        command = [compiler, *options, *places, str(SOURCE), "-o", str(beside), "-lc10", "-ltorch_cpu"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), "g++ failed")
            raise NoGuardError(f"the fake device does not build: {first[:200]}")
        beside.replace(built)
    return built


if __name__ == "__main__":
    try:
        load()
    except NoGuardError as error:
        sys.exit(str(error))
