"""A workplace with a tiny suite, and results of real training in it, made once."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.cli.calls import TINY, Answer, Call, process


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: empty but for suites/tiny.yaml."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dimebench(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """`dimebench ARGUMENTS` within this process: for all that starts no training."""
    from dimebench.cli.main import main

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["dimebench", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        assert isinstance(left.value.code, int)
        return Answer(left.value.code, *capsys.readouterr())

    return call


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Answer]) -> tuple[Path, Answer]:
    """The folder that `make` fills, and its answer. Test processes that run side by side share one."""
    side_by_side = "PYTEST_XDIST_WORKER" in os.environ
    folder = factory.getbasetemp().parent / f"shared-{name}" if side_by_side else factory.mktemp(name)
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder / "answer.json"
        if not kept.exists():
            answer = make(folder / "place")
            assert answer.code == 0, answer.err
            kept.write_text(json.dumps(asdict(answer)))
        return folder / "place", Answer(**json.loads(kept.read_text()))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """A workplace in which all four algorithms have trained two seeds, and what `run` said. Only to be read."""

    def make(place: Path) -> Answer:
        (place / "suites").mkdir(parents=True)
        (place / "suites" / "tiny.yaml").write_text(TINY)
        return process("run", "suite=tiny", "--seeds", "2", cwd=place)

    return _made_once(tmp_path_factory, "trained", make)


@pytest.fixture
def results(trained: tuple[Path, Answer], place: Path) -> Path:
    """A copy of those results in this test's workplace, to do with as one likes."""
    shutil.copytree(trained[0] / "results", place / "results")
    return place / "results"


@pytest.fixture(scope="session")
def grown(trained: tuple[Path, Answer], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """As `trained`, then a third seed of dime and three of a variant of it; and what `run` said. Only to be read."""

    def make(place: Path) -> Answer:
        shutil.copytree(trained[0], place)
        words = ["suite=tiny", "algo=dime,dime:diffusion_steps=2", "--seeds", "3", "--workers", "1"]
        return process("run", *words, cwd=place)

    return _made_once(tmp_path_factory, "grown", make)
