"""May a block write where it wants to? Only where the runs there come from the same settings, code and physics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dimebench.config.identity import differences, identity_hash
from dimebench.envs import physics_fingerprint
from dimebench.errors import NOT_COMPARABLE, DimebenchError
from dimebench.store import Run, read_run
from dimebench.training.block import Block


class IdentityConflictError(DimebenchError):
    """The place holds a run whose numbers come from something else; one line that names what differs."""

    exit_code = NOT_COMPARABLE


def check_run(run: Run, of: dict[str, Any], text: str | None = None) -> None:
    """Raises IdentityConflictError where the run's identity differs from `of` in a key that `of` has.

    `text`: identity_text(of), from whoever checks many runs against it.
    """
    there = {key: value for key, value in run.identity.get("of", {}).items() if key in of}
    if identity_text(there) == (text or identity_text(of)):  # nearly always, and far quicker than key by key
        return
    differing = differences(there, of)
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise IdentityConflictError(
            f"{run.path} holds a run of another identity: {'; '.join(differing[:3])}{more}. "
            "Nothing was changed; use another --results folder, or move that run away"
        )


def identity_text(of: dict[str, Any]) -> str:
    """Equal for equal identities."""
    return json.dumps(of, sort_keys=True)


def block_identity(block: Block, results: Path) -> dict[str, Any]:
    """The identity that the block's runs carry, physics included, once it is known to fit what is on disk.

    Raises IdentityConflictError, or EnvError where the task does not load.
    """
    of = block.identity() | {"physics": physics_fingerprint(block.task)}
    for seed in block.seeds:
        run = read_run(block.run_folder(results, seed))
        if run is not None:
            check_run(run, of)
    return {"sha256": identity_hash(of), "of": of}
