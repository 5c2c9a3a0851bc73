"""Frames of a trained policy: the process that shows, never the one that trains.

Run as `MUJOCO_GL=egl python -m dimebench.video.film` (or osmesa): a request comes as one line of JSON on standard
input, the film goes to the file that it names, and one line of JSON says what was filmed.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from dimebench.agents.base import Agent, Dims, under
from dimebench.agents.registry import load_algorithm
from dimebench.envs import make_vector_env
from dimebench.envs.vector import VectorEnv
from dimebench.errors import DimebenchError
from dimebench.training.block import build_settings
from dimebench.training.rng import generator, normal, sequence

POLICY = "policy."


class FilmError(DimebenchError):
    """A policy or task that cannot be shown; one line."""


def load_policy(algorithm: str, settings: dict[str, Any], dims: Dims, file: Path, place: int) -> Agent:
    """One seed's agent with the policy of `file`, that of the seed at `place` among those trained together.

    Raises FilmError where the file is not such a policy.
    """
    loaded = load_algorithm(algorithm)
    agent = loaded(dims, build_settings(loaded.Settings, settings), [torch.Generator().manual_seed(0)], "cpu")
    own = agent.policy_state()
    if not own:
        return agent  # it learns nothing: there is nothing to load
    kept = load_file(str(file))
    module = getattr(agent, "modules", {}).get("policy")
    if module is None or set(own) - set(kept):
        raise FilmError(f"{file}: not the policy of {algorithm}")
    state = {}
    for name, tensor in own.items():
        one = kept[name]
        if one.shape != tensor.shape:
            one = one[place : place + 1]
        if one.shape != tensor.shape:
            raise FilmError(f"{file}: {name} has shape {list(kept[name].shape)}, not that of {algorithm}")
        state[name] = one
    module.load_state_dict(under(state, POLICY))
    return agent


def frames(
    agent: Agent, block: VectorEnv, seed: int, size: tuple[int, int], seconds: float, every: int
) -> Iterator[tuple[np.ndarray, float]]:
    """An episode of the policy: a picture [height, width, 3] uint8 after every so many env steps, with the return so
    far. It ends with the episode, or after `seconds` of the task's time."""
    import mujoco

    model, data, env_step_s = _physics(block)
    noises = [generator(seed, "film-noise", 0, device="cpu")]
    shapes = agent.policy_noise(1)
    renderer = mujoco.Renderer(model, *size)
    camera = _camera(model)
    total = 0.0
    try:
        obs = block.reset()
        for step in range(int(seconds / env_step_s)):
            if step % every == 0:
                renderer.update_scene(data(), camera=camera)
                yield renderer.render(), total
            noise = {name: normal(noises, shape, "cpu") for name, shape in shapes.items()}
            with torch.no_grad():
                action = agent.evaluate(torch.from_numpy(obs)[:, None], noise)[:, 0].cpu().numpy()
            result = block.step(action)
            total += float(result.reward[0])
            obs = result.obs
            if result.terminated[0] or result.truncated[0]:
                return
    finally:
        renderer.close()


def _camera(model: Any) -> int:
    """The first camera, but for quadrupeds', which shows them too small; the free one where there is none."""
    names = [model.camera(k).name for k in range(model.ncam)]
    if names[:2] == ["global", "x"]:
        return 1
    return 0 if names else -1


def _physics(block: VectorEnv) -> tuple[Any, Any, float]:
    """MuJoCo's model, a function that gives its data, and the seconds of one env step."""
    env = block._share.envs[0]._env  # type: ignore[attr-defined]
    if hasattr(env, "physics"):  # dm_control
        return env.physics.model.ptr, lambda: env.physics.data.ptr, env.control_timestep() * block.action_repeat
    return env.unwrapped.model, lambda: env.unwrapped.data, float(env.unwrapped.dt) * block.action_repeat


def write_film(request: dict[str, Any]) -> dict[str, Any]:
    """Film what `request` asks for into its `out`. Returns what was filmed: frames, seconds, return."""
    seed, size = request["seed"], (request["height"], request["width"])
    block = make_vector_env(
        request["task"], [sequence(seed, "film-env", request["episode"])], request["action_repeat"]
    )
    dims = Dims(block.spec.obs_dim, block.spec.act_dim)
    agent = load_policy(request["algorithm"], request["settings"], dims, Path(request["policy"]), request["place"])
    _, _, env_step_s = _physics(block)
    every = max(1, round(1 / (request["fps"] * env_step_s)))
    fps = 1 / (every * env_step_s)  # so that the film runs in the task's own time
    pictures, reached = [], 0.0
    for picture, total in frames(agent, block, seed, size, request["seconds"], every):
        pictures.append(picture.copy())
        reached = total
    Path(request["out"]).write_bytes(encode(pictures, request["kind"], fps))
    return {"frames": len(pictures), "seconds": len(pictures) / fps, "return": reached}


def encode(pictures: list[np.ndarray], kind: str, fps: float) -> bytes:
    """The pictures as a film: "mp4" (H.264; needs imageio-ffmpeg) or "gif"."""
    import imageio.v3 as iio

    if kind == "gif":
        buffer = io.BytesIO()
        iio.imwrite(buffer, np.stack(pictures), extension=".gif", duration=1000 / fps, loop=0)
        return buffer.getvalue()
    import tempfile

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
    atexit.register(gc.freeze)  # or Python searches all that there is for garbage first, which takes a second
    try:
        answer = write_film(json.loads(sys.stdin.read()))
    except Exception as error:
        text = " ".join(f"{error}".split()) or type(error).__name__
        answer = {"error": text if isinstance(error, FilmError) else f"{type(error).__name__}: {text}"}
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main()
