"""A Ray cluster to train on: an existing one by its address, or one of this machine alone; what its nodes have.

Ray is quiet here: no dashboard, no usage statistics, no logs of workers in the terminal.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import IO, Any

from dimebench.cores import usable_cores
from dimebench.engines.base import EngineError
from dimebench.errors import one_line
from dimebench.planning.cells import Hardware
from dimebench.store.claims import LONGEST_HOST

REACHED_WITHIN_S = 10.0  # Ray itself tries for minutes
MEASURED_WITHIN_S = 60.0
MOST_SAID = 1 << 20  # bytes
OBJECT_STORE = 80 * 2**20  # bytes, Ray's least: nothing but a path and a number travels
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning about CUDA_VISIBLE_DEVICES
    "RAY_SCHEDULER_EVENTS": "0",
}


def connect(address: str, cores: int = 0) -> None:
    """Connect to the cluster at `address`: HOST:PORT, or auto for one that runs on this machine.

    Without one: to that of RAY_ADDRESS, else to one that is started here, with so many cores (0: all).

    Raises EngineError where Ray is missing, the address is none or nobody answers there.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise EngineError("--on ray: Ray is not installed: pip install 'dimebench[ray]'") from None
    if ray.is_initialized():
        return
    named = address or os.environ.get("RAY_ADDRESS", "")
    option = f"--ray-address {address}" if address else f"RAY_ADDRESS={named}"
    if named and named != "auto":
        _reach(named, option)
    own: dict[str, Any] = {"address": named or "local"}
    if not named:
        own |= {"include_dashboard": False, "num_cpus": cores or usable_cores(), "object_store_memory": OBJECT_STORE}
    before = signal.getsignal(signal.SIGTERM)
    said = b""
    try:
        with tempfile.TemporaryFile() as file, _standard_error_to(file):
            try:
                ray.init(log_to_driver=False, logging_level=logging.ERROR, **own)
            finally:
                said = os.pread(file.fileno(), MOST_SAID, 0)
    except Exception as error:
        text = one_line(error) or type(error).__name__
        if b"InvalidAuthToken" in said:
            text = "the cluster wants a token: set RAY_AUTH_MODE=token, with the cluster's token in ~/.ray/auth_token"
        if named == "auto":
            text = "no Ray cluster runs on this machine (ray start --head starts one)"
        where = option if named else "--on ray: Ray does not start here"
        raise EngineError(f"{where}: {text[:400]}") from error
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # Ray's own leaves with 15


@contextmanager
def _standard_error_to(file: IO[bytes]) -> Iterator[None]:
    """What Ray's compiled part says while it connects goes to a file, not the terminal."""
    kept = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _reach(address: str, option: str) -> None:
    """Raises EngineError where nobody listens at the address."""
    if address.startswith("ray://"):
        raise EngineError(f"{option}: not Ray Client's: give the address of the head node itself, HOST:6379")
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise EngineError(f"{option}: write HOST:PORT of the head node (its port is 6379 by default), or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED_WITHIN_S).close()
    except (OSError, OverflowError) as error:
        raise EngineError(f"{option}: cannot be reached ({error})") from error


@contextmanager
def kept_from_terminal(file: Path) -> Iterator[None]:
    """What Ray prints of its own accord, such as a node's death with pages of statistics, goes to a file.

    What holds the terminal's stream already, as the live view does, still writes to it.
    """
    with file.open("a", buffering=1) as log, redirect_stdout(log):
        yield


def nodes() -> list[Mapping[str, Any]]:
    """The nodes that the cluster has or had, as Ray describes them: NodeID, NodeManagerHostname, Alive, Resources."""
    import ray

    found: list[Mapping[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return found


def dead_hosts(known: list[Mapping[str, Any]]) -> frozenset[str]:
    """Host names of nodes that Ray holds for dead, and that no living node has as well."""
    alive = {node["NodeManagerHostname"] for node in known if node["Alive"]}
    dead = {node["NodeManagerHostname"] for node in known if not node["Alive"]}
    return frozenset(host[:LONGEST_HOST] for host in dead - alive)


def largest(known: list[Mapping[str, Any]], resource: str) -> float:
    """The most that one living node has of a resource: CPU, GPU, memory (bytes)."""
    return max((node["Resources"].get(resource, 0.0) for node in known if node["Alive"]), default=0.0)


def gpu_hardware() -> Hardware:
    """The cluster's GPUs, as far as they decide which seeds train together; a block's cores are its GPU's share."""
    known = nodes()
    alive = [node["Resources"] for node in known if node["Alive"] and node["Resources"].get("GPU", 0) > 0]
    if not alive:
        return Hardware()
    cores = min(int(each.get("CPU", 1) // each["GPU"]) for each in alive)
    return Hardware(int(sum(each["GPU"] for each in alive)), gpu_bytes(known), max(1, cores))


def gpu_bytes(known: list[Mapping[str, Any]]) -> int | None:
    """Memory of the smallest GPU of the cluster, as torch sees it there; None where no node tells in time."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    measure = ray.remote(total_memory)
    nodes = [node["NodeID"] for node in known if node["Alive"] and node["Resources"].get("GPU", 0) > 0]
    places = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    asked = [measure.options(num_cpus=0, num_gpus=0.001, scheduling_strategy=each).remote() for each in places]
    ready, late = ray.wait(asked, num_returns=len(asked), timeout=MEASURED_WITHIN_S) if asked else ([], [])
    for each in late:
        ray.cancel(each)
    found = []
    for each in ready:
        with suppress(ray.exceptions.RayError):
            found.append(ray.get(each))
    return min((size for size in found if size), default=None)


def total_memory() -> int:
    """Bytes of this process's GPU; 0 where torch sees none."""
    import torch

    return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 0
