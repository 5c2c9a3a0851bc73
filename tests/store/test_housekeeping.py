"""Runs that are removed or moved: whole or gone, wherever a kill hits, and never while somebody trains them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dimebench.store import StoreError, read_run, read_runs
from dimebench.store.claims import Watch
from dimebench.store.housekeeping import cells, moving, removing, trees
from dimebench.store.housekeeping.cells import Cell, Done, cells_of, check_free
from dimebench.store.housekeeping.choosing import Wanted, choose, find_runs
from tests.store.runs import TASK, files, written


def chosen(results: Path, **wanted: Any) -> list[Cell]:
    found, _ = find_runs(results)
    return cells_of(choose(found, Wanted(**wanted)).runs, found)


def checkpoint(folder: Path, block: str, *names: str) -> Path:
    """Files of a block's checkpoints."""
    place = folder.parent / "checkpoints" / block
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(name.encode())
    return place


def move(results: Path, to: Path, **wanted: Any) -> Done:
    some = chosen(results, **wanted)
    moving.check_movable(some, results, to)
    return moving.move_runs(some, results, to, Watch())


def remove(results: Path, **wanted: Any) -> Done:
    return removing.remove_runs(chosen(results, **wanted), results, Watch())


def interrupted(results: Path, *seeds: int) -> Path:
    """Runs that train together and were cut off, with their checkpoint, which is returned."""
    block = "seed-000" if seeds == (0,) else "seeds-000-to-001"
    facts: dict[str, Any] = {"seeds_together": list(seeds)}
    runs = [written(results, seed=seed, status="interrupted", block=block, provenance=facts) for seed in seeds]
    return checkpoint(runs[0].folder, block, "000004/state.safetensors", "replay/0-1.safetensors")


def killed(act: Callable[[], object]) -> None:
    """`act` in a process of its own, which a kill ends where it is told to."""
    pid = os.fork()
    if not pid:
        try:
            act()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9, "it got as far as the kill"


def kill(*_: object) -> None:
    os._exit(9)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """A results folder and another one, which is not there yet."""
    return tmp_path / "here", tmp_path / "there"


@pytest.fixture(params=["links", "copies"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a file system files are linked; between two they are copied, which `os.link` refuses."""
    if request.param == "copies":

        def link(*_: object, **__: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(trees.os, "link", link)


def test_runs_leave_with_what_no_other_run_needs(tmp_path: Path) -> None:
    for seed in range(3):
        run = written(tmp_path, seed=seed, block="seeds-000-to-001" if seed < 2 else "seed-002")
    shared = checkpoint(run.folder, "seeds-000-to-001", "policy.safetensors")
    own = checkpoint(run.folder, "seed-002", "policy.safetensors")
    other = written(tmp_path, "sac").folder
    assert len(remove(tmp_path, variants={"dime": []}, seeds=[0, 2]).gone) == 2
    assert shared.is_dir(), "seed 1 needs it"
    assert not own.exists()
    assert [run.seed for run in read_runs(tmp_path) if run.variant == "dime"] == [1]
    remove(tmp_path, variants={"dime": []})
    assert sorted(each.name for each in tmp_path.glob("*/*")) == ["sac"], "empty folders go too"
    assert other.is_dir()
    remove(tmp_path, suite="small")
    assert tmp_path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_is_to_go_on_is_not_torn_apart(tmp_path: Path) -> None:
    """Its checkpoint holds all seeds: the one that went would come back without its evaluations."""
    interrupted(tmp_path, 0, 1)
    (cell,) = chosen(tmp_path, seeds=[1])
    assert "seed 1 trains together with seed 0, from one checkpoint" in cell.torn_apart()
    assert chosen(tmp_path)[0].torn_apart() == ""
    (tmp_path / "small" / "dime" / TASK / "seed-000" / "run.json").write_text("{")
    (cell,) = chosen(tmp_path, seeds=[1])
    assert cell.torn_apart(), "nor where one of its seeds cannot be read"


def test_a_run_that_somebody_trains_stays(two: tuple[Path, Path]) -> None:
    here, there = two
    run = written(here, status="running")
    some = chosen(here)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as trainer:
        assert Watch().acquire(run.folder, [trainer.pid]) is not None
        before = files(here)
        with pytest.raises(StoreError, match=rf"is trained by process {trainer.pid} on .*: nothing was removed"):
            check_free(choose(find_runs(here)[0], Wanted()).runs, Watch(), "removed", print)
        for done in (removing.remove_runs(some, here, Watch()), moving.move_runs(some, here, there, Watch())):
            assert "has been taken up by another process" in done.stayed[0][1]
        assert (files(here), list(there.glob("*"))) == (before, [])
        trainer.communicate()
    assert remove(here).gone, "it has ended, so nobody holds the run"


def test_the_lease_of_an_owner_elsewhere_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = written(tmp_path, status="running")
    claim = Watch(lease_s=0.2).acquire(run.folder)
    assert claim is not None
    file = claim.path
    file.write_bytes(file.read_bytes().replace(claim.owner.space[:8].encode(), b"another1"))
    monkeypatch.setattr(cells, "LOOK_EVERY_S", 0.1)
    told: list[str] = []
    runs = choose(find_runs(tmp_path)[0], Wanted()).runs
    check_free(runs, Watch(), "removed", told.append)
    assert len(told) == 1
    beat = lambda line: file.write_bytes(file.read_bytes().replace(b'"beats": 0', b'"beats": 1'))  # noqa: E731
    with pytest.raises(StoreError, match="is trained by"):
        check_free(runs, Watch(), "removed", beat)


def test_what_has_changed_since_it_was_listed_stays(tmp_path: Path) -> None:
    written(tmp_path, status="interrupted")
    some = chosen(tmp_path)
    written(tmp_path)
    done = removing.remove_runs(some, tmp_path, Watch())
    assert done.stayed[0][1] == f"dime on {TASK} seed 0 has changed since it was listed"
    assert [run.status for run in read_runs(tmp_path)] == ["finished"]


@pytest.mark.usefixtures("either_way")
def test_runs_move_with_their_checkpoints_and_code(two: tuple[Path, Path]) -> None:
    here, there = two
    interrupted(here, 0, 1)
    code = {"of": {"protocol": {"env_steps": 300}, "settings": {}, "code": "ab12ab12ab12"}, "sha256": "cd" * 32}
    written(here, "paper:DIME", identity=code)
    (here / ".code").mkdir()
    (here / ".code" / "ab12ab12ab12.json").write_text("{}")
    before = {name: data for name, data in files(here).items() if not name.startswith(".code")}
    assert len(move(here, there).gone) == 3
    moved = files(there)
    assert moved.pop(".code/ab12ab12ab12.json") == b"{}"
    assert {name: data for name, data in moved.items() if "claim-" not in name} == before
    assert list(files(here)) == [".code/ab12ab12ab12.json"]
    free = [Watch().holder(run.folder) for run in read_runs(there)]
    assert free == [None] * 3, "training goes on from there at once"


def test_seeds_that_part_both_keep_the_policy(two: tuple[Path, Path]) -> None:
    here, there = two
    runs = [written(here, seed=seed, block="seeds-000-to-001") for seed in (0, 1)]
    policy = checkpoint(runs[0].folder, "seeds-000-to-001", "policy.safetensors")
    move(here, there, seeds=[1])
    assert policy.is_dir()
    assert (there / policy.relative_to(here)).is_dir()
    move(here, there)
    assert [run.seed for run in read_runs(there)] == [0, 1]
    assert files(here) == {}


@pytest.mark.parametrize("when", ["copied", "put", "checkpoint", "discard", "discarding"])
def test_a_kill_leaves_every_run_whole_somewhere(two: tuple[Path, Path], when: str) -> None:
    here, there = two
    interrupted(here, 0, 1)
    original = files(here)

    def act() -> None:
        put, count = moving._put, iter(range(9))
        if when == "copied":
            moving._bring_code = kill  # type: ignore[assignment]
        elif when in ("put", "checkpoint"):
            last = 1 if when == "put" else 2  # a run is in its place, or both are, without their checkpoint
            moving._put = lambda *given: kill() if next(count) == last else put(*given)  # type: ignore[assignment]
        elif when == "discard":
            moving.discard = kill  # type: ignore[assignment]
        else:
            trees.sync_folder = lambda _: kill() if moving_out(here) else None  # type: ignore[assignment]
        move(here, there)

    killed(act)
    whole_there = all(files(there).get(name) == data for name, data in original.items())
    whole_here = all(files(here).get(name) == data for name, data in original.items())
    assert whole_here or whole_there
    assert move(here, there).gone
    assert {name: data for name, data in files(there).items() if "claim-" not in name} == original
    assert files(here) == {}


def moving_out(here: Path) -> bool:
    """Whether something has left the results already."""
    return any((here / ".removing").glob("*/*"))


def test_a_kill_while_removing_leaves_runs_whole_or_gone(tmp_path: Path) -> None:
    for seed in range(2):
        written(tmp_path, seed=seed)

    def act() -> None:
        trees.sync_folder = lambda _: kill() if moving_out(tmp_path) else None  # type: ignore[assignment]
        remove(tmp_path)

    killed(act)
    assert [run.seed for run in read_runs(tmp_path)] == [1]
    remove(tmp_path)
    assert files(tmp_path) == {}


def test_nothing_is_overwritten(two: tuple[Path, Path]) -> None:
    here, there = two
    written(here, seed=0)
    written(here, seed=1)
    written(there, seed=1, progress={"env_step": 200, "grad_step": 600, "wall_time_s": 1.5})
    before = files(here), files(there)
    with pytest.raises(
        moving.TakenError, match="seed-001 is there already, and differs: env_step: 200 there, 300 here"
    ):
        move(here, there)
    assert (files(here), files(there)) == before


def test_a_place_that_is_taken_meanwhile_undoes_the_cell(two: tuple[Path, Path]) -> None:
    here, there = two
    for seed in range(2):
        written(here, seed=seed)
    some = chosen(here)
    before = files(here)
    put = moving._put

    def late(copy: Path, target: Path) -> None:
        if target.name == "seed-001":
            written(there, seed=1, status="running")
        put(copy, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "_put", late)
        done = moving.move_runs(some, here, there, Watch())
    assert "has been made by another process meanwhile" in done.stayed[0][1]
    assert files(here) == before
    assert [run.seed for run in read_runs(there)] == [1]


def test_nothing_is_copied_that_could_not_be_removed(two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = two
    cell = written(here).folder.parent
    before = files(here)
    monkeypatch.setattr(moving.os, "access", lambda folder, mode: Path(folder) != cell)  # root may write everywhere
    done = moving.move_runs(chosen(here), here, there, Watch())
    assert [why for _, why in done.stayed] == [f"{cell}: Permission denied"]
    assert files(here) == before
    assert not list(there.rglob("run.json"))


def test_no_link_is_followed(two: tuple[Path, Path]) -> None:
    here, there = two
    outside = written(there).folder
    run = written(here, seed=1)
    (run.folder.parent / "seed-000").symlink_to(outside)
    (run.folder.parent / "checkpoints").symlink_to(outside)
    (here / "small" / "sac").symlink_to(there / "small" / "dime")
    (run.folder / "notes").symlink_to(outside)
    before = files(there)
    found, links = find_runs(here)
    assert [each.path for each in found] == [run.folder]
    assert links == [run.folder.parent / "seed-000", here / "small" / "sac"]
    (here.parent / "links").mkdir()
    (here.parent / "links" / "small").symlink_to(there / "small")
    with pytest.raises(StoreError, match="links/small is a symbolic link, which is not followed"):
        find_runs(here.parent / "links")
    with pytest.raises(StoreError, match="notes: a symbolic link, which is not moved"):
        moving.check_movable(chosen(here), here, there / "other")
    remove(here)
    assert not run.folder.exists()
    assert files(there) == before
    assert read_run(outside) is not None
