"""Processes that draw: the same files and page, and nothing lost where one of them dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dimebench.report import easels as module
from dimebench.report.easels import Easels, warm_up
from dimebench.report.figures import FORMATS, begin_figures, write_figures
from dimebench.report.html import begin_page, page
from dimebench.report.summary import Summary
from tests.report.factory import two_variants
from tests.report.test_summary import of


@pytest.fixture
def easels(monkeypatch: pytest.MonkeyPatch) -> Iterator[Easels]:
    """Two processes, however many cores there are and however little there is to draw."""
    monkeypatch.setattr(module, "cores", lambda: 2)
    with Easels(of(two_variants()), worth_it=1) as easels:
        yield easels


def test_processes_draw_the_same_files_and_the_same_page(easels: Easels, tmp_path: Path) -> None:
    summary = easels.summary
    begin_figures(summary, FORMATS, easels)
    begin_page(summary, easels)
    write_figures(summary, tmp_path / "here")
    write_figures(summary, tmp_path / "there", easels=easels)
    for path in sorted((tmp_path / "here").iterdir()):
        assert (tmp_path / "there" / path.name).read_bytes() == path.read_bytes(), path.name
    assert page(summary, easels=easels) == page(summary)
    assert easels.count == 2, "the processes have done it"


def test_a_small_summary_is_drawn_here() -> None:
    assert Easels(of(two_variants())).count == 1


def test_what_a_killed_process_was_to_draw_is_drawn_here(easels: Easels) -> None:
    assert easels.each(_draw_unless_easel, ["a", "b", "c"]) == ["A", "B", "C"]
    assert easels.count == 1


def _draw_unless_easel(_: Summary, name: str) -> str:
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()


def test_what_was_begun_is_not_drawn_again(easels: Easels, tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for _ in range(2):
        easels.begin(_touched, places)
    assert easels.each(_touched, places) == [1, 1, 1]
    assert easels.each(_touched, places) == [2, 2, 2], "asked for once more"


def _touched(_: Summary, place: Path) -> int:
    """How often this was called for the place."""
    with place.open("a") as file:
        file.write("x")
    return len(place.read_text())


def test_what_a_killed_process_had_begun_is_drawn_here(easels: Easels) -> None:
    easels.begin(_draw_unless_easel, ["a", "b"])
    assert easels.each(_draw_unless_easel, ["a", "b"]) == ["A", "B"]
    easels.begin(_draw_unless_easel, ["c", "d"])  # no more processes
    assert easels.each(_draw_unless_easel, ["c", "d"]) == ["C", "D"]


def test_imports_are_done_ahead_only_where_there_is_much_to_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[bool] = []
    monkeypatch.setattr(module.forkserver, "ensure_running", lambda: started.append(True))
    for cells, cores, expected in ((module.WORTH_IT - 1, 2, 0), (module.WORTH_IT, 1, 0), (module.WORTH_IT, 2, 1)):
        monkeypatch.setattr(module, "cores", lambda cores=cores: cores)
        started.clear()
        warm_up(cells)
        assert len(started) == expected, (cells, cores)


def test_an_error_is_the_callers(easels: Easels) -> None:
    with pytest.raises(ZeroDivisionError):
        easels.each(_one_over, [1, 0])


def _one_over(_: Summary, number: int) -> float:
    return 1 / number


def test_nothing_stays_in_the_temporary_folder(
    easels: Easels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    with easels:
        easels.each(_one_over, [1, 2])
        assert len(list(tmp_path.iterdir())) == 1
        assert next(tmp_path.iterdir()).stat().st_mode & 0o077 == 0, "nobody else may put a pickle there"
    assert list(tmp_path.iterdir()) == []


UNGUARDED = """
from dimebench.report import easels
from tests.report.factory import two_variants
from tests.report.test_easels import _one_over
from tests.report.test_summary import of
easels.cores = lambda: 2
with easels.Easels(of(two_variants()), worth_it=1) as some:
    print(some.each(_one_over, [1, 2]), some.count)
"""


def test_a_script_without_a_guard_gets_its_drawings_all_the_same(tmp_path: Path) -> None:
    """Its processes cannot start: they would run the script once more."""
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert (done.returncode, done.stdout) == (0, "[1.0, 0.5] 1\n"), done.stderr
