"""Real processes killed with SIGKILL at random instants: what they leave goes on to the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KILLS, SEED = 20, 0


def test_twenty_kills_at_random_instants_change_nothing() -> None:
    """In a process of its own, for it forks: every algorithm on a dm_control and a Gymnasium task."""
    command = [sys.executable, "-m", "tests.resume.kills", "--kills", str(KILLS), "--seed", str(SEED)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)  # the seed and where the kills landed, for whoever sees this fail
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{KILLS} kills in " in done.stdout.splitlines()[-1]
