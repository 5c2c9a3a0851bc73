"""A block's training state on disk: numbered folders that appear whole, replay in append-only chunks.

    checkpoints/<block>/000007/manifest.json      small facts, checksums, replay chunks; its own checksum
                               state.safetensors  learner, optimisers, generators, environments
    checkpoints/<block>/replay/000000000-000012000.safetensors

A checkpoint is written to a temporary folder and renamed into place; only then is the one before removed. One whose
checksums do not hold is named in `problems` and passed over for the one before.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import OutOfMemoryError, Tensor

from dimebench.errors import DimebenchError, one_line
from dimebench.store.atomic import atomic_write, make_folder, sync_folder, write_file

CHECKPOINT_VERSION = 2
KEPT = 2  # the newest, and the one before in case its files turn out to be torn
CHUNK_ROWS = 50_000  # transitions in one file at most: what is in memory twice while it is written
SMALL_CHUNKS = 64  # smaller files at the end at most; then they are written again as one
LARGEST_MANIFEST = 16_000_000  # bytes

MANIFEST, STATE = "manifest.json", "state.safetensors"
_CHUNK_NAME = re.compile(r"[0-9]{9,18}-[0-9]{9,18}\.safetensors")
_NUMBER = re.compile(r"[0-9]{6,12}")


Facts = dict[str, Any]  # as JSON
Tensors = dict[str, Tensor]


class CheckpointError(DimebenchError):
    """A checkpoint that cannot be used; one line that names it."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found whole: every checksum held."""

    facts: Facts
    state: Tensors
    chunks: Chunks  # of replay: number of the first transition, the transitions


@dataclass(frozen=True)
class Chunks(Sequence[tuple[int, Tensors]]):
    """Replay chunks, each read when it is asked for: replay and all of its chunks need not fit in memory."""

    folder: Path
    entries: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Chunks(self.folder, self.entries[index])
        entry = self.entries[index]
        return entry["first"], load(_read_checked(self.folder / entry["file"], entry["sha256"]))


class Checkpoints:
    """The checkpoints of one block. `problems` says, a line each, what `load` had to pass over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []
        self._torn: list[tuple[str, str]] = []  # folders that `load` passed over, and why
        self._next = int(self._numbered()[-1].name) + 1 if self._numbered() else 0
        self._chunks: list[dict[str, Any]] = []  # of the newest checkpoint: file, first, last, sha256

    def save(self, facts: Facts, state: Tensors, added: int, kept: int, chunk: Callable[[int, int], Tensors]) -> None:
        """Write a checkpoint. `chunk(a, b)` gives transitions a to b - 1; of `added` the last `kept` still count.

        Raises OSError (a full disk, say) with the checkpoint before intact.
        """
        stay, spans = _spans(self._chunks, added, kept)
        self._commit(facts, state, stay, ((first, last, chunk(first, last)) for first, last in spans))

    def copy(self, facts: Facts, state: Tensors, chunks: Chunks, change: Callable[[Tensors], Tensors]) -> None:
        """Write a checkpoint whose replay is that of another block's, each chunk changed on the way."""
        spans = zip(chunks.entries, chunks, strict=True)
        self._commit(facts, state, [], ((e["first"], e["last"], change(chunk)) for e, (_, chunk) in spans))

    def _commit(
        self, facts: Facts, state: Tensors, stay: list[Facts], more: Iterable[tuple[int, int, Tensors]]
    ) -> None:
        """A checkpoint of chunks that are on disk already, and (first, last, transitions) more."""
        final = self.folder / f"{self._next:06d}"
        temporary = self.folder / f".{final.name}.{secrets.token_hex(4)}.tmp"
        chunks = list(stay)
        try:
            for first, last, transitions in more:
                file, data = f"{first:09d}-{last:09d}.safetensors", save(transitions)
                atomic_write(self.folder / "replay" / file, data)
                chunks.append({"file": file, "first": first, "last": last, "sha256": _sha256(data)})
            make_folder(temporary)
            data = save({k: v.contiguous() for k, v in state.items()})
            write_file(temporary / STATE, data)
            content = {"version": CHECKPOINT_VERSION, "facts": facts, "state": _sha256(data), "replay": chunks}
            write_file(temporary / MANIFEST, _manifest(content))
            sync_folder(temporary)
            temporary.rename(final)
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)
            for name in {c["file"] for c in chunks} - {c["file"] for c in self._chunks}:
                (self.folder / "replay" / name).unlink(missing_ok=True)
            if isinstance(error, OSError) and (error.filename is None or str(temporary) in str(error.filename)):
                raise OSError(error.errno, error.strerror, str(final)) from error
            raise
        sync_folder(self.folder)
        self._chunks = chunks
        self._next += 1
        self._drop_old()

    def load(self) -> Checkpoint | None:
        """The newest whole checkpoint, or None where there is none."""
        self._torn = []
        found = self._newest_whole()
        instead = f"{found[0].name} is used" if found else "there is no other, so it begins anew"
        self.problems = [f"checkpoint {name} cannot be used: {why}; {instead}" for name, why in self._torn]
        return found[1] if found else None

    def _newest_whole(self) -> tuple[Path, Checkpoint] | None:
        for folder in reversed(self._numbered()):
            try:
                manifest = _read_manifest(folder / MANIFEST)
                state = load(_read_checked(folder / STATE, manifest["state"]))
                for entry in manifest["replay"]:
                    _read_checked(self.folder / "replay" / entry["file"], entry["sha256"])
            except (CheckpointError, SafetensorError) as error:
                self._torn.append((folder.name, str(error)))
                continue
            self._chunks = manifest["replay"]
            return folder, Checkpoint(manifest["facts"], state, Chunks(self.folder / "replay", self._chunks))
        return None

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Turns what a checkpoint of another shape or meaning raises while it is restored into a CheckpointError."""
        try:
            yield
        except OutOfMemoryError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
            text = one_line(f"{type(error).__name__}: {error}")
            raise CheckpointError(f"{self.folder}: its checkpoint does not fit this run ({text})") from error

    def keep_policy(self, policy: Mapping[str, Tensor]) -> None:
        """Write the trained policy's parameters, in a small file of their own."""
        if policy:
            atomic_write(self.folder / "policy.safetensors", save({k: v.contiguous() for k, v in policy.items()}))

    def remove(self) -> None:
        """Drop the checkpoints, when the block is finished; the policy stays."""
        for folder in [*self._numbered(), self.folder / "replay", *self.folder.glob(".*.tmp")]:
            shutil.rmtree(folder, ignore_errors=True)

    def _numbered(self) -> list[Path]:
        found = [p for p in self.folder.glob("[0-9]*") if _NUMBER.fullmatch(p.name) and p.is_dir()]
        return sorted(found, key=lambda p: int(p.name))

    def _drop_old(self) -> None:
        """Remove what no checkpoint that is kept needs, leavings of killed processes included."""
        torn = {name for name, _ in self._torn}
        whole = [folder for folder in self._numbered() if folder.name not in torn]
        old = [folder for folder in self._numbered() if folder.name in torn or folder not in whole[-KEPT:]]
        for folder in [*old, *self.folder.glob(".*.tmp")]:
            shutil.rmtree(folder, ignore_errors=True)
        used = {c["file"] for c in self._chunks}
        for folder in self._numbered():
            try:
                used |= {c["file"] for c in _read_manifest(folder / MANIFEST)["replay"]}
            except CheckpointError:
                continue
        for file in [*(self.folder / "replay").glob("*.safetensors"), *(self.folder / "replay").glob(".*.tmp")]:
            if file.name not in used:
                file.unlink(missing_ok=True)


def _spans(chunks: list[dict[str, Any]], added: int, kept: int) -> tuple[list[dict[str, Any]], list[tuple[int, int]]]:
    """Of the chunks on disk those that stay, and the spans (first, last) of transitions to write.

    New transitions are appended. Once SMALL_CHUNKS files at the end are smaller than CHUNK_ROWS, they become one,
    so that the number of files stays bounded however often a long run is checkpointed.
    """
    stay = [c for c in chunks if c["last"] > added - kept]
    small = len(list(takewhile(lambda c: c["last"] - c["first"] < CHUNK_ROWS, reversed(stay))))
    if small >= SMALL_CHUNKS:
        stay = stay[:-small]
    first = max(stay[-1]["last"] if stay else 0, added - kept)
    return stay, [(at, min(at + CHUNK_ROWS, added)) for at in range(first, added, CHUNK_ROWS)]


def _manifest(content: dict[str, Any]) -> bytes:
    content = json.loads(json.dumps(content))  # as it will be read
    return json.dumps({"sha256": _sha256(_canonical(content)), **content}, indent=1).encode()


def _read_manifest(file: Path) -> dict[str, Any]:
    """The manifest's content. Raises CheckpointError for anything that `_manifest` has not written."""
    try:
        with file.open("rb") as stream:
            content: dict[str, Any] = json.loads(stream.read(LARGEST_MANIFEST))
        sha256 = content.pop("sha256")
        if content["version"] != CHECKPOINT_VERSION:
            raise CheckpointError(f"{file.name} is of version {content['version']}, not {CHECKPOINT_VERSION}")
        if sha256 != _sha256(_canonical(content)):
            raise CheckpointError(f"the checksum of {file.name} does not hold")
        for entry in content["replay"]:
            if not _CHUNK_NAME.fullmatch(entry["file"]):
                raise CheckpointError(f"{file.name} names a file that is no replay chunk")
            int(entry["first"]), int(entry["last"]), str(entry["sha256"])
        if not isinstance(content["facts"], dict):
            raise TypeError
    except OSError as error:
        raise CheckpointError(f"{file.name} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file.name} is not a manifest") from error
    return content


def _read_checked(file: Path, sha256: str) -> bytes:
    """The file's bytes. Raises CheckpointError where they are not those that were written."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{file.name} cannot be read ({error.strerror})") from error
    if _sha256(data) != sha256:
        raise CheckpointError(f"the checksum of {file.name} does not hold")
    return data


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
