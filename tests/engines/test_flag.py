"""Signals that come while another one is handled."""

from __future__ import annotations

import os
import subprocess
import sys

NESTED = """
import signal, sys
from {module} import {name}
flag = {name}()
signal.signal(signal.SIGTERM, lambda *_: flag.set())
depth = 0
def trace(frame, event, _):
    # At every line that `set` runs, another signal arrives.
    global depth
    if frame.f_code.co_name == "set" and event == "line":
        depth += 1
        signal.raise_signal(signal.SIGTERM)
    return trace
signal.alarm(60)  # ends what hangs
sys.settrace(trace)
flag.set()
sys.settrace(None)
assert flag.is_set() and depth
"""


def nested(module: str, name: str) -> int:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    code = NESTED.format(module=module, name=name)
    return subprocess.run([sys.executable, "-c", code], env=environment, timeout=600, check=False).returncode


def test_a_signal_within_the_handling_of_another_one_hangs_nobody() -> None:
    assert nested("dimebench.engines.local.worker", "Flag") == 0
