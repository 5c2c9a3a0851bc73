"""Films are of the task that was trained on, of both engines' tasks."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from dimebench.store import read_run
from dimebench.training.block import Protocol
from dimebench.video.film import _camera
from dimebench.video.render import RenderError, film, policy_of
from tests.training.blocks import make_block, train


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "action_repeat"),
    [("dm_control/dog-run", 20), ("dm_control/quadruped-run", 20), ("gymnasium/Humanoid-v5", 2)],  # it falls soon
)
def test_a_policy_of_a_large_body_is_filmed(task: str, action_repeat: int, tmp_path: Path) -> None:
    import imageio.v3 as iio

    protocol = Protocol(env_steps=60, action_repeat=action_repeat, eval_interval=25, eval_episodes=2)
    block = make_block("sac", task, protocol=protocol)
    assert train(block, tmp_path) == "finished"
    run = read_run(block.run_folder(tmp_path, 0))
    assert run is not None
    policy = policy_of(run)
    assert policy is not None
    try:
        shot = film(policy, kind="gif", width=96, height=64, seconds=2.0, fps=10)
    except RenderError as error:
        pytest.skip(f"no GL here: {error}")
    pictures = np.asarray(iio.imread(shot.data, extension=".gif"))
    assert pictures.shape[:3] == (shot.frames, 64, 96)
    assert shot.frames >= 2
    assert pictures[0].std() > 5  # something is seen
    assert (pictures[0] != pictures[-1]).any()  # and it moves


@pytest.mark.parametrize(
    ("cameras", "expected"), [([], -1), (["side", "back"], 0), (["global", "x", "y"], 1), (["fixed"], 0)]
)
def test_the_camera_is_the_first_that_shows_the_body_well(cameras: list[str], expected: int) -> None:
    body = "".join(f'<camera name="{name}"/>' for name in cameras)
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{body}</worldbody></mujoco>")
    assert _camera(model) == expected
