"""A Slurm cluster of one node on loopback: munged, slurmctld and slurmd as plain processes, in one folder.

    python -m tests.slurm.cluster FOLDER      starts one, prints what to export, and stops it at Ctrl-C

Small and without accounting, cgroups or systemd: it works as root in a plain container.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.processes import send
from tests.watchdog import marked

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
CPUS = 4  # that the node is said to have; one GPU, which is none
START_S, STOP_S = 60.0, 20.0

CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={daemon_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldDebug=verbose
SlurmdDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
JobRequeue=1
ReturnToService=2
KillWait=30
MinJobAge=60
MailProg=/bin/true
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 Gres=gpu:1 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why there can be no cluster here; None where there can."""
    missing = [name for name in NEEDED if _find(name) is None]
    if missing:
        return f"no Slurm here: {', '.join(missing)} not found (Debian: slurm-wlm, munge)"
    if os.geteuid() != 0:
        return "a Slurm cluster on loopback is started as root alone"
    return None


class Cluster:
    """Started by `start`; `environment` is what a client needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Returns when the node is idle. Raises RuntimeError with the logs' ends where it does not become so."""
        socket_file = self.folder / "spool" / f"{platform.node()}_99999.4294967291"  # of a slurmstepd
        if len(os.fsencode(socket_file)) > 107:
            raise RuntimeError(f"{socket_file}: longer than the path of a Unix socket may be: take a shorter folder")
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        ports = _free_ports(2)
        configuration = CONFIGURATION.format(
            folder=self.folder, host=platform.node(), controller_port=ports[0], daemon_port=ports[1], cpus=CPUS
        )
        (self.folder / "slurm.conf").write_text(configuration)
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        self._run(
            *("munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}"),
            *(f"--{name}-file={self.folder}/munge.{name}" for name in ("pid", "log", "seed")),
            f"--socket={self.folder}/munge.socket",
        )
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._run("slurmctld", "-D", "-i", "-f", self.environment["SLURM_CONF"])
        self._wait(lambda: self.call("scontrol", "ping").returncode == 0, "slurmctld")
        self.start_node()

    def start_node(self) -> None:
        self._run("slurmd", "-D", "-f", self.environment["SLURM_CONF"], "-N", platform.node())
        self.call("scontrol", "update", f"NodeName={platform.node()}", "State=RESUME")  # where it was down
        self._wait(lambda: b"idle" in self.call("sinfo", "-h", "-o", "%t").stdout, "slurmd")

    def kill_node(self, processes: list[int]) -> None:
        """The node dies as in a power cut, with those processes of its jobs; Slurm notices."""
        daemon = self._running.pop()
        dying = [daemon.pid, *stepds(self.folder), *processes]
        send(signal.SIGSTOP, *dying)  # so that none sees another one die, and saves
        send(signal.SIGKILL, *dying)
        daemon.wait()
        self.call("scontrol", "update", f"NodeName={platform.node()}", "State=DOWN", "Reason=died")

    def call(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """A command of Slurm's, and what it said."""
        return subprocess.run(words, env={**os.environ, **self.environment}, capture_output=True, timeout=60)

    def clear(self) -> None:
        """Cancel what is in the queue, and wait until it is empty."""
        self.call("scancel", "--user=root")
        deadline = time.monotonic() + STOP_S
        while self.call("squeue", "-h").stdout.strip() and time.monotonic() < deadline:
            time.sleep(0.2)

    def start_now(self, job: str) -> None:
        """A job that was queued again, without the two minutes that Slurm has it wait."""
        self.call("scontrol", "update", f"JobId={job}", "StartTime=now")

    def stop(self) -> None:
        """Cancel what runs, then end the daemons that were started here, by their process ids."""
        if len(self._running) == 3:
            self.clear()
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        found = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in found)

    def _run(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{program}-output.log").open("ab") as log:
            process = subprocess.Popen(
                [str(_find(program)), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._running.append(process)

    def _wait(self, ready: object, what: str) -> None:
        assert callable(ready)
        deadline = time.monotonic() + START_S
        while not ready():
            ended = self._running[-1].poll() is not None
            if ended or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{what} did not come up\n{self.logs()}")
            time.sleep(0.1)


def stepds(folder: Path) -> list[int]:
    """The processes that look after the jobs of the node of the cluster in that folder."""
    found = []
    for pid in marked(str(folder).encode()):
        with suppress(OSError):  # it has ended meanwhile
            if (Path("/proc") / str(pid) / "cmdline").read_bytes().startswith(b"slurmstepd"):
                found.append(pid)
    return found


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def main() -> None:
    reason = why_not()
    if reason:
        sys.exit(reason)
    cluster = Cluster(Path(sys.argv[1]).absolute())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cluster.start()
        print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
