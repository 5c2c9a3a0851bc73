"""No server outlives a test run that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import alive, children, send, wait_until, wait_until_gone
from tests.watchdog import marked

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


def test_a_slurm_cluster_and_its_job_end_with_the_run_that_started_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from tests.slurm.cluster import stepds, why_not

    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("w")  # short: sockets lie in it
    run = start(SLURM, str(folder), MARK)
    try:
        assert run.stdout is not None
        assert run.stdout.readline() == "up\n"
        wait_until(lambda: stepds(folder), "the job runs", run)
    finally:
        run.kill()
        run.wait()
    wait_until(lambda: not marked(str(folder).encode()), "nothing is left")
