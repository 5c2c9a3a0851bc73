"""May a block write where it wants to? Only where the runs there come from the same settings, code and physics.

Other code alone can be allowed: `run --allow code` says so in the runs on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from dimebench.config.identity import differences, identity_hash
from dimebench.envs import physics_fingerprint
from dimebench.errors import NOT_COMPARABLE, DimebenchError
from dimebench.numbers import differ
from dimebench.planning.code.closure import code_of
from dimebench.store import Run, StoreError, read_run, write_run
from dimebench.store.claims import Watch
from dimebench.store.provenance import differing_functions, keep_code, read_code, with_allowed
from dimebench.training.block import Block


class Records(Protocol):
    """What a block's records offer here (`training.record`, which needs torch)."""

    def allow_code(self, codes: Sequence[str]) -> None: ...
    def note(self, text: str) -> None: ...


class IdentityConflictError(DimebenchError):
    """The place holds a run whose numbers come from something else; one line that names what differs."""

    exit_code = NOT_COMPARABLE


def check_run(run: Run, of: dict[str, Any], results: Path, text: str | None = None, allow_code: bool = False) -> None:
    """Raises IdentityConflictError where the run's identity differs from `of` in a key that `of` has.

    `text`: identity_text(of), where many runs are checked against it. `allow_code`: the code may differ.
    """
    there = {key: value for key, value in run.identity.get("of", {}).items() if key in of}
    if isinstance(versions := there.get("versions"), dict):  # runs of before hold those of all libraries
        there["versions"] = {name: text for name, text in versions.items() if name in of["versions"]}
    if identity_text(there) == (text or identity_text(of)):  # nearly always, and far quicker than key by key
        return
    code = there.get("code", "")
    differing = differences(there | {"code": of["code"]}, of)
    if differing:
        differing += differences({"code": code}, {"code": of["code"]})
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise IdentityConflictError(
            f"{run.path} holds a run of another identity: {'; '.join(differing[:3])}{more}. "
            "Nothing was changed; use another --results folder, or move that run away"
        )
    if code != of["code"] and not allow_code:
        how = code_difference(results, str(code), of) or f"{code} there, {of['code']} here"
        raise IdentityConflictError(
            f"{run.path} holds a run of other code: {how}. Nothing was changed; run --allow code trains what is "
            "missing with today's code, recorded in the runs on both sides and shown in every report"
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
            check_run(run, of, results, allow_code=block.allow_code)
    return {"sha256": identity_hash(of), "of": of}


def keep_codes(blocks: Iterable[Block], results: Path) -> None:
    """Store which definitions the blocks' code consists of, as far as the disk allows."""
    for algorithm, task, chain, code in {(each.algorithm, each.task, each.chain, each.code) for each in blocks}:
        own = code_of(algorithm, task, chain)
        if own.digest == code:
            with suppress(OSError):  # a full disk: the runs say so themselves
                keep_code(results, code, own.definitions)


def code_difference(results: Path, there: str, of: dict[str, Any]) -> str:
    """Which functions of the code `there` differ from an identity's: "a, b, c and 2 more differ"; "" if not known."""
    own = code_of(of["algorithm"], of["task"], of["execution"].get("chain", "plain"))
    here = own.definitions if own.digest == of["code"] else read_code(results, of["code"])
    return differ(differing_functions(read_code(results, there), here))


def other_codes(block: Block, results: Path) -> dict[int, str]:
    """The seeds of the block's cell whose runs come from other code, and that code; none unless it is allowed."""
    found: dict[int, str] = {}
    for folder in block.run_folder(results, 0).parent.glob("seed-*") if block.allow_code else ():
        with suppress(StoreError):
            run = read_run(folder)
            if run is not None and (code := str(run.identity["of"].get("code", ""))) != block.code:
                found[run.seed] = code
    return found


def record_other_codes(block: Block, results: Path, others: dict[int, str], records: Records, env_step: int) -> None:
    """Write down, in the block's runs and in those beside them that are done, that both kinds of code are there.

    `others`: as `other_codes` found them before the block began; `env_step`: where it goes on from.
    """
    if not others:
        return
    records.allow_code(list(others.values()))
    for code in sorted({code for seed, code in others.items() if seed in block.seeds} if env_step else ()):
        how = code_difference(results, code, block.identity())
        records.note(f"other code from env step {env_step:,} on ({code} before{f'; {how}' if how else ''})")
    for seed in others.keys() - set(block.seeds):
        with suppress(OSError, StoreError):
            _allow_beside(block.run_folder(results, seed), block.code)


def _allow_beside(folder: Path, code: str) -> None:
    """Note in a run that is done, and that nobody trains, that runs of that code lie beside it."""
    run = read_run(folder)
    if run is None or not run.done or with_allowed(run.provenance, [code]) == run.provenance:
        return
    claim = Watch().acquire(folder)
    if claim is None:
        return
    try:
        run = read_run(folder)  # again: nobody changes it now
        if run is not None and run.done:
            write_run(replace(run, provenance=with_allowed(run.provenance, [code])))
    finally:
        claim.release(finished=True)
