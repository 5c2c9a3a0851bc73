"""`run --on ray`: what is wrong is said in one line before anything starts."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.cli.calls import Call, refused, snapshot

RUN = ("run", "suite=tiny", "--seeds", "1", "--on", "ray")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--wait"], "--wait: is for --on slurm; with --on ray the command lasts as long as the training"),
        (["resources.time=90"], "resources.time=90: is not asked of Ray (known: cpus, gpus, memory, parallel)"),
        (["resources.gpu=1"], "resources.gpu=1: unknown key in resources (nearest: gpus)"),
        (["--device", "cuba"], "--device cuba: unknown device (known: auto, cpu, cuda)"),
        (
            ["--ray-address", "head"],
            "--ray-address head: write HOST:PORT of the head node (its port is 6379 by default), or auto",
        ),
        (
            ["--ray-address", "ray://head:10001"],
            "--ray-address ray://head:10001: not Ray Client's: give the address of the head node itself, HOST:6379",
        ),
        (
            ["--workers", "2", "--ray-address", "head:6379"],
            "--workers 2: with --ray-address, resources.parallel=N says how many at a time",
        ),
        (["--on", "rey"], "--on rey: unknown engine (nearest: ray)"),
        (["--on", "local", "--ray-address", "head:6379"], "--ray-address head:6379: goes with --on ray"),
        (
            ["--results", "s3://bucket/results"],
            "--results s3://bucket/results: a URL is only read; what writes needs a folder of this machine",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_are_named(arguments: list[str], line: str, dimebench: Call, place: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    before = snapshot(place)
    refused(dimebench(*RUN, *arguments), line)
    assert snapshot(place) == before


def test_an_address_where_nobody_listens_is_told_at_once(
    dimebench: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    answer = dimebench(*RUN, "--ray-address", f"localhost:{port}")
    assert answer.err.startswith(f"dimebench: --ray-address localhost:{port}: cannot be reached (")
    assert (answer.code, answer.out) == (2, "")
    monkeypatch.setenv("RAY_ADDRESS", f"localhost:{port}")
    assert dimebench(*RUN).err.startswith(f"dimebench: RAY_ADDRESS=localhost:{port}: cannot be reached (")
    assert not (place / "results").exists()


def test_without_ray_it_says_what_to_install(dimebench: Call, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    refused(dimebench(*RUN), "--on ray: Ray is not installed: pip install 'dimebench[ray]'")


def test_runs_that_are_done_need_no_cluster(dimebench: Call, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = dimebench("run", "suite=tiny", "--seeds", "2", "--on", "ray", "--device", "cpu")
    assert (answer.code, answer.err) == (0, "")
    assert "0 runs finished, 8 were done already" in answer.out
