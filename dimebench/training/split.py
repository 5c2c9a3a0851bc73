"""A block's seeds go on as several blocks: each part takes its share of the newest checkpoint with it.

The seeds of a block never touch each other's numbers, so a share is picked along the seed axis: of the learner's
tensors where its class says so (`Agent.has_seed_axis`), of the replay and of the facts that are lists by seed; random
streams and environments by name.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from dimebench.agents.registry import load_algorithm
from dimebench.store import read_run, write_run
from dimebench.training.block import Block
from dimebench.training.checkpoint import CheckpointError, Checkpoints
from dimebench.training.record import pick_facts, with_event


def split_block(block: Block, results: Path, parts: Sequence[tuple[int, ...]], reason: str) -> list[Block]:
    """Blocks of the given seeds, together those of `block`, in its place; `reason` is noted in their runs.

    A kill in between leaves the old block, or runs that begin anew: the old checkpoints go when the new are whole.
    """
    made = [replace(block, seeds=part) for part in parts]
    old = Checkpoints(block.checkpoint_folder(results))
    checkpoint = old.load()
    if checkpoint is not None:
        for part in made:
            which = [block.seeds.index(seed) for seed in part.seeds]
            diverged = [checkpoint.facts["diverged"][place] for place in which]
            new = Checkpoints(part.checkpoint_folder(results))
            new.remove()
            new.copy(
                checkpoint.facts | {"diverged": diverged, "records": pick_facts(checkpoint.facts["records"], which)},
                pick_state(block, checkpoint.state, which),
                checkpoint.chunks,
                lambda chunk, which=which: pick_chunk(chunk, which),  # type: ignore[misc]
            )
    shutil.rmtree(old.folder, ignore_errors=True)
    for part in made:
        for seed in part.seeds:
            run = read_run(part.run_folder(results, seed))
            if run is not None:
                facts = with_event(run.provenance, f"{reason}; goes on with {len(part.seeds)} of the seeds")
                write_run(replace(run, block=part.name, provenance=facts | {"seeds_together": list(part.seeds)}))
    return made


def pick_state(block: Block, state: Mapping[str, Tensor], which: Sequence[int]) -> dict[str, Tensor]:
    """The share of the seeds at places `which`, of a checkpoint's state of the block.

    Raises CheckpointError for a tensor of the learner that should have a seed axis and has none.
    """
    picked: dict[str, Tensor] = {}
    for name, value in state.items():
        room, _, rest = name.partition(".")
        if room == "agent":
            _pick_learner(picked, rest, value, which, block)
        elif room == "env":
            _pick_environment(picked, rest, value, which)
        else:  # streams.<purpose>.<place>
            head, _, place = name.rpartition(".")
            if place == "taken":  # calls taken of a noise buffer, by all seeds alike
                picked[name] = value
            elif int(place) in which:
                picked[f"{head}.{which.index(int(place))}"] = value
    return picked


def pick_chunk(chunk: Mapping[str, Tensor], which: Sequence[int]) -> dict[str, Tensor]:
    """The share of a replay chunk [S, n, ...]; `next_obs` holds a row for every episode's end, seed after seed."""
    ended = chunk["ended"]
    owner = ended.nonzero()[:, 0]
    ends = torch.cat([chunk["next_obs"][owner == place] for place in which])
    rows = {name: value[list(which)].contiguous() for name, value in chunk.items() if name != "next_obs"}
    return rows | {"next_obs": ends.contiguous()}


def _pick_environment(picked: dict[str, Tensor], rest: str, value: Tensor, which: Sequence[int]) -> None:
    place, _, key = rest.partition(".")
    if place == "header":
        header = json.loads(bytes(value.tolist())) | {"seeds": len(which)}
        picked["env.header"] = torch.tensor(list(json.dumps(header).encode()), dtype=torch.uint8)
    elif int(place) in which:
        picked[f"env.{which.index(int(place))}.{key}"] = value


def _pick_learner(picked: dict[str, Tensor], key: str, value: Tensor, which: Sequence[int], block: Block) -> None:
    """Of one learner of all seeds its rows; of unstacked ones (agent.<place>.<key>) those of `which`."""
    if block.unstacked:
        place, _, key = key.partition(".")
        if int(place) in which:
            new = f"{which.index(int(place))}." if len(which) > 1 else ""  # one seed is a learner by itself
            picked[f"agent.{new}{key}"] = value
    elif not load_algorithm(block.algorithm).has_seed_axis(key, value):
        picked[f"agent.{key}"] = value
    elif value.shape[0] != len(block.seeds):
        raise CheckpointError(f"{block.algorithm}: '{key}' has no seed axis, and `shared_state` does not name it")
    else:
        picked[f"agent.{key}"] = value[list(which)].contiguous()
