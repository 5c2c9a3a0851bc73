"""Processes of their own for the fake device, which has to be there before torch is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.gpu_free import guard

ROOT = Path(__file__).parents[2]


def found_by(module: str, *arguments: str) -> Any:
    """What a module prints, from JSON. Skips the test, with a reason, where there can be no fake device."""
    if torch.cuda.is_available():
        pytest.skip("there is a real CUDA device: tests/training/test_gpu.py runs on it")
    try:
        guard.build()
    except guard.NoGuardError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", f"tests.gpu_free.{module}", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MUJOCO_GL": "disabled"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
