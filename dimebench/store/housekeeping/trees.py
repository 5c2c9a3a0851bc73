"""Folders as a whole: their size, copies of them that are verified, and their end. No symbolic link is followed."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dimebench.store.atomic import make_folder, sync_folder
from dimebench.store.claims import Watch
from dimebench.store.errors import StoreError

REMOVING, MOVING = ".removing", ".moving"  # below a results folder; what reads runs skips them
CHUNK = 1 << 24  # bytes that are copied between two signs of life
_NOT_COPIED = re.compile(r"claim-[0-9]{6}\.json|\..*\.tmp")


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, or of one file."""
    if folder.is_symlink() or not folder.is_dir():
        return folder.lstat().st_size if os.path.lexists(folder) else 0
    return sum(path.lstat().st_size for path in _files(folder))


def difference(there: Path, here: Path) -> str:
    """The first file that two folders do not share, claims left out; "" where they are alike."""
    files = [{str(path.relative_to(folder)): path for path in _copied(folder)} for folder in (there, here)]
    for name in sorted({*files[0], *files[1]}):
        pair = [each.get(name) for each in files]
        if pair[0] is None or pair[1] is None or not _same_file(pair[0], pair[1]):
            return name
    return ""


def check_no_links(folder: Path) -> None:
    """Raises StoreError for a symbolic link in the folder: after a move it might lead elsewhere."""
    for path in (folder, *(path for path in _all(folder))):
        if path.is_symlink():
            raise StoreError(f"{path}: a symbolic link, which is not moved")


def bring(source: Path, target: Path, tick: Callable[[], None]) -> None:
    """Make `target` the same folder as `source`, claims left out, its content flushed to disk.

    Files are linked where both lie in one file system, else copied and read back. tick: called all along.
    Raises OSError, or StoreError where what was read back differs.
    """
    target.mkdir(parents=True)
    for folder in [source, *(path for path in _all(source) if path.is_dir())]:
        (target / folder.relative_to(source)).mkdir(exist_ok=True)
    for file in _copied(source):
        tick()
        place = target / file.relative_to(source)
        try:
            os.link(file, place, follow_symlinks=False)
        except OSError:  # another file system, or one without links
            _copy(file, place, tick)
    for folder in [target, *(path for path in _all(target) if path.is_dir())]:
        sync_folder(folder)


def _copy(source: Path, target: Path, tick: Callable[[], None]) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("xb") as write:
        while chunk := read.read(CHUNK):
            digest.update(chunk)
            write.write(chunk)
            tick()
        write.flush()
        os.fsync(write.fileno())
    shutil.copystat(source, target)
    if _digest(target, tick) != digest.digest():
        raise StoreError(f"{target}: what was written reads back differently; {source} is untouched")


def _digest(file: Path, tick: Callable[[], None]) -> bytes:
    digest = hashlib.sha256()
    with file.open("rb") as read:
        while chunk := read.read(CHUNK):
            digest.update(chunk)
            tick()
    return digest.digest()


def _same_file(one: Path, other: Path) -> bool:
    a, b = one.lstat(), other.lstat()
    if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino):
        return True
    return a.st_size == b.st_size and _digest(one, lambda: None) == _digest(other, lambda: None)


def discard(results: Path, places: list[Path]) -> None:
    """Take folders, or links to some, out of the results, each at once; then delete them. Missing ones are no matter.

    One that a kill leaves half deleted lies in no place that anything reads; `sweep` deletes the rest.
    """
    trash = results / REMOVING / secrets.token_hex(6)
    for number, place in enumerate(places):
        if os.path.lexists(place):
            make_folder(trash)
            place.rename(trash / str(number))
            sync_folder(place.parent)
    shutil.rmtree(trash, ignore_errors=True)
    with suppress(OSError):
        (results / REMOVING).rmdir()


def sweep(results: Path) -> None:
    """Delete what killed commands have left in REMOVING and MOVING."""
    shutil.rmtree(results / REMOVING, ignore_errors=True)
    watch = Watch()
    for staged in (results / MOVING).glob("*"):
        if watch.holder(staged) is None:
            shutil.rmtree(staged, ignore_errors=True)
    with suppress(OSError):
        (results / MOVING).rmdir()


@contextmanager
def staging(results: Path) -> Iterator[Path]:
    """A folder of this process alone, in the same file system as the results; gone afterwards."""
    folder = results / MOVING / secrets.token_hex(6)
    claim = Watch().acquire(folder)
    assert claim is not None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            (results / MOVING).rmdir()


def remove_empty(folder: Path, results: Path) -> None:
    """Remove a folder and those above it, as far as they are empty, never the results folder itself."""
    while folder != results and results in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _all(folder: Path) -> Iterator[Path]:
    """Everything below a folder, in order; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from _all(Path(entry.path))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in _all(folder) if path.is_symlink() or not path.is_dir())


def _copied(folder: Path) -> Iterator[Path]:
    return (path for path in _files(folder) if not _NOT_COPIED.fullmatch(path.name))
