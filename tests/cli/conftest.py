"""A workplace with a tiny suite, and results of real training in it, made once."""

from __future__ import annotations

import shutil
import sys
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


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """A workplace in which all four algorithms have trained two seeds, and what `run` said. Only to be read."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "suites").mkdir()
    (folder / "suites" / "tiny.yaml").write_text(TINY)
    answer = process("run", "suite=tiny", "--seeds", "2", cwd=folder)
    assert answer.code == 0, answer.err
    return folder, answer


@pytest.fixture
def results(trained: tuple[Path, Answer], place: Path) -> Path:
    """A copy of those results in this test's workplace, to do with as one likes."""
    shutil.copytree(trained[0] / "results", place / "results")
    return place / "results"


@pytest.fixture(scope="session")
def grown(trained: tuple[Path, Answer], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """As `trained`, then a third seed of dime and three of a variant of it; and what `run` said. Only to be read."""
    folder = tmp_path_factory.mktemp("grown") / "place"
    shutil.copytree(trained[0], folder)
    answer = process("run", "suite=tiny", "algo=dime,dime:diffusion_steps=2", "--seeds", "3", cwd=folder)
    assert answer.code == 0, answer.err
    return folder, answer
