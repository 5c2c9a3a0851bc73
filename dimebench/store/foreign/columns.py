"""Which column of a table is the step, the score, the seed, ...: by its usual names, or as the caller says.

Where several could be it, and they differ, the table is refused with the option that chooses: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from dimebench.errors import nearest, shorten
from dimebench.store.errors import StoreError
from dimebench.store.foreign.tables import Table

ENV_STEPS, FRAMES = "env steps", "frames"

# Other tools' names of columns, as `plain` writes them. A name with slashes counts by its last part too.
STEPS = (
    *("env_step", "env_steps", "step", "steps", "timestep", "timesteps", "time_step", "time_steps"),
    *("global_step", "global_steps", "total_steps", "total_timesteps", "num_timesteps", "environment_steps"),
    *("env_interacts", "interactions"),
)
FRAME_STEPS = ("frame", "frames", "num_frames", "total_frames", "env_frames", "global_frame", "simulator_steps")
RETURNS = (
    *("score", "return", "returns", "mean_return", "return_mean", "avg_return", "average_return", "eval_return"),
    *("episode_return", "episodic_return", "reward", "rewards", "mean_reward", "eval_reward", "episode_reward"),
    *("ep_rew_mean",),
)
ALIASES: dict[str, tuple[str, ...]] = {
    "algorithm": ("variant", "algorithm", "algo", "method", "agent", "exp_name"),
    "task": ("task", "env", "env_id", "env_name", "environment"),
    "seed": (
        *("seed", "random_seed", "rng_seed", "seed_id", "seed_idx", "run", "run_id", "run_idx", "trial", "replicate"),
        *("repetition",),
    ),
    "step": (*STEPS, *FRAME_STEPS),
    "score": RETURNS,
    "success": ("success", "success_rate", "is_success", "avg_success", "mean_success"),
    "length": ("length", "episode_length", "ep_length", "ep_lengths", "ep_len"),
    "episode": ("episode",),
    "diverged": ("diverged",),
    "source": ("source_repo", "source"),
    "licence": ("licence", "license"),
    "family": ("env_suite", "family"),
}
OPTIONS = {  # that name the column
    "algorithm": "--algorithm-column",
    "task": "--task-column",
    "seed": "--seed-column",
    "step": "--step",
    "score": "--score",
    "success": "--success",
    "episode": "--episode-column",
}
REQUIRED = ("step", "score")


def plain(name: str) -> str:
    """A column's name as the lists above write it: "Global Step" is global_step."""
    return re.sub(r"[\s.-]+", "_", name.strip().lower())


def candidates(names: Sequence[str], key: str) -> list[str]:
    """The columns that could be `key`, in the order of its usual names."""
    found = []
    for alias in ALIASES[key]:
        found += [name for name in names if plain(name) == alias]
        found += [name for name in names if "/" in name and plain(name).rpartition("/")[2] == alias]
    return list(dict.fromkeys(found))


def choose(table: Table, given: dict[str, str]) -> dict[str, str]:
    """The column of each key of ALIASES that the table has.

    given: columns by key, as the caller names them. Raises StoreError for one that is not there, for a step or score
    that no column is, and where several differing columns could be the same.
    """
    names = list(table.columns)
    taken: dict[str, str] = {}
    for key in ALIASES:
        if wanted := given.get(key):
            taken[key] = named(names, wanted, OPTIONS[key])
            continue
        found = candidates(names, key)
        if not found and key in REQUIRED:
            raise StoreError(
                f"no column for the {key}{nearest(key, names)}: name it with {OPTIONS[key]} COLUMN, "
                f"or call it one of {', '.join(ALIASES[key][:6])}"
            )
        if key in ("algorithm", "task", "seed", "step", "score") and not _alike(table, key, found, taken):
            listed = ", ".join(f"'{shorten(name)}'" for name in found)
            raise StoreError(f"several columns could be the {key} ({listed}): choose with {OPTIONS[key]} COLUMN")
        if key == "success" and len(found) > 1:
            continue  # no verdict rests on it
        if found:
            taken[key] = found[0]
    return taken


def named(names: Sequence[str], wanted: str, option: str) -> str:
    """The column that the caller names, ignoring case where only one fits. Raises StoreError."""
    if wanted in names:
        return wanted
    alike = [name for name in names if plain(name) == plain(wanted)]
    if len(alike) == 1:
        return alike[0]
    raise StoreError(f"{option} {shorten(wanted)}: no such column{nearest(wanted, names)}")


def unit_of(column: str) -> str:
    """What a step column counts, by its name."""
    words = re.split(r"[_/]", plain(column))
    simulator = {"simulator", "sim"} & set(words)
    return FRAMES if simulator or {"frame", "frames"} & set(words) else ENV_STEPS


def _alike(table: Table, key: str, found: Sequence[str], taken: dict[str, str]) -> bool:
    """Whether the candidates say the same, so that it does not matter which is taken."""
    if len(found) < 2:
        return True
    if key in REQUIRED:
        first = table.numbers(found[0])
        same_unit = key == "score" or len({unit_of(name) for name in found}) == 1
        return same_unit and all(np.array_equal(first, table.numbers(name), equal_nan=True) for name in found[1:])
    within = [table.texts(taken[each]).tolist() for each in ("algorithm", "task") if each in taken and key == "seed"]
    each = [table.texts(name).tolist() for name in found]
    together = len(set(zip(*within, *each, strict=True)))
    return all(len(set(zip(*within, column, strict=True))) == together for column in each)
