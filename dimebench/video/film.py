"""Frames of a trained policy: the process that shows, never the one that trains.

Run as `MUJOCO_GL=egl python -m dimebench.video.film` (or osmesa): reads a FilmRequest from standard input, writes the
film to the file that it names, and prints a FilmAnswer.
"""

from __future__ import annotations

import atexit
import gc
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from dimebench.agents.base import Agent, Dims
from dimebench.agents.registry import load_algorithm
from dimebench.envs import SerialVectorEnv, UnknownTaskError, gl, make_vector_env
from dimebench.envs.environment import MuJoCo
from dimebench.errors import one_line
from dimebench.training.block import build_settings
from dimebench.training.rng import generator, normal, sequence
from dimebench.video.request import FilmAnswer, FilmError, FilmRequest, to_line


def load_policy(algorithm: str, settings: dict[str, Any], dims: Dims, file: Path, place: int) -> Agent:
    """One seed's agent with the policy of `file`, that of the seed at `place` among those trained together.

    Raises FilmError where the file is not such a policy. An algorithm that learns nothing needs no file.
    """
    loaded = load_algorithm(algorithm)
    agent = loaded(dims, build_settings(loaded.Settings, settings), [torch.Generator().manual_seed(0)], "cpu")
    own = agent.policy_state()
    if not own:
        return agent
    try:
        kept = load_file(str(file))
    except Exception as error:
        raise FilmError(f"{file}: {one_line(error)}") from error
    if set(own) - set(kept):
        raise FilmError(f"{file}: not the policy of {algorithm}")
    state = agent.state_dict()
    for name, tensor in own.items():
        one = kept[name]
        if one.shape != tensor.shape:
            one = one[place : place + 1]
        if one.shape != tensor.shape:
            raise FilmError(f"{file}: {name} has shape {list(kept[name].shape)}, not that of {algorithm}")
        state[name] = one
    agent.load_state_dict(state)
    return agent


def frames(
    agent: Agent, envs: SerialVectorEnv, obs: np.ndarray, simulator: MuJoCo, request: FilmRequest, every: int
) -> Iterator[tuple[np.ndarray, float]]:
    """One episode from its first `obs`: every so many env steps a picture [height, width, 3] uint8, and the return.

    It ends with the episode, or after `seconds` of the task's time.
    """
    import mujoco

    noises = [generator(request.seed, "film-noise", 0, device="cpu")]
    shapes = agent.policy_noise(1)
    total = 0.0
    with closing(mujoco.Renderer(simulator.model, request.height, request.width)) as renderer:
        for step in range(int(request.seconds / (simulator.step_s * envs.action_repeat))):
            if step % every == 0:
                renderer.update_scene(simulator.data, camera=simulator.camera)
                yield renderer.render(), total
            noise = {name: normal(noises, shape, "cpu") for name, shape in shapes.items()}
            with torch.no_grad():
                action = agent.evaluate(torch.from_numpy(obs)[:, None], noise)[:, 0].cpu().numpy()
            result = envs.step(action)
            total += float(result.reward[0])
            obs = result.obs
            if result.terminated[0] or result.truncated[0]:
                return


def write_film(request: FilmRequest) -> FilmAnswer:
    """Write the film that is asked for into its file. Raises FilmError."""
    streams = [sequence(request.seed, "film-env", request.episode)]
    envs = make_vector_env(request.task, streams, request.action_repeat)
    dims = Dims(envs.spec.obs_dim, envs.spec.act_dim)
    agent = load_policy(request.algorithm, request.settings, dims, Path(request.policy), request.place)
    obs, simulator = envs.reset(), envs.environments[0].mujoco()
    if gl.problem():
        raise RuntimeError(gl.problem())
    if simulator is None:
        raise FilmError(f"only tasks of MuJoCo can be filmed, not those of {envs.library.prefix}")
    env_step_s = simulator.step_s * envs.action_repeat
    every = max(1, round(1 / (request.fps * env_step_s)))
    fps = 1 / (every * env_step_s)  # so that the film runs in the task's own time
    pictures, reached = [], 0.0
    for picture, reached in frames(agent, envs, obs, simulator, request, every):  # noqa: B007
        pictures.append(picture.copy())
    Path(request.out).write_bytes(encode(pictures, request.kind, fps))
    return FilmAnswer(frames=len(pictures), seconds=len(pictures) / fps, reached=reached)


def encode(pictures: list[np.ndarray], kind: str, fps: float) -> bytes:
    """The pictures as a film: "mp4" (H.264; needs imageio-ffmpeg) or "gif"."""
    if kind == "gif":
        import imageio.v3 as iio

        return bytes(iio.imwrite("<bytes>", np.stack(pictures), extension=".gif", duration=1000 / fps, loop=0))
    import imageio_ffmpeg

    height, width, _ = pictures[0].shape
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/film.mp4"
        writer = imageio_ffmpeg.write_frames(file, (width, height), fps=fps, macro_block_size=2, quality=7)
        writer.send(None)
        for picture in pictures:
            writer.send(np.ascontiguousarray(picture))
        writer.close()
        return Path(file).read_bytes()


def main() -> None:
    """Entry point of the process: one request, one answer."""
    atexit.register(gc.freeze)  # or Python searches everything for garbage first, which takes a second
    try:
        answer = write_film(FilmRequest(**json.load(sys.stdin)))
    except Exception as error:
        text = one_line(error) or type(error).__name__
        known = isinstance(error, FilmError)
        final = known or isinstance(error, UnknownTaskError)
        answer = FilmAnswer(text if known else f"{type(error).__name__}: {text}", final)
    print("\n" + to_line(answer))


if __name__ == "__main__":
    main()
