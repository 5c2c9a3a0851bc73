"""Where results are read from: a folder of this machine, or any URL that pyarrow or fsspec has a file system for.

A local folder is a pathlib.Path. A `RemotePath` has as much of Path's interface as reading needs; nothing is written
to one. A remote folder is listed once; whether a file exists is then known without another request.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Protocol, TypeVar

from dimebench.errors import first_line
from dimebench.store.errors import StoreError

T = TypeVar("T")

LOCAL = ("file", "local")
NATIVE = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")  # pyarrow needs no other package for these
RETRY_S = 30
DENIED = re.compile(r"access.?denied|permission|forbidden|unauthori[sz]ed|\b40[13]\b|invalid.?access.?key", re.I)


class Place(Protocol):
    """What reading needs of a file or folder; Path provides all of it."""

    @property
    def name(self) -> str: ...
    @property
    def parent(self) -> Place: ...
    def __truediv__(self, name: str, /) -> Place: ...
    def exists(self) -> bool: ...
    def is_dir(self) -> bool: ...
    def is_file(self) -> bool: ...
    def glob(self, pattern: str, /) -> Iterator[Place]: ...
    def read_bytes(self) -> bytes: ...
    def relative_to(self, above: Any, /) -> PurePath: ...


@dataclass(frozen=True)
class _Folder:
    """A remote results folder: its URL, and where it lies in its file system."""

    url: str
    base: str
    file_system: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class RemotePath:
    """A file or folder at or below a URL. Raises StoreError, naming it, for any error of the file system."""

    _relative: str
    _folder: _Folder = field(compare=False)
    _listing: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        url = self._folder.url
        return f"{url}{'' if url.endswith('/') else '/'}{self._relative}" if self._relative else url

    @property
    def name(self) -> str:
        return PurePosixPath(self._relative).name

    @property
    def parent(self) -> RemotePath:
        above = str(PurePosixPath(self._relative).parent)
        return RemotePath("" if above == "." else above, self._folder, self._listing)

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self._relative}/{name}".strip("/"), self._folder, self._listing)

    def relative_to(self, above: Any) -> PurePosixPath:
        return PurePosixPath(self._relative).relative_to(above._relative)

    def exists(self) -> bool:
        return self._info() is not None

    def is_dir(self) -> bool:
        info = self._info()
        try:  # a web server does not tell folders from files: a folder has links to its content
            return info is not None and (info.type.name == "Directory" or bool(self._list()))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def is_file(self) -> bool:
        info = self._info()
        return info is not None and info.type.name == "File"

    def stamp(self) -> tuple[int, int]:
        """When it was last written, in ns (0 where the file system does not say), and its size in bytes."""
        info = self._info()
        if info is None:
            raise FileNotFoundError(str(self))
        return info.mtime_ns or 0, info.size or 0

    def names(self) -> list[str]:
        """What lies in the folder."""
        listing = self._listing if self._listing is not None else self._list()
        return [PurePosixPath(name).name for name in listing if str(PurePosixPath(name).parent) == self._relative]

    def glob(self, pattern: str) -> Iterator[RemotePath]:
        """The files below that match, as many levels down as the pattern has; from a new listing."""
        listing, levels = self._list(), pattern.count("/") + 1
        for relative, info in listing.items():
            below = PurePosixPath(relative).relative_to(self._relative)
            if len(below.parts) == levels and below.match(pattern) and info.type.name == "File":
                yield RemotePath(relative, self._folder, listing)

    def read_bytes(self) -> bytes:
        """The whole file. Raises FileNotFoundError where there is none."""
        with self._ask(partial(self._folder.file_system.open_input_file, self._at())) as file:
            content: bytes = self._ask(file.read)
        return content

    def _at(self) -> str:
        info = None if self._listing is None else self._listing.get(self._relative)
        return info.path if info is not None else f"{self._folder.base}/{self._relative}".rstrip("/")

    def _info(self) -> Any:
        """The file system's record of it; None where there is nothing."""
        if self._listing is not None and self._relative:
            return self._listing.get(self._relative)
        info = self._ask(partial(self._folder.file_system.get_file_info, self._at()))
        return None if info.type.name == "NotFound" else info

    def _list(self) -> dict[str, Any]:
        """Everything below, by its path relative to the results folder."""
        from pyarrow.fs import FileSelector

        selector = FileSelector(self._at(), recursive=True)
        infos = self._ask(partial(self._folder.file_system.get_file_info, selector))
        base = self._folder.base.strip("/")
        return {info.path.strip("/").removeprefix(base).strip("/"): info for info in infos}

    def _ask(self, question: Callable[[], T]) -> T:
        """The file system's answer; its errors, whose kinds differ from one to the next, as StoreError."""
        try:
            return question()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise type(error)(str(self)) from None
        except Exception as error:
            raise StoreError(f"{self}: {_why(error)}") from error


def open_place(text: str) -> Place:
    """The folder that a path or a URL names; nothing is read yet. Raises StoreError for an unusable URL.

    s3://bucket/results?region=eu-west-1 (gs, abfs, hdfs) through pyarrow; others (http, sftp, memory, github,
    `zip://results::study.zip`, ...) through fsspec.
    """
    if "://" not in text:
        return Path(text)
    protocol = re.split(r"::|://", text)[0]
    if protocol in LOCAL and "::" not in text:
        rest = text.partition("://")[2]
        if not rest.startswith("/"):
            raise StoreError(f"{text}: names a folder by its whole path, {protocol}:///FOLDER")
        return Path(rest)
    shown = text.partition("?")[0] if protocol in NATIVE else text
    if protocol in NATIVE and not shown.partition("://")[2].strip("/"):
        raise StoreError(f"{text}: names no bucket: {protocol}://BUCKET/FOLDER")
    file_system, base = (_native(text) if protocol in NATIVE else None) or _through_fsspec(text, protocol)
    url = shown if shown.endswith("://") else shown.rstrip("/")
    return RemotePath("", _Folder(url, base.rstrip("/"), file_system))


def stamp(place: Place) -> tuple[int, int]:
    """When a file was last written, in ns, and its size. Raises FileNotFoundError."""
    if isinstance(place, RemotePath):
        return place.stamp()
    facts = os.stat(str(place))
    return facts.st_mtime_ns, facts.st_size


def _native(url: str) -> tuple[Any, str] | None:
    """pyarrow's own file system; None where pyarrow was built without it."""
    from pyarrow.fs import FileSystem
    from pyarrow.lib import ArrowNotImplementedError

    if url.startswith(("gs:", "gcs:")) and "retry_limit_seconds" not in url:  # the default limit is 15 minutes
        url += f"{'&' if '?' in url else '?'}retry_limit_seconds={RETRY_S}"
    try:
        file_system, base = FileSystem.from_uri(url)
        return file_system, base
    except ArrowNotImplementedError:
        return None
    except Exception as error:
        raise StoreError(f"{url}: {_why(error)}") from error


def _through_fsspec(url: str, protocol: str) -> tuple[Any, str]:
    """fsspec's file system behind pyarrow's interface."""
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        import fsspec
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations
    except ImportError:
        raise StoreError(f"{url}: needs fsspec: pip install 'dimebench[remote]'") from None
    known = sorted({*fsspec.available_protocols(), *fsspec.registry, *NATIVE})
    if protocol not in known:
        close = get_close_matches(protocol.lower(), known, n=1, cutoff=0.5)
        hint = f"nearest: {close[0]}" if close else "known: s3, gs, abfs, hdfs, http, sftp, zip and others of fsspec"
        raise StoreError(f"{url}: unknown protocol '{protocol}' ({hint})")
    try:
        file_system, base = url_to_fs(url)
    except ImportError as error:
        package = known_implementations.get(protocol, {}).get("class", "").partition(".")[0]
        extra = {"https": "http", "ftp": "", "sftp": "sftp"}.get(protocol, protocol)
        install = f"'fsspec[{extra}]'" if package == "fsspec" else package
        raise StoreError(f"{url}: {first_line(error)}: pip install {install}") from error
    except Exception as error:
        raise StoreError(f"{url}: {_why(error)}") from error
    return PyFileSystem(FSSpecHandler(file_system)), base


def _why(error: Exception) -> str:
    """A file system's error in short; missing permission is named first, since a user can fix that."""
    text = first_line(error)
    denied = isinstance(error, PermissionError) or DENIED.search(text)
    return f"{'no permission to read it' if denied else 'cannot be read'} ({text})"
