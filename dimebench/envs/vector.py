"""Environments of one task, one per seed, stepped together."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from dimebench.envs.arrays import NO_NOTION, Arrays, layout
from dimebench.envs.environment import Environment, Seed
from dimebench.envs.libraries.registry import library_of
from dimebench.envs.share import Share, State
from dimebench.envs.spec import EnvError, TaskSpec

_ROUNDING = 1e-5  # how far outside [-1, 1] an action may lie and still be float32 rounding

Which = Iterable[int] | np.ndarray | None  # numbers of environments; None: all


@dataclass(slots=True)
class StepResult:
    """What one env step of every seed gave. The arrays are the caller's own."""

    obs: np.ndarray  # [S, O] float32: after the step; never a reset observation
    reward: np.ndarray  # [S] float32: summed over the action repeat
    terminated: np.ndarray  # [S] bool: the task ended the episode; do not bootstrap
    truncated: np.ndarray  # [S] bool: the time limit ended it; bootstrap through it
    success: np.ndarray  # [S] int8: 1 or 0; -1 where the task has no notion of success


class VectorEnv(ABC):
    """S environments of one task, one random stream each.

    A step has two halves, `start` and `finish`, so that the caller can work while other processes step. Between them
    only `close` may be called. There is no autoreset: the caller resets the environments whose episodes ended.
    """

    def __init__(
        self, spec: TaskSpec, arrays: Arrays, bounds: tuple[np.ndarray, np.ndarray], action_repeat: int
    ) -> None:
        """`bounds`: the task's own lowest and highest actions, [A] float64 each."""
        self.spec = spec
        self.library = library_of(spec.name)
        self.action_repeat = action_repeat
        self._arrays = arrays
        self._size = len(arrays.obs)
        self._all = list(range(self._size))
        self._scale, self._middle = _affine(*bounds)  # [A] float64
        self._unit = bool((self._scale == 1.0).all() and not self._middle.any())  # most tasks: nothing to rescale
        self._magnitude = np.zeros((self._size, spec.act_dim), np.float32)  # [S, A]: |action|
        self._started: list[int] | None = None  # the environments that `finish` waits for

    def __len__(self) -> int:
        return self._size

    def reset(self, which: Which = None) -> np.ndarray:
        """Begin an episode in the environments of `which` (all by default).

        Returns the current observations [S, O] float32: those of `which` fresh, the others as they were.
        """
        self._check_idle("reset")
        self._reset(self._numbers(which))
        return self._arrays.obs.copy()

    def step(self, actions: np.ndarray, which: Which = None) -> StepResult:
        """`start` and `finish` at once."""
        self.start(actions, which)
        return self.finish()

    def start(self, actions: np.ndarray, which: Which = None) -> None:
        """Begin an env step: actions [S, A] float32 in [-1, 1], copied, and rescaled to the task's bounds.

        They are applied `action_repeat` times. Environments outside `which` (all by default) stay as they are: their
        actions do not matter, their reward is 0, their flags are False and their success is -1.
        Raises EnvError for an action outside [-1, 1] or not finite, or when a step is under way.
        """
        self._check_idle("start")
        chosen = self._numbers(which)
        self._rescale(actions, chosen)
        if len(chosen) < self._size:
            for array in (self._arrays.reward, self._arrays.terminated, self._arrays.truncated):
                array[:] = 0
            self._arrays.success[:] = NO_NOTION
        self._begin_step(chosen)
        self._started = chosen

    def finish(self) -> StepResult:
        """The end of the env step that `start` began.

        Raises EnvError when none was, when an episode was over before it, or when the physics diverged.
        """
        chosen, self._started = self._started, None
        if chosen is None:
            raise EnvError(f"{self.spec.name}: finish without start")
        self._end_step(chosen)
        got = self._arrays
        flags = got.terminated.copy(), got.truncated.copy(), got.success.copy()
        return StepResult(got.obs.copy(), got.reward.copy(), *flags)

    def save(self) -> State:
        """Everything for a bit-exact continuation on the same machine and versions: plain arrays, "0.physics" ...

        Raises EnvError where the library's environments cannot be saved.
        """
        self._check_idle("save")
        if not self.library.resumable:
            raise EnvError(f"{self.spec.name}: tasks of {self.library.prefix} cannot be saved or resumed")
        header = json.dumps(self._header()).encode()
        return {"header": np.array(list(header), np.uint8)} | self._save()

    def restore(self, state: State) -> np.ndarray:
        """Continue from what `save` returned, here or in another process; what ran before is forgotten.

        It does not matter whether worker processes stepped there or step here. Returns the current observations
        [S, O] float32. Raises EnvError when the state is of another task, another action repeat, another number of
        seeds or another version of the simulator.
        """
        self._check_idle("restore")
        try:
            saved, own = json.loads(bytes(state["header"])), self._header()
            for key, value in own.items():
                if saved[key] != value:
                    raise EnvError(f"saved environment state does not fit: {key} {saved[key]} there, {value} here")
        except (KeyError, ValueError) as error:
            raise EnvError(f"{self.spec.name}: not a saved environment state: {error}") from error
        self._restore(state)
        return self._arrays.obs.copy()

    def reseed(self, seeds: Sequence[Seed]) -> None:
        """Give every environment a new random stream, as if built with it; every one must then be reset."""
        self._check_idle("reseed")
        if len(seeds) != self._size:
            raise EnvError(f"{self.spec.name}: {len(seeds)} seeds for {self._size} environments")
        self._reseed(seeds)

    @abstractmethod
    def close(self) -> None:
        """Free the physics, and end the worker processes if there are any. Nothing can be called afterwards."""

    # What differs between stepping here and elsewhere.
    _reset: Callable[[list[int]], None]
    _begin_step: Callable[[list[int]], None]
    _end_step: Callable[[list[int]], None]
    _save: Callable[[], State]
    _restore: Callable[[State], None]
    _reseed: Callable[[Sequence[Seed]], None]

    def _check_idle(self, what: str) -> None:
        if self._started is not None:
            raise EnvError(f"{self.spec.name}: {what} while a step is under way: finish it first")

    def _numbers(self, which: Which) -> list[int]:
        if which is None:
            return self._all
        numbers = sorted({int(i) for i in which})
        if numbers and not 0 <= numbers[0] <= numbers[-1] < self._size:
            wrong = numbers[0] if numbers[0] < 0 else numbers[-1]
            raise EnvError(f"{self.spec.name}: no environment {wrong} among {self._size}")
        return numbers

    def _rescale(self, actions: np.ndarray, chosen: list[int]) -> None:
        """Write the controls [S, A] float64 within the task's bounds."""
        if actions.shape != self._magnitude.shape:
            raise EnvError(f"{self.spec.name}: actions have shape {actions.shape}, expected {self._magnitude.shape}")
        magnitude = np.absolute(actions, out=self._magnitude)
        if len(chosen) < self._size:
            magnitude = magnitude[chosen]
        magnitude = magnitude.reshape(-1)
        peak = magnitude[magnitude.argmax()] if chosen else 0.0  # NaN if there is one; twice as fast as max() here
        if not peak <= 1.0:
            if not peak <= 1.0 + _ROUNDING:
                raise EnvError(f"{self.spec.name}: action {peak} is outside [-1, 1]")
            actions = np.clip(actions, -1.0, 1.0)
        controls = self._arrays.controls
        controls[...] = actions
        if not self._unit:
            controls *= self._scale
            controls += self._middle

    def _header(self) -> dict[str, str | int]:
        header: dict[str, str | int] = {"task": self.spec.name, "action_repeat": self.action_repeat}
        return header | {"seeds": self._size} | {package: _version(package) for package in self.library.packages[:1]}


class SerialVectorEnv(VectorEnv):
    """Stepped in this process.

    The physics runs in `finish`: nothing is gained by doing it earlier, and errors come from the same call as when
    other processes step.
    """

    def __init__(self, spec: TaskSpec, envs: Sequence[Environment], action_repeat: int = 1) -> None:
        arrays = Arrays.over(bytearray(layout(spec, len(envs)).itemsize), spec, len(envs))
        super().__init__(spec, arrays, (envs[0].low, envs[0].high), action_repeat)
        self._share = share = Share(spec.name, envs, action_repeat, arrays)
        self.environments = share.envs
        self._reset, self._end_step = share.reset, share.step
        self._save, self._restore, self._reseed = share.save, share.restore, share.reseed

    def close(self) -> None:
        self._share.close()

    def _begin_step(self, which: list[int]) -> None:
        pass


def _affine(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and middle that take [-1, 1] to [low, high] and, once rounded, never an ulp beyond it."""
    scale, middle = (high - low) / 2, (high + low) / 2
    while (beyond := (middle + scale > high) | (middle - scale < low)).any():
        scale = np.where(beyond, np.nextafter(scale, 0.0), scale)
    return scale, middle


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
