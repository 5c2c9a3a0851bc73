"""The board of `run`: it fits the terminal, its totals and forecasts are right, and it mixes no returns."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dimebench.cli.common.live.boards import Lines, Table
from dimebench.cli.common.live.ending import Ending, last_lines, next_line
from dimebench.cli.common.live.forecast import forecast
from dimebench.cli.common.live.frame import Size, frame
from dimebench.cli.common.live.names import fitted
from dimebench.cli.common.live.progress import DIVERGED, FINISHED, WAITING
from dimebench.cli.common.live.returns import LEVELS, Point, Returns, read_evaluations, spark
from dimebench.engines.events import Event, Outcome
from dimebench.planning.cells import Cell, Plan
from tests.cli.live.plans import INTERVAL, STEPS, Engine, large_plan, make_block, make_cell
from tests.store.runs import make_run, written

COMMAND = ["dimebench", "run", "suite=dmc-hard", "--seeds", "5"]


def half_way() -> Engine:
    """Of 105 cells 30 are finished, one has failed, nine train, the others wait."""
    engine = Engine(large_plan())
    cells = engine.progress.plan.cells
    for cell in cells[:30]:
        for block in cell.blocks:
            engine.finish(cell, block, STEPS, seconds=100)
    engine.tell("failed", cells[30], cells[30].blocks[0], reason="no room")
    for cell in cells[31:40]:
        engine.tell("started", cell, cell.blocks[0])
        engine.tell("progress", cell, cell.blocks[0], env_step=0)
        engine.progress.of(cell).returns.add(0, {step: step / 1000 for step in range(0, STEPS // 2, INTERVAL)})
    engine.now += 50
    for cell in cells[31:40]:
        engine.tell("progress", cell, cell.blocks[0], env_step=STEPS // 2)
    return engine


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (60, 12), (200, 120), (30, 5)])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_hundred_cells_fit_the_terminal(width: int, height: int, ascii_only: bool) -> None:
    engine = half_way()
    lines = frame(engine.progress, engine.now, Size(width, height, ascii_only))
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width
    console = Console(file=StringIO(), width=width, height=height, force_terminal=True, highlight=False)
    console.print(*lines, sep="\n")
    printed = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(printed) == len(lines), "nothing wraps"
    assert not ascii_only or all(line.plain.isascii() for line in lines)


def test_the_board_leaves_room_for_what_a_terminal_echoes_of_ctrl_c() -> None:
    console = Console(file=StringIO(), width=80, height=24, force_terminal=True)
    table = Table(large_plan(), console, Ending(["dimebench"]))
    widths = [sum(part.cell_length for part in line) for line in console.render_lines(table, pad=False)]
    assert 70 < max(widths) <= 78


def test_what_trains_comes_first_and_what_is_over_is_counted() -> None:
    engine = half_way()
    text = [line.plain.rstrip() for line in frame(engine.progress, engine.now, Size(80, 23))]
    assert text[0].startswith("dmc-hard  154M of 525M env steps (29%)  90,000 env steps/s  ETA ")
    assert text[1] == "▶ 9 training  ✗ 1 failed  · 365 waiting  ✓ 150 finished  of 525 runs"
    assert [line[0] for line in text[3:-1]] == ["▶"] * 9 + ["✗"] + ["·"] * 9
    assert text[-1] == "and 86 cells: 56 waiting, 30 finished"
    assert len({line[:33] for line in text[3:-1]}) == 19, "names that are cut short stay apart"
    high = [line.plain for line in frame(engine.progress, engine.now, Size(140, 120))]
    assert [line[0] for line in high[3:]].count("✓") == 30, "with room for all of them, none is folded"
    assert "training" in high[3], "with room the state is a word"


def test_a_forecast_rests_on_rates_that_were_measured() -> None:
    """Two slots, sac at 100 and dime at 50 env steps/s; their other seeds wait; of crossq nothing is known."""
    sac, dime, crossq = (make_cell(name, "dog-run", seeds=2, steps=1000) for name in ("sac", "dime", "crossq"))
    engine = Engine(Plan("dmc-hard", Path("results"), [sac, dime]))
    assert forecast(engine.progress, engine.now).total is None
    for cell in (sac, dime):
        engine.tell("started", cell, cell.blocks[0])
        engine.tell("progress", cell, cell.blocks[0], env_step=0)
    engine.now += 4
    engine.tell("progress", sac, sac.blocks[0], env_step=1)
    assert engine.progress.rate(engine.now) is None, "its first steps say little"
    engine.now += 1
    engine.tell("progress", sac, sac.blocks[0], env_step=500)
    engine.tell("progress", dime, dime.blocks[0], env_step=250)
    ahead = forecast(engine.progress, engine.now)
    # sac ends after 5 s and its other seed at 15 s; dime after 15 s, its other seed then takes 20 s
    assert ahead.of(engine.progress.of(sac)) == pytest.approx(15)
    assert ahead.of(engine.progress.of(dime)) == pytest.approx(35)
    assert ahead.total == pytest.approx(35)
    assert (engine.progress.done(), engine.progress.total()) == (750, 4000)
    assert engine.progress.rate(engine.now) == pytest.approx(150)

    engine = Engine(Plan("dmc-hard", Path("results"), [sac, crossq]))
    engine.train(sac, sac.blocks[0], steps=500, seconds=5)
    ahead = forecast(engine.progress, engine.now)
    assert ahead.of(engine.progress.of(sac)) == pytest.approx(15)
    assert ahead.of(engine.progress.of(crossq)) is None, "nothing like it was measured"
    assert ahead.total is None


def test_a_rate_follows_what_is_measured_lately() -> None:
    cell = make_cell("sac", "dog-run", seeds=1)
    engine = Engine(Plan("dmc-hard", Path("results"), [cell]))
    engine.train(cell, cell.blocks[0], steps=50_000, seconds=100)  # at random
    for second in range(1, 2001):
        engine.now += 1
        engine.tell("progress", cell, cell.blocks[0], env_step=50_000 + 20 * second)
    assert engine.progress.rate(engine.now) == pytest.approx(20, rel=0.05)
    assert len(engine.progress.of(cell).blocks["seed-000"].samples) < 200


def test_seeds_count_by_what_became_of_them(tmp_path: Path) -> None:
    cell = make_cell("sac", "dog-run", seeds=4, steps=300)
    cell.done = {4: make_run(tmp_path, seed=4), 5: make_run(tmp_path, seed=5, status="diverged")}
    cell.seeds = tuple(range(6))
    progress = Engine(Plan("small", tmp_path, [cell])).progress
    assert (progress.done(), progress.total()) == (600, 1800)
    whole = make_block("sac", "dog-run", 0, 1, 2, 3, steps=300)
    for event in (
        Event("started", cell, whole, {}),
        Event("progress", cell, whole, {"env_step": 100}),
        Event("split", cell, whole, {"parts": [], "reason": "no room"}),
        Event("elsewhere", cell, whole, {"seeds": [1]}),
        Event("done", cell, make_block("sac", "dog-run", 0, 2), {"status": "finished", "diverged": [[2, "nan"]]}),
    ):
        progress.on_event(event, 1.0)
    assert progress.of(cell).state == {
        0: FINISHED, 1: "trained elsewhere", 2: DIVERGED, 3: WAITING, 4: FINISHED, 5: DIVERGED
    }  # fmt: skip
    assert progress.done() == 300 * 5 + 100
    assert progress.facts() == {"before": 2} | dict.fromkeys(progress.facts(), 0) | {
        "before": 2, FINISHED: 1, DIVERGED: 1, WAITING: 1, "trained elsewhere": 1
    }  # fmt: skip


def test_returns_of_different_env_steps_are_never_one_number(tmp_path: Path) -> None:
    returns = Returns()
    returns.add(0, {0: 0.0, 50: 100.0, 100: 900.0})
    returns.add(1, {0: 20.0, 50: 300.0})
    assert returns.points() == [Point(0, 10.0, 2), Point(50, 200.0, 2), Point(100, 900.0, 1)]
    assert read_evaluations(written(tmp_path).folder) == {0: 15.0, 300: 315.0}, "episodes of one evaluation are"
    assert read_evaluations(tmp_path) == {}


def test_a_spark_line_is_scaled_by_the_bounds_of_the_score() -> None:
    def line(*returns: float, width: int = 8, ascii_only: bool = False) -> str:
        points = [Point(50 * at, value, 1) for at, value in enumerate(returns)]
        return spark(points, 150, 50, (0.0, 1000.0), width, ascii_only)

    assert line(0, 500, 990) == f"{LEVELS[0]}{LEVELS[4]}{LEVELS[7]} "
    assert line(0, 5, 9.9) == LEVELS[0] * 3 + " ", "small differences stay small"
    assert line(-5000, 5000) == LEVELS[0] + LEVELS[7] + "  "
    assert line(0, 1000, 0, 1000, width=2) == LEVELS[7] * 2, "the last evaluation of each part, no mean"
    assert line(0, 1000, ascii_only=True) == "_@  "


def test_long_names_stay_apart() -> None:
    names = (*(f"dime:{each}" for each in ("utd=1:diffusion_steps=16", "utd=2:diffusion_steps=16", "utd=1")), "sac")
    short = fitted(names, 14)
    assert len(set(short.values())) == 4
    assert max(map(len, short.values())) <= 14
    assert short["sac"] == "sac"


def ends(outcome: Outcome, *cells: Cell, results: str = "results", goes_on: bool = False) -> str:
    return next_line(Plan("dmc-hard", Path(results), list(cells)), outcome, Ending(COMMAND, goes_on))


def test_the_last_line_is_the_next_command_to_type() -> None:
    several = [make_cell(name, "dog-run") for name in ("dime", "sac", "random")]
    assert ends(Outcome(), *several) == "next: dimebench compare dime sac suite=dmc-hard"
    assert ends(Outcome(), *several[1:]) == "next: dimebench compare sac random suite=dmc-hard"
    assert ends(Outcome(), several[0]) == "next: dimebench report --html suite=dmc-hard"
    assert ends(Outcome(), *several, results="my runs").endswith("suite=dmc-hard --results 'my runs'")
    assert ends(Outcome(), *large_plan().cells) == "next: dimebench compare suite=dmc-hard"
    assert ends(Outcome(), *several, goes_on=True) == ""
    assert ends(Outcome(interrupted=True), *several) == "to go on: dimebench run suite=dmc-hard --seeds 5"
    failed = Outcome(failed=[(several[0].blocks[0], "no room")])
    assert ends(failed, *several) == "once that is mended, to go on: dimebench run suite=dmc-hard --seeds 5"


def test_a_failure_names_the_file_with_its_traceback(tmp_path: Path) -> None:
    cell = make_cell("dime", "dog-run", seeds=1)
    engine, block = Engine(Plan("dmc-hard", tmp_path, [cell])), cell.blocks[0]
    engine.tell("failed", cell, block, reason="OSError: boom")

    def line() -> str:
        return next(last_lines(engine.progress, Outcome(failed=[(block, "OSError: boom")]), 1.0, Ending(COMMAND)))

    bare = "failed: dime on dm_control/dog-run, seed-000: OSError: boom"
    assert line() == bare
    file = block.checkpoint_folder(tmp_path) / "error.txt"
    file.parent.mkdir(parents=True)
    file.write_text("Traceback ...")
    assert line() == f"{bare} (traceback: {file})"
    written(tmp_path, path=block.run_folder(tmp_path, 0), status="failed", reason="an earlier one")
    assert line() == bare, "the file is of another failure"


def test_elsewhere_than_on_a_terminal_there_is_a_line_for_each_event(tmp_path: Path) -> None:
    cell = make_cell("dime", "dog-run", seeds=1)
    out = StringIO()
    lines = Lines(Plan("dmc-hard", tmp_path, [cell]), Console(file=out, width=80), Ending(COMMAND))
    for kind, facts in (
        ("started", {}),
        ("progress", {"env_step": 0, "latest_return": None}),
        ("evaluation", {"env_step": 0, "latest_return": 12.34}),
        ("done", {"status": "finished"}),
    ):
        lines.on_event(Event(kind, cell, cell.blocks[0], facts))
    lines.summary(Outcome())
    name = "dime on dm_control/dog-run seed-000"
    told = out.getvalue().splitlines()
    assert told[:3] == [
        f"{name}: started", f"{name}: env step 0 of 1000000, return 12.3", f"{name}: finished"
    ]  # fmt: skip
    assert told[3].startswith("dmc-hard: 1 run finished, 0 were done already (1 asked for, 0:00); results in ")
    assert told[4:] == [f"next: dimebench report --html suite=dmc-hard --results {tmp_path}"]
