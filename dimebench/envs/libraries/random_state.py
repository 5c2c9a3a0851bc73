"""Random streams: from a seed to the generators that dm_control and Gymnasium use, and to arrays and back."""

from __future__ import annotations

import operator

import numpy as np

from dimebench.envs.environment import Seed
from dimebench.envs.spec import EnvError

_WORD = 1 << 64


def random_state(seed: Seed) -> np.random.RandomState:
    """dm_control's kind of generator. An int gives the stream of `suite.load(task_kwargs={"random": seed})`."""
    if isinstance(seed, np.random.SeedSequence):
        return np.random.RandomState(np.random.MT19937(seed))
    try:
        return np.random.RandomState(operator.index(seed))  # never None: that is the clock
    except ValueError as error:
        raise EnvError(f"seed {seed}: must be between 0 and 2**32 - 1") from error


def integer_seed(seed: Seed) -> int:
    """Gymnasium's kind of seed. An int stays as it is; a SeedSequence gives 128 of its bits."""
    if isinstance(seed, np.random.SeedSequence):
        return sum(int(word) << (32 * i) for i, word in enumerate(seed.generate_state(4, np.uint32)))
    if seed < 0:
        raise EnvError(f"seed {seed}: must not be negative")
    return operator.index(seed)


def pack_random_state(random: np.random.RandomState) -> np.ndarray:
    """uint32 [628]: MT19937's 624 words, its position, and the Gaussian that it may hold back (flag, 2 words)."""
    _, key, position, has_gauss, gauss = random.get_state(legacy=True)
    held = np.array([gauss], np.float64).view(np.uint32)
    return np.concatenate([key, np.array([position, has_gauss], np.uint32), held])


def unpack_random_state(random: np.random.RandomState, packed: np.ndarray) -> None:
    """Put `random` where it was when packed. The object stays the same: tasks hold a reference to it."""
    gauss = float(np.ascontiguousarray(packed[626:628]).view(np.float64)[0])
    random.set_state(("MT19937", packed[:624], int(packed[624]), int(packed[625]), gauss))


def pack_generator(generator: np.random.Generator) -> np.ndarray:
    """uint64 [6]: PCG64's state and increment (low word first), and the half word that it may hold back."""
    state = generator.bit_generator.state
    words = [
        word
        for number in (state["state"]["state"], state["state"]["inc"])
        for word in reversed(divmod(number, _WORD))
    ]
    return np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64)


def unpack_generator(packed: np.ndarray) -> np.random.Generator:
    """A generator that stands where the packed one stood."""
    low, high, inc_low, inc_high, has_uint32, uinteger = (int(word) for word in packed)
    bits = np.random.PCG64()
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": high * _WORD + low, "inc": inc_high * _WORD + inc_low},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
    return np.random.Generator(bits)
