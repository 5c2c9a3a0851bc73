"""Films are of the task that was trained on, whatever its library, and of algorithms that learn nothing too."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dimebench.envs import EnvError, make_vector_env
from dimebench.store import read_run
from dimebench.training.block import Block, Protocol
from dimebench.video.render import Film, RenderError, film, policy_of
from tests.envs.package import install_here
from tests.packages import install
from tests.training.blocks import make_block, train

STILL = """
from dimebench.agents.random import Random


class Still(Random):
    summary = "an algorithm of another package that learns nothing"

    def act(self, obs, noise):
        return 0 * noise["eps"]
"""


def filmed(block: Block, results: Path, seconds: float = 2.0) -> Film:
    """A small film of the block's first seed, once trained. Skips where there is no GL."""
    assert train(block, results) == "finished"
    run = read_run(block.run_folder(results, 0))
    assert run is not None
    policy = policy_of(run)
    assert policy is not None
    try:
        return film(policy, kind="gif", width=96, height=64, seconds=seconds, fps=10)
    except RenderError as error:
        if "only tasks of MuJoCo" in str(error):
            raise
        pytest.skip(f"no GL here: {error}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "action_repeat"),
    [("dm_control/dog-run", 20), ("dm_control/quadruped-run", 20), ("gymnasium/Humanoid-v5", 2)],  # it falls soon
)
def test_a_policy_of_a_large_body_is_filmed(task: str, action_repeat: int, tmp_path: Path) -> None:
    import imageio.v3 as iio

    protocol = Protocol(env_steps=60, action_repeat=action_repeat, eval_interval=25, eval_episodes=2)
    shot = filmed(make_block("sac", task, protocol=protocol), tmp_path)
    pictures = np.asarray(iio.imread(shot.data, extension=".gif"))
    assert pictures.shape[:3] == (shot.frames, 64, 96)
    assert shot.frames >= 2
    assert pictures[0].std() > 5  # something is seen
    assert (pictures[0] != pictures[-1]).any()  # and it moves


def test_an_algorithm_of_another_package_that_learns_nothing_is_filmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(
        install(tmp_path / "site", "still", STILL, "dimebench.algorithms", {"still": "still:Still"})
    )
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    block = replace(make_block("random"), algorithm="still", variant="still")
    assert filmed(block, tmp_path, seconds=1.0).frames >= 2


def test_a_run_whose_policy_was_not_kept_is_not_filmed(tmp_path: Path) -> None:
    block = make_block("sac")
    assert train(block, tmp_path) == "finished"
    (block.checkpoint_folder(tmp_path) / "policy.safetensors").unlink()
    run = read_run(block.run_folder(tmp_path, 0))
    assert run is not None
    assert policy_of(run) is None


def test_a_task_of_another_simulator_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_here(tmp_path / "site", monkeypatch)
    with pytest.raises(RenderError, match=r"only tasks of MuJoCo can be filmed, not those of line$"):
        filmed(make_block("random", "line/reach"), tmp_path)


@pytest.mark.parametrize(
    ("task", "camera"),
    [
        ("dm_control/quadruped-run", "x"),  # the first one shows it too small
        ("dm_control/dog-run", "y-axis"),
        ("gymnasium/Hopper-v5", "track"),
        ("gymnasium/Reacher-v5", None),
    ],
)
def test_the_camera_is_the_first_that_shows_the_body_well(task: str, camera: str | None) -> None:
    try:
        found = make_vector_env(task, [0]).environments[0].mujoco()
    except EnvError as error:
        pytest.skip(str(error))
    assert found is not None
    assert (found.model.camera(found.camera).name if found.camera >= 0 else None) == camera
