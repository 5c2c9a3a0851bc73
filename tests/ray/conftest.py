"""A real Ray cluster of a head and two nodes with a core each, on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes import children, send

STORE = 80 * 2**20  # bytes of an object store, Ray's least


class TwoNodes:
    """The cluster, and how its nodes come and go."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        self.cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.nodes: list[Any] = []
        self.fill()

    @property
    def address(self) -> str:
        return self.cluster.address

    def fill(self) -> None:
        """Two nodes, however many there are."""
        while len(self.nodes) < 2:
            self.nodes.append(self.cluster.add_node(num_cpus=1, object_store_memory=STORE))

    def node_of(self, pid: int) -> Any:
        """The node that a process belongs to."""
        return next(node for node in self.nodes if pid in children(_raylet(node), recursive=True))

    def kill(self, node: Any) -> None:
        """SIGKILL to all its processes at once, as when a machine loses power."""
        raylet = _raylet(node)
        send(signal.SIGKILL, *children(raylet, recursive=True), raylet)
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)


def _raylet(node: Any) -> int:
    return node.all_processes["raylet"][0].process.pid


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'dimebench[ray]'")
    from dimebench.engines.ray.cluster import connect

    made = TwoNodes()
    try:
        connect(made.address)
        yield made
    finally:
        ray.shutdown()
        made.cluster.shutdown()
