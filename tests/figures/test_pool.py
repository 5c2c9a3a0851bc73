"""Processes that draw: the same files and page, and nothing lost where one of them dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dimebench.analysis.summary import Summary
from dimebench.figures import pool as module
from dimebench.figures.files import FORMATS, begin_figures, write_figures
from dimebench.figures.pool import FigurePool
from dimebench.page.html import begin_page, page
from tests.analysis.factory import two_variants
from tests.analysis.test_summary import of
from tests.processes import wait_until, wait_until_gone


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[FigurePool]:
    """Two processes, however many cores there are and however little there is to draw."""
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    with FigurePool.of(of(two_variants()), worth_it=1) as pool:
        yield pool


def test_processes_draw_the_same_files_and_the_same_page(pool: FigurePool, tmp_path: Path) -> None:
    summary = pool.summary
    begin_figures(summary, FORMATS, pool)
    begin_page(summary, pool)
    write_figures(summary, tmp_path / "here")
    write_figures(summary, tmp_path / "there", pool=pool)
    for path in sorted((tmp_path / "here").iterdir()):
        assert (tmp_path / "there" / path.name).read_bytes() == path.read_bytes(), path.name
    assert page(summary, pool=pool) == page(summary)
    assert pool.count == 2, "the processes have done it"


def test_a_small_summary_is_drawn_here() -> None:
    with FigurePool(cells=8) as pool:
        pool.show(of(two_variants()))
        assert pool.count == 1
        assert pool.each(_one_over, [1, 2]) == [1.0, 0.5]


def test_what_a_killed_process_was_to_draw_is_drawn_here(pool: FigurePool) -> None:
    assert pool.each(_draw_unless_in_pool, ["a", "b", "c"]) == ["A", "B", "C"]
    assert pool.count == 1


def _draw_unless_in_pool(_: Summary, name: str) -> str:
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()


def test_what_was_begun_is_not_drawn_again(pool: FigurePool, tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for _ in range(2):
        pool.begin(_touched, places)
    assert pool.each(_touched, places) == [1, 1, 1]
    assert pool.each(_touched, places) == [2, 2, 2], "asked for once more"


def _touched(_: Summary, place: Path) -> int:
    """How often this was called for the place."""
    with place.open("a") as file:
        file.write("x")
    return len(place.read_text())


def test_what_a_killed_process_had_begun_is_drawn_here(pool: FigurePool) -> None:
    pool.begin(_draw_unless_in_pool, ["a", "b"])
    assert pool.each(_draw_unless_in_pool, ["a", "b"]) == ["A", "B"]
    pool.begin(_draw_unless_in_pool, ["c", "d"])  # no more processes
    assert pool.each(_draw_unless_in_pool, ["c", "d"]) == ["C", "D"]


def test_processes_are_ready_before_there_is_anything_to_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    with FigurePool(cells=module.WORTH_IT, preload="dimebench.page.html") as pool:
        assert pool.count == 2
        assert len(set(multiprocessing.active_children()) - pool._others) == 2
        pool.show(of(two_variants()))
        assert pool.each(_loaded_before, [1, 2]) == [True, True]
    for cells, cores in ((module.WORTH_IT - 1, 2), (module.WORTH_IT, 1)):
        monkeypatch.setattr(module, "usable_cores", lambda cores=cores: cores)
        assert FigurePool(cells).count == 1


def _loaded_before(_: Summary, number: int) -> bool:
    """Whether the process had imported all that draws before it was given anything to do."""
    return list(sys.modules).index("dimebench.page.html") < list(sys.modules).index(__name__)


def test_no_room_for_the_summary_is_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    monkeypatch.setattr(module.tempfile, "mkstemp", lambda **_: _raise(OSError(28, "No space left on device")))
    with FigurePool.of(of(two_variants()), worth_it=1) as pool:
        assert pool.each(_one_over, [1, 2]) == [1.0, 0.5]


def test_processes_that_cannot_be_started_are_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    no = BlockingIOError(11, "Resource temporarily unavailable")
    monkeypatch.setattr("multiprocessing.popen_spawn_posix.Popen._launch", lambda *_: _raise(no))
    with FigurePool.of(of(two_variants()), worth_it=1) as pool:
        assert pool.each(_one_over, [1, 2]) == [1.0, 0.5]


def _raise(error: Exception) -> None:
    raise error


STOPPED = """
import sys, time
from dimebench.figures import pool
from tests.analysis.factory import two_variants
from tests.figures.test_pool import _hang
from tests.analysis.test_summary import of
if __name__ == "__main__":
    pool.usable_cores = lambda: 2
    with pool.FigurePool.of(of(two_variants()), worth_it=1) as some:
        some.each(_hang, sys.argv[1:])
"""


def _hang(_: Summary, place: str) -> None:
    Path(place).write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_whatever_stops_the_report_stops_its_processes(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "script.py"
    script.write_text(STOPPED)
    places = [tmp_path / "a", tmp_path / "b"]
    report = subprocess.Popen(
        [sys.executable, script, *map(str, places)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    wait_until(lambda: all(place.exists() and place.read_text() for place in places), "both draw")
    pids = [int(place.read_text()) for place in places]
    if number is signal.SIGINT:
        os.killpg(report.pid, number)  # Ctrl-C reaches all of them
    else:
        report.send_signal(number)
    _, errors = report.communicate(timeout=60)
    wait_until_gone(pids)
    if number is signal.SIGINT:
        assert errors.count("Traceback") == 1, errors
        assert not list(tmp_path.glob("*.summary"))


def test_an_error_is_the_callers(pool: FigurePool) -> None:
    with pytest.raises(ZeroDivisionError):
        pool.each(_one_over, [1, 0])


def _one_over(_: Summary, number: int) -> float:
    return 1 / number


def test_nothing_stays_in_the_temporary_folder(
    pool: FigurePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    with FigurePool.of(pool.summary, worth_it=1) as others:
        others.each(_one_over, [1, 2])
        (handed_over,) = tmp_path.glob("*.summary")
        assert handed_over.stat().st_mode & 0o077 == 0, "nobody else may put a pickle there"
    assert not list(tmp_path.glob("*.summary"))


UNGUARDED = """
from dimebench.figures import pool
from tests.analysis.factory import two_variants
from tests.figures.test_pool import _one_over
from tests.analysis.test_summary import of
pool.usable_cores = lambda: 2
with pool.FigurePool.of(of(two_variants()), worth_it=1) as some:
    print(some.each(_one_over, [1, 2]), some.count)
"""


@pytest.mark.slow
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
