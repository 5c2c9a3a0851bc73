"""Worker processes change who steps the environments, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimebench.envs import EnvError, VectorEnv, known_tasks, make_vector_env, worker_count
from tests.envs.test_save_restore import Walk, assert_same

TASKS = {  # and how many env steps are compared
    "dm_control/cheetah-run": 1003,
    "dm_control/finger-turn_hard": 60,  # edits its model when an episode begins
    "dm_control/humanoid-run": 60,
    "dm_control/quadruped-run": 60,  # has bounds of its own
    "gymnasium/Hopper-v5": 150,  # the seeds end at different times
}
SEEDS = np.random.SeedSequence(5).spawn(3)


@pytest.fixture(scope="module", params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def pair(task: str) -> Iterator[tuple[VectorEnv, VectorEnv]]:
    """In this process; in two others, of which one steps one environment and one steps two."""
    here, there = make_vector_env(task, SEEDS), make_vector_env(task, SEEDS, workers=2)
    yield here, there
    there.close()
    here.close()


def begin(*pair: VectorEnv) -> None:
    for envs in pair:
        envs.reseed(SEEDS)
    assert_same([pair[0].reset()], [pair[-1].reset()])


def test_whole_episodes_and_resets_are_the_same_bits(task: str, pair: tuple[VectorEnv, VectorEnv]) -> None:
    here, there = pair
    assert there.spec == here.spec
    assert len(there) == len(here) == 3
    begin(here, there)
    walks = Walk(here), Walk(there)
    for stop in range(0, TASKS[task] + 1, TASKS[task] // 3):
        assert_same(walks[1].to(stop), walks[0].to(stop))


def test_a_state_saved_by_one_continues_in_the_other(task: str, pair: tuple[VectorEnv, VectorEnv]) -> None:
    here, there = pair
    begin(here, there)
    for source, other in (pair, pair[::-1]):
        Walk(source).to(6)
        state = source.save()
        expected = Walk(source, 6).to(14)
        other.reset()
        assert_same([other.restore(state)], [np.stack([state[f"{i}.obs"] for i in range(len(SEEDS))])])
        assert_same(Walk(other, 6).to(14), expected)
        begin(here, there)
    assert here.save().keys() == there.save().keys()


def test_those_left_out_of_a_step_stay_as_they_are(task: str, pair: tuple[VectorEnv, VectorEnv]) -> None:
    """And those stepped are stepped as if all had been."""
    begin(*pair)
    alone = make_vector_env(task, [SEEDS[1]])
    alone.reset()
    before = pair[0].reset([])
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 3, pair[0].spec.act_dim))
    for action in actions.astype(np.float32):
        action[[0, 2]] = np.nan  # nobody looks at them
        results = [envs.step(action, [1]) for envs in pair]
        expected = alone.step(action[1:2])
        for result in results:
            assert_same([result.obs[[0, 2]]], [before[[0, 2]]])
            assert_same([result.obs[1], result.reward], [expected.obs[0], np.array([0, expected.reward[0], 0])])
            assert not result.terminated[[0, 2]].any()
            assert not result.truncated[[0, 2]].any()
    for envs in pair:
        nothing = envs.step(np.zeros_like(action), [])
        assert_same([nothing.obs, nothing.reward], [results[0].obs, np.zeros(3)])
    alone.close()


def test_a_step_has_two_halves(pair: tuple[VectorEnv, VectorEnv]) -> None:
    """Actions are the vector env's own from `start` on; between the halves nothing else is answered."""
    begin(*pair)
    action = np.full((3, pair[0].spec.act_dim), 0.5, np.float32)
    expected = pair[0].step(action)
    pair[0].reseed(SEEDS)
    pair[0].reset()
    for envs in pair:
        name = envs.spec.name
        with pytest.raises(EnvError, match=f"^{name}: finish without start$"):
            envs.finish()
        mine = action.copy()
        envs.start(mine)
        mine[:] = -1
        for what, call in {
            "start": lambda envs=envs: envs.start(action),
            "start ": lambda envs=envs: envs.step(action),
            "reset": lambda envs=envs: envs.reset([0]),
            "save": lambda envs=envs: envs.save(),
            "restore": lambda envs=envs: envs.restore({}),
            "reseed": lambda envs=envs: envs.reseed(SEEDS),
        }.items():
            with pytest.raises(
                EnvError, match=f"^{name}: {what.strip()} while a step is under way: finish it first$"
            ):
                call()
        assert_same([envs.finish().obs], [expected.obs])
        with pytest.raises(EnvError, match="finish without start"):
            envs.finish()


def failures(envs: VectorEnv) -> list[str]:
    """What a vector env says of everything that can go wrong in a step, in order; it works again after each."""
    said = []
    action = np.zeros((3, envs.spec.act_dim), np.float32)
    calls = [
        lambda: envs.step(action),  # never reset
        lambda: envs.step(action + 2),
        lambda: envs.step(action[:2]),
        lambda: envs.step(action, [7]),
        lambda: envs.reset([-1]),
        lambda: envs.reseed([0]),
        lambda: envs.restore({}),
        lambda: envs.restore({"header": envs.save()["header"]}),
        lambda: (envs.restore(diverged), envs.step(action)),
    ]
    envs.reseed(SEEDS)
    diverged = make_diverging_state(envs)
    envs.reseed(SEEDS)
    for call in calls:
        with pytest.raises(EnvError) as caught:
            call()
        said.append(str(caught.value))
        envs.reset()
        envs.step(action)
    return said


def make_diverging_state(envs: VectorEnv) -> dict[str, np.ndarray]:
    """The last environment's positions and velocities are absurd."""
    envs.reset()
    envs.step(np.zeros((3, envs.spec.act_dim), np.float32))
    state = envs.save()
    return state | {"2.derived": np.full_like(state["2.derived"], 1e12)}


def test_what_goes_wrong_in_a_worker_is_said_in_the_same_words(task: str, pair: tuple[VectorEnv, VectorEnv]) -> None:
    here, there = (failures(envs) for envs in pair)
    assert there == here
    assert here[0].startswith(f"{task}: step without a running episode")
    assert here[3] == f"{task}: no environment 7 among 3"
    assert here[-1].startswith(f"{task}: ")
    assert "physics diverged: " in here[-1] or "not finite" in here[-1]
    assert not any("\n" in line for line in here)


def test_what_cannot_be_built_is_said_in_the_same_words() -> None:
    for task, seeds in (("dm_control/pendulum-swingup", [0, -1]), ("dm_control/pendulum-swingdown", [0])):
        said = []
        for workers in (0, 1):
            with pytest.raises(EnvError) as caught:
                make_vector_env(task, seeds, workers=workers)
            said.append(str(caught.value))
        assert said[0] == said[1]
    with pytest.raises(EnvError, match=r"^dm_control/pendulum-swingup: the number of worker processes must not"):
        make_vector_env("dm_control/pendulum-swingup", [0], workers=-1)


@given(envs=st.integers(1, 200), cores=st.integers(1, 200))
def test_workers_leave_a_core_to_the_learner_and_each_of_them_shortens_the_wait(envs: int, cores: int) -> None:
    workers = worker_count(envs, cores)
    free = cores - 1
    assert 0 <= workers <= min(envs, free)
    assert (workers == 0) == (free == 0)
    if workers:
        longest = -(-envs // workers)
        assert longest == -(-envs // min(envs, free)), "no other number is faster"
        assert workers == 1 or -(-envs // (workers - 1)) > longest, "one fewer is slower"


def test_worker_counts_of_the_machines_that_we_know() -> None:
    assert worker_count(envs=10, cores=16) == 10
    assert worker_count(envs=10, cores=8) == 5
    assert worker_count(envs=10, cores=2) == 1
    assert worker_count(envs=10, cores=1) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", known_tasks())
def test_every_task_gives_the_same_bits(name: str) -> None:
    try:
        here = make_vector_env(name, SEEDS)
    except EnvError as error:
        if "MUJOCO_GL" in str(error):
            pytest.skip(str(error))
        raise
    there = make_vector_env(name, SEEDS, action_repeat=1, workers=2)
    assert_same([there.reset()], [here.reset()])
    assert_same(Walk(there).to(40), Walk(here).to(40))
    there.close()
    here.close()
