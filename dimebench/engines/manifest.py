"""Orders: how a plan goes to other machines, and how they answer. Nothing travels but a folder's path and a number.

    results/.launch/<id>/order.json         the blocks, each with the resources that were asked for it
                         began-<i>.json     who took block i up, for the how manieth time, and how far it was then
                         ended-<i>.json     how that ended; it goes when the block is taken up again

The folder lies below the results, which every machine sees; `train_block` is what another machine calls.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimebench.errors import DimebenchError
from dimebench.store import StoreError, atomic_write, read_run
from dimebench.training.block import Block

if TYPE_CHECKING:  # whoever only looks at orders needs no learner
    from dimebench.engines.local.pool import PoolSettings
    from dimebench.planning.cells import Plan

SCHEMA_VERSION = 1
FOLDER = ".launch"  # below the results; whoever reads runs passes it by
ORDER_FILE = "order.json"
HERE = ("workers", "gpus", "per_gpu")  # settings of a pool that concern the machine which orders


class ManifestError(StoreError):
    """An order that cannot be read; one line that names the file."""


class EngineError(DimebenchError):
    """An engine that is missing here, or that refuses; one line, with its own words."""


@dataclass(frozen=True)
class JobManifest:
    """Blocks that other machines are to train, as they stand in an order's folder."""

    folder: Path
    engine: str  # who carries it out: slurm, ray
    suite: str
    blocks: tuple[Block, ...]
    resources: tuple[dict[str, Any], ...]  # of each block, as config.resources has them
    pool: dict[str, Any]  # the settings of the pool that trains a block, as plain values

    @property
    def settings(self) -> PoolSettings:
        from dimebench.engines.local.pool import PoolSettings

        known = {each.name for each in fields(PoolSettings)}
        return PoolSettings(**{key: value for key, value in self.pool.items() if key in known})

    @property
    def results(self) -> Path:
        """The results folder as this machine sees it."""
        return self.folder.parents[1]

    @property
    def id(self) -> str:
        return self.folder.name

    @classmethod
    def write(
        cls,
        plan: Plan,
        settings: PoolSettings,
        engine: str,
        resources: Callable[[str], Mapping[str, Any]] = lambda task: {},
    ) -> JobManifest:
        """A new order for all blocks of the plan; `resources`: what a block of a task asks for, as plain values."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        blocks = tuple(block for _, block in plan.blocks())
        order = cls(
            folder=plan.results.absolute() / FOLDER / name,
            engine=engine,
            suite=plan.suite,
            blocks=blocks,
            resources=tuple(dict(resources(block.task)) for block in blocks),
            pool={key: value for key, value in asdict(settings).items() if key not in HERE},
        )
        jobs = [
            {"block": block.to_json(), "resources": asked}
            for block, asked in zip(order.blocks, order.resources, strict=True)
        ]
        content = {
            "schema": SCHEMA_VERSION,
            "engine": engine,
            "suite": plan.suite,
            "results": str(order.results),
            "settings": order.pool,
            "jobs": jobs,
        }
        atomic_write(order.folder / ORDER_FILE, json.dumps(content).encode())
        return order

    @classmethod
    def read(cls, folder: Path) -> JobManifest:
        """Raises ManifestError for a folder that holds no order of this schema."""
        content = read_json(folder / ORDER_FILE)
        if content is None:
            raise ManifestError(f"{folder / ORDER_FILE}: there is no such order")
        if content.get("schema") != SCHEMA_VERSION:
            raise ManifestError(f"{folder / ORDER_FILE}: not an order of schema {SCHEMA_VERSION}")
        try:
            return cls(
                folder=folder,
                engine=content["engine"],
                suite=content["suite"],
                blocks=tuple(Block.from_json(job["block"]) for job in content["jobs"]),
                resources=tuple(dict(job["resources"]) for job in content["jobs"]),
                pool=dict(content["settings"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ManifestError(f"{folder / ORDER_FILE}: not an order ({type(error).__name__}: {error})") from error

    def began(self, index: int) -> dict[str, Any] | None:
        """By whom and when it was taken up: host, attempt (from 1), at, env_step (of each seed, then), and idle (how
        many attempts in a row before this one ended where they began)."""
        return read_json(self.folder / f"began-{index}.json")

    def ended(self, index: int) -> dict[str, Any] | None:
        """What `train_block` returned; None while nobody has ended, or since it was taken up again."""
        return read_json(self.folder / f"ended-{index}.json")

    def note(self, kind: str, index: int, facts: Mapping[str, Any]) -> None:
        """Write down that block `index` "began" or "ended"."""
        atomic_write(self.folder / f"{kind}-{index}.json", json.dumps(dict(facts)).encode())

    def env_steps(self, index: int) -> list[int]:
        """How far each seed of a block is, by its run.json; 0 where there is none."""
        block = self.blocks[index]
        return [_reached(block.run_folder(self.results, seed)) for seed in block.seeds]


def _reached(folder: Path) -> int:
    try:
        run = read_run(folder)
    except StoreError:  # whoever trains it says so
        return 0
    return 0 if run is None else run.progress["env_step"]


def read_orders(results: Path, engine: str | None = None) -> list[JobManifest]:
    """The orders below a results folder, the oldest first. Raises ManifestError for a broken one."""
    found = [JobManifest.read(file.parent) for file in sorted((results.absolute() / FOLDER).glob(f"*/{ORDER_FILE}"))]
    return [order for order in found if engine in (None, order.engine)]


def read_json(file: Path) -> dict[str, Any] | None:
    """A file that `atomic_write` made; None where there is none. Raises ManifestError."""
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ManifestError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{file}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ManifestError(f"{file}: not a mapping")
    return content
