"""No server outlives a test run that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.processes import alive, children, send, wait_until, wait_until_gone

ROOT = Path(__file__).parents[1]
MARK = "DIMEBENCH_WATCHDOG_TEST"
BEGIN = f"import subprocess, sys, time; from tests.processes import *; end_with_this_process({MARK!r})\n"

# One server that still is a child, and one in a session of its own whose parent has left, as daemons are.
SERVERS = """
server = "import os, time; print(os.getpid(), flush=True); time.sleep(10000)"
daemon = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {server!r}], start_new_session=True)"
subprocess.run([sys.executable, "-c", daemon])
subprocess.Popen([sys.executable, "-c", server])
time.sleep(10000)
"""

SLURM = """
import os; from pathlib import Path; from tests.slurm.cluster import Cluster
cluster = Cluster(Path(sys.argv[1]) / os.environ[sys.argv[2]])
cluster.start()
cluster.call("sbatch", "--output=/dev/null", "--wrap=sleep 10000")
while b"RUNNING" not in cluster.call("squeue", "-h", "-o", "%T").stdout: time.sleep(0.1)
print("up", flush=True)
time.sleep(10000)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Something like a test run, which starts servers."""
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN + code, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_daemons_end_with_the_run_that_started_them(number: signal.Signals) -> None:
    run = start(SERVERS)
    assert run.stdout is not None
    servers = [int(run.stdout.readline()) for _ in range(2)]
    assert all(map(alive, servers))
    (watchdog,) = [pid for pid in children(run.pid) if pid not in servers]
    send(number, run.pid)
    run.wait()
    wait_until_gone([*servers, watchdog])


@pytest.mark.slow  # slurmstepd is looked for among all processes, which beside other clusters was once in vain
def test_a_slurm_cluster_and_its_job_end_with_the_run_that_started_it(tmp_path: Path) -> None:
    from tests.slurm.cluster import why_not

    reason = why_not()
    if reason:
        pytest.skip(reason)
    run = start(SLURM, str(tmp_path), MARK)
    try:
        assert run.stdout is not None
        assert run.stdout.readline() == "up\n"
        wait_until(lambda: [pid for pid in psutil.pids() if is_of(pid, "slurmstepd", tmp_path)], "the job runs")
    finally:
        run.kill()
        run.wait()
    wait_until(lambda: not [pid for pid in psutil.pids() if is_of(pid, "", tmp_path)], "nothing is left")


def is_of(pid: int, name: str, folder: Path) -> bool:
    """Whether the process has that name, and the folder in its environment or on its command line."""
    with suppress(OSError):
        words = [(Path("/proc") / str(pid) / file).read_bytes() for file in ("cmdline", "environ")]
        return words[0].startswith(name.encode()) and str(folder).encode() in b"".join(words)
    return False
