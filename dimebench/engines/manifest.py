"""Job manifests: how a plan goes to other machines, and how they answer. All that travels is a path and a number.

    results/.launch/<id>/order.json         the blocks, each with the resources requested for it
                         began-<i>.json     who took up block i, on which attempt, and how far it was then
                         ended-<i>.json     how that ended; removed when the block is taken up again

The folder lies below the results, which every machine sees. Another machine calls `remote.train_block`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimebench.engines import FOLDER
from dimebench.engines.events import PoolSettings
from dimebench.store import StoreError, atomic_write, read_run
from dimebench.training.block import Block

if TYPE_CHECKING:  # the plan needs the learners, which `status` does without
    from dimebench.planning.cells import Plan

SCHEMA_VERSION = 1
MANIFEST_FILE = "order.json"  # the name that earlier versions gave it: their jobs may still be in a queue
HERE = ("workers", "gpus", "per_gpu")  # settings that concern the machine which writes the manifest


class ManifestError(StoreError):
    """A job manifest that cannot be read; one line that names the file."""


@dataclass(frozen=True)
class JobManifest:
    """Blocks that other machines are to train, as listed in a folder."""

    folder: Path
    engine: str  # who carries it out: slurm, ray
    suite: str
    blocks: tuple[Block, ...]
    resources: tuple[dict[str, Any], ...]  # of each block, as config.resources has them
    pool: dict[str, Any]  # the settings of the pool that trains a block, as plain values

    @property
    def settings(self) -> PoolSettings:
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
        """A new manifest of all blocks of the plan; `resources`: what a block of a task requests, as plain values."""
        results = plan.results.absolute()
        folder = results / FOLDER / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        about = {"schema": SCHEMA_VERSION, "engine": engine, "suite": plan.suite, "results": str(results)}
        pool = {key: value for key, value in asdict(settings).items() if key not in HERE}
        blocks = [block for _, block in plan.blocks()]
        jobs = [{"block": block.to_json(), "resources": dict(resources(block.task))} for block in blocks]
        atomic_write(folder / MANIFEST_FILE, json.dumps({**about, "settings": pool, "jobs": jobs}).encode())
        return cls.read(folder)

    @classmethod
    def read(cls, folder: Path) -> JobManifest:
        """Raises ManifestError for a folder that holds no manifest of this schema."""
        file = folder / MANIFEST_FILE
        content = read_json(file)
        if content is None:
            raise ManifestError(f"{file}: there is no such job manifest")
        if content.get("schema") != SCHEMA_VERSION:
            raise ManifestError(f"{file}: not a job manifest of schema {SCHEMA_VERSION}")
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
            raise ManifestError(f"{file}: not a job manifest ({type(error).__name__}: {error})") from error

    def began(self, index: int) -> dict[str, Any] | None:
        """By whom and when it was taken up: host, attempt (from 1), at, env_step (of each seed, then), and idle (how
        many attempts in a row before this one ended where they began)."""
        return read_json(self.folder / f"began-{index}.json")

    def ended(self, index: int) -> dict[str, Any] | None:
        """What `train_block` returned; None before it has ended, or since it was taken up again."""
        return read_json(self.folder / f"ended-{index}.json")

    def note(self, kind: str, index: int, facts: Mapping[str, Any]) -> None:
        """Write down that block `index` "began" or "ended"."""
        atomic_write(self.folder / f"{kind}-{index}.json", json.dumps(dict(facts)).encode())

    def env_steps(self, index: int) -> list[int]:
        """How far each seed of a block is, by its run.json; 0 where there is none."""
        block = self.blocks[index]
        return [_reached(block.run_folder(self.results, seed)) for seed in block.seeds]


@dataclass(frozen=True)
class JobStatus:
    """The status of a block's job.

    state: pending, requeued, held, running, ending or another of the engine's own while it is `queued`; afterwards
    finished, failed, refused, interrupted, cancelled, or lost where the job left without a word.
    """

    manifest: JobManifest
    index: int
    job: str
    state: str
    node: str = ""
    reason: str = ""
    queued: bool = False

    @property
    def block(self) -> Block:
        return self.manifest.blocks[self.index]

    def to_json(self) -> dict[str, Any]:
        return {"id": self.job, "state": self.state, "node": self.node or None, "reason": self.reason or None}


def read_manifests(results: Path, engine: str | None = None) -> list[JobManifest]:
    """The manifests below a results folder, the oldest first. Raises ManifestError for a broken one."""
    files = sorted((results.absolute() / FOLDER).glob(f"*/{MANIFEST_FILE}"))
    found = [JobManifest.read(file.parent) for file in files]
    return [manifest for manifest in found if engine in (None, manifest.engine)]


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


def _reached(folder: Path) -> int:
    try:
        run = read_run(folder)
    except StoreError:  # the process that trains it reports that
        return 0
    return 0 if run is None else run.progress["env_step"]
