"""A file appears whole or not at all."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from dimebench.store import atomic_write
from tests.store.disk import file_size_limit
from tests.store.runs import files


def test_folders_are_made_and_the_content_is_there(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "c.txt"
    atomic_write(file, b"one")
    atomic_write(file, b"two")
    assert files(tmp_path) == {"a/b/c.txt": b"two"}


def test_a_write_that_runs_out_of_space_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "x.bin"
    atomic_write(file, b"old")
    with file_size_limit(1000), pytest.raises(OSError, match="File too large") as caught:
        atomic_write(file, b"n" * 100_000)
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(file), "a user looks for the file, not for the one written beside it"
    assert files(tmp_path) == {"x.bin": b"old"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_at_any_step_leaves_the_old_file_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.bin"
    atomic_write(file, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        atomic_write(file, b"new")
    assert caught.value.filename == str(file)
    assert files(tmp_path) == {"x.bin": b"old"}


def test_an_interruption_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.bin"
    atomic_write(file, b"old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(file, b"new")
    assert files(tmp_path) == {"x.bin": b"old"}


def test_a_file_in_the_way_of_a_folder_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"here")
    with pytest.raises(NotADirectoryError) as caught:
        atomic_write(tmp_path / "file" / "sub" / "x.bin", b"new")
    assert str(tmp_path / "file") in str(caught.value.filename)
    assert files(tmp_path) == {"file": b"here"}


def test_a_folder_in_the_place_of_the_file_stays(tmp_path: Path) -> None:
    (tmp_path / "x.bin").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic_write(tmp_path / "x.bin", b"new")
    assert list(tmp_path.iterdir()) == [tmp_path / "x.bin"]


def test_writers_at_the_same_time_never_mix_their_files(tmp_path: Path) -> None:
    file = tmp_path / "x.bin"
    texts = [bytes([65 + i]) * 20_000 for i in range(4)]
    seen: list[bytes] = []
    start = threading.Barrier(5)

    def write(text: bytes) -> None:
        start.wait()
        for _ in range(10):
            atomic_write(file, text)

    def read() -> None:
        start.wait()
        for _ in range(40):
            if file.exists():
                seen.append(file.read_bytes())

    threads = [threading.Thread(target=write, args=(text,)) for text in texts] + [threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) <= set(texts)
    assert list(files(tmp_path)) == ["x.bin"]
    assert file.read_bytes() in texts
