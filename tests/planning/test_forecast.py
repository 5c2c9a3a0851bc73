"""What a plan takes: disk held to what checkpoints write, time from earlier runs or a probe, sums over a machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dimebench.config.names import short_task
from dimebench.envs import task_spec
from dimebench.planning.cells import Plan
from dimebench.planning.durations import ASSUMED, EARLIER, OTHER, UNKNOWN, from_earlier, rough_seconds
from dimebench.planning.forecast import Forecast, Target, forecast
from dimebench.planning.memory import same_cell
from dimebench.planning.paces import Found, Probes, scaled, work_of
from dimebench.planning.plan import make_plan
from dimebench.planning.probe import Pace, probe
from dimebench.store import read_runs
from dimebench.store.provenance import machine
from dimebench.store.writer import write_run
from dimebench.training.block import Block
from tests.planning.requests import request
from tests.planning.test_memory import earlier
from tests.training.blocks import make_block, stop_after, train

CPU = Target("cpu", 2)
PACE = Pace(0.1, 1.0, 0.5, 25, device_bytes=0, host_bytes=10**9)


def of(plan: Plan, target: Target = CPU, pace: Pace | None = PACE, keep: bool = False) -> Forecast:
    found = pace and Found(pace, "probe", measured=True)
    return forecast(plan, target, lambda blocks: [found] * len(blocks), keep)


def test_a_pace_counts_the_random_start_the_learning_and_every_evaluation() -> None:
    block = make_block("sac")  # 60 env steps, 12 of them random; evaluated at 0, 25, 50, 60
    assert PACE.seconds(block) == pytest.approx(12 * 0.1 + 48 * 1.0 + 4 * 25 * 0.5)
    assert replace(PACE, step=0.0, random_step=0.0).seconds(make_block("random")) == pytest.approx(4 * 25 * 0.5)


def test_times_add_up_over_workers_and_unknown_ones_are_counted(tmp_path: Path) -> None:
    plan = make_plan(request(), range(3), tmp_path, "cpu")
    one = PACE.seconds(plan.cells[0].blocks[0])
    found = of(plan)
    assert (found.seconds, found.device_seconds, found.unknown) == (2 * one, 3 * one, 0)
    nothing = of(plan, pace=None)
    assert (nothing.seconds, nothing.unknown, nothing.sources()) == (0.0, 3, [UNKNOWN])
    assert list(tmp_path.iterdir()) == []


def finished(block: Block, results: Path, seconds: float, env_steps: int = 0, **provenance: object) -> None:
    """A finished run of the block's work that took so long."""
    steps = env_steps or block.protocol.env_steps
    protocol = replace(block.protocol, env_steps=steps)
    earlier(replace(block, protocol=protocol), results, machine=machine(), **provenance)
    (run,) = [run for run in read_runs(results) if run.seed == block.seeds[0]]
    write_run(replace(run, progress={"env_step": steps, "grad_step": 1, "wall_time_s": seconds}))


def test_finished_runs_of_the_same_work_say_how_long_it_takes(tmp_path: Path) -> None:
    block = make_block("sac", seeds=(5,))
    assert from_earlier(block, same_cell(block, tmp_path)).source == UNKNOWN
    finished(replace(block, seeds=(0,)), tmp_path, 30.0, env_steps=10)
    found = from_earlier(block, same_cell(block, tmp_path))
    assert (found.seconds, found.source) == (180.0, OTHER), "a sixth of the budget"
    for seed, seconds in enumerate((100.0, 120.0, 500.0), start=1):
        finished(replace(block, seeds=(seed,)), tmp_path, seconds)
    found = from_earlier(block, same_cell(block, tmp_path))
    assert (found.seconds, found.source) == (120.0, EARLIER)
    assert rough_seconds(block, tmp_path) == 120.0
    together = replace(block, seeds=(5, 6))
    assert from_earlier(together, same_cell(together, tmp_path)).source == OTHER


def test_what_a_block_has_done_already_is_not_counted_again(tmp_path: Path) -> None:
    plan = make_plan(request(), [0, 1], tmp_path, "cpu")
    (_, first), _ = plan.blocks()
    assert train(first, tmp_path, stop_after(35)) == "interrupted"
    (run,) = read_runs(tmp_path)
    reached = run.progress["env_step"]
    assert 0 < reached < 40
    begun, fresh = of(make_plan(request(), [0, 1], tmp_path, "cpu")).blocks()
    assert begun.left == pytest.approx(1 - reached / 40)
    assert fresh.left == 1
    assert begun.duration.seconds == pytest.approx(begun.left * PACE.seconds(first))


def test_the_order_of_blocks_knows_which_algorithm_has_more_to_compute(tmp_path: Path) -> None:
    blocks = [make_block(name) for name in ("random", "sac", "dime")]
    seconds = [rough_seconds(replace(block, settings=block.settings | _wide(block)), tmp_path) for block in blocks]
    assert seconds == sorted(seconds)
    assert seconds[1] < seconds[2]


def _wide(block: Block) -> dict[str, object]:
    return {} if block.algorithm == "random" else {"batch_size": 256, "critic_hidden": [256, 256]}


def test_the_disk_is_what_a_checkpoint_of_a_full_replay_takes(tmp_path: Path) -> None:
    block = make_block("sac", seeds=(0, 1))
    settings = block.settings | {"replay_capacity": 1500, "learning_starts": 10**6, "critic_hidden": [64, 64]}
    protocol = replace(block.protocol, env_steps=2000, eval_interval=2000, eval_episodes=1)
    block = replace(block, settings=settings, protocol=protocol)
    assert train(block, tmp_path, stop_after(1800)) == "interrupted"
    plan = Plan("tiny", tmp_path, make_plan(request(), [0], tmp_path, "cpu").cells)
    plan.cells[0].blocks = [block]
    (found,) = of(plan).blocks()
    replay = sum(file.stat().st_size for file in (block.checkpoint_folder(tmp_path) / "replay").iterdir())
    spec = task_spec(block.task, block.protocol.action_repeat)
    assert replay == pytest.approx(2 * 1500 * (4 * (spec.obs_dim + spec.act_dim + 2) + 1), rel=0.25)
    whole = sum(file.stat().st_size for file in block.checkpoint_folder(tmp_path).rglob("*") if file.is_file())
    assert replay < found.checkpoint_bytes
    assert whole <= found.checkpoint_bytes


def test_checkpoints_on_disk_at_once_are_those_of_blocks_in_work_unless_kept(tmp_path: Path) -> None:
    plan = make_plan(request(), range(5), tmp_path, "cpu")
    two, kept = of(plan), of(plan, keep=True)
    stays = sum(each.results_bytes for each in two.blocks())
    one = two.blocks()[0].checkpoint_bytes
    assert (two.disk_bytes, kept.disk_bytes) == (stays + 2 * one, stays + 5 * one)


def test_a_probe_measures_a_process_like_a_workers_and_leaves_nothing() -> None:
    block = make_block("sac")
    pace = probe(block, 0.1)
    assert 0 < pace.random_step < 10
    assert 0 < pace.step < 10
    assert 0 < pace.evaluation_step < 10
    assert pace.episode_steps == 50
    assert 50_000_000 < pace.host_bytes < 20_000_000_000


BODIES = {"walker": 0.1, "cartpole": 0.02}  # seconds of an env step's physics


def test_each_learner_is_probed_once_and_scaled_to_other_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def measured(block: Block, seconds: float, core: int | None) -> Pace:
        asked.append((block.algorithm, short_task(block.task)))
        physics = next(each for name, each in BODIES.items() if name in block.task)
        if block.algorithm == "random":
            return Pace(physics, 0.0, 2 * physics, 25, 0, 10**9)
        return Pace(physics, physics + 1.0, 2 * physics + 0.5, 25, 0, 10**9)

    monkeypatch.setattr("dimebench.planning.paces.probe", measured)
    stand, walk = (make_block("sac", task=f"dm_control/walker-{name}") for name in ("stand", "walk"))
    pole, random = (make_block(name, task="dm_control/cartpole-balance") for name in ("sac", "random"))
    probes = Probes(1.0, here=True)
    same = probes([stand, walk, stand])
    assert [each and each.source for each in same] == ["probe", "probe of walker-stand", "probe"]
    assert asked == [("sac", "walker-stand")]
    asked.clear()
    first, other, floor = probes([stand, pole, random])
    assert sorted(asked) == [("random", "cartpole-balance"), ("random", "walker-stand"), ("sac", "walker-stand")]
    assert first is not None
    assert other is not None
    assert floor is not None
    assert (first.source, other.source, floor.source) == ("probe", "scaled from walker-stand", "probe")
    assert (first.measured, other.measured, floor.measured) == (True, False, True)
    work, known = work_of(pole), work_of(stand)
    assert other.pace.random_step == BODIES["cartpole"]
    assert 0.02 < other.pace.step < 1.02, "a smaller body has fewer operations"
    assert other.pace == scaled(first.pace, Pace(0.1, 0, 0.2, 25, 0, 0), floor.pace, work, known)
    assert scaled(first.pace, floor.pace, floor.pace, known, known).step == pytest.approx(first.pace.step)
    asked.clear()
    Probes(1.0, here=True)([stand, replace(stand, settings=stand.settings | {"batch_size": 5})])
    assert len(asked) == 2, "another batch is other work"
    elsewhere = Probes(1.0, here=False)([walk])[0]
    assert elsewhere is not None
    assert elsewhere.source == "extrapolated from a probe on this machine"


def test_an_assumed_rate_counts_before_anything_else(tmp_path: Path) -> None:
    plan = make_plan(request(), [0], tmp_path, "cpu")
    ((_, block),) = plan.blocks()
    finished(replace(block, seeds=(9,)), tmp_path, 77.0)
    (found,) = forecast(plan, CPU, lambda blocks: [], rates={block.algorithm: 4.0}).blocks()
    assert (found.duration.seconds, found.duration.source) == (block.protocol.env_steps / 4.0, ASSUMED)


def test_an_earlier_run_counts_more_than_a_probe(tmp_path: Path) -> None:
    plan = make_plan(request(), [0], tmp_path, "cpu")
    ((_, block),) = plan.blocks()
    finished(replace(block, seeds=(9,)), tmp_path, 77.0, peak_memory_bytes=123_456_789)
    (found,) = of(plan).blocks()
    assert (found.duration.seconds, found.duration.source) == (77.0, EARLIER)
    assert (found.memory.host, found.memory.source) == (123_456_789, "earlier runs")
