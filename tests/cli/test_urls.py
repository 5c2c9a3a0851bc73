"""Results at a URL: every command that reads says the same as of the folder, and nothing is written there."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tests.cli.calls import TASK, Call, refused, snapshot

URL = "memory://bucket/deep/results"


def put(results: Path) -> None:
    """Copy a results folder to URL."""
    for file, (_, content) in snapshot(results).items():
        fsspec.filesystem("memory").pipe_file(f"/bucket/deep/results/{file}", content)


@pytest.fixture
def there(results: Path) -> Iterator[Path]:
    """The results as a folder, and the same ones at URL."""
    put(results)
    yield results
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture(params=["memory", "file", "zip"])
def url(request: pytest.FixtureRequest, there: Path) -> str:
    """One and the same results, by three kinds of URL."""
    if request.param == "memory":
        return URL
    if request.param == "file":
        return f"file://{there}"
    shutil.make_archive(str(there.parent / "study"), "zip", there.parent, "results")
    return f"zip://results::{there.parent}/study.zip"


COMMANDS = (
    ["status"],
    ["status", "--json"],
    ["compare", "dime", "sac"],
    ["compare", "dime", "sac", "--json"],
    ["power", "dime", "sac", "--difference", "0.3", "--simulations", "20"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_say_the_same_of_a_url_as_of_the_folder(
    command: list[str], url: str, dimebench: Call, there: Path
) -> None:
    local, remote = dimebench(*command, "--results", str(there)), dimebench(*command, "--results", url)
    assert (remote.code, remote.err) == (0, "")
    shown = str(there) if url.startswith("file:") else url
    assert remote.out == local.out.replace(str(there), shown)


def test_reports_and_exports_are_the_same_files(dimebench: Call, there: Path, place: Path) -> None:
    for name, results in (("local", str(there)), ("remote", URL)):
        answer = dimebench("report", "--html", "--formats", "svg", "--out", f"{name}/report", "--results", results)
        assert (answer.code, answer.err) == (0, "")
        answer = dimebench("export", "--format", "csv,zip", "--out", f"{name}/export", "--results", results)
        assert (answer.code, answer.err) == (0, "")
    local, remote = snapshot(place / "local"), snapshot(place / "remote")
    assert sorted(local) == sorted(remote)
    for name in local:
        if name.endswith(".zip"):
            local_zip, remote_zip = (zipfile.ZipFile(place / side / name) for side in ("local", "remote"))
            assert local_zip.namelist() == remote_zip.namelist()
            assert all(local_zip.read(each) == remote_zip.read(each) for each in local_zip.namelist())
        elif name.endswith((".csv", ".txt")):
            assert local[name][1] == remote[name][1], name


def test_an_evaluation_that_lands_at_a_url_is_seen(
    dimebench: Call, there: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = there / "tiny" / "sac" / TASK / "seed-000" / "run.json"
    whole = file.read_text()
    file.write_text(json.dumps(json.loads(whole) | {"status": "running"}))
    put(there)

    def sleep(_: float) -> None:
        file.write_text(whole)
        put(there)

    monkeypatch.setattr("time.sleep", sleep)
    answer = dimebench("report", "--html", "--watch", "--results", URL)
    assert answer.code == 0
    assert "7 finished, 1 running" in answer.lines[0]
    assert answer.lines[-1].endswith("8 finished")


def test_who_holds_a_run_at_a_url_is_shown(dimebench: Call, there: Path) -> None:
    from dimebench.store.claims import Watch

    folder = there / "tiny" / "sac" / TASK / "seed-000"
    file = folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"status": "running"}))
    assert Watch().acquire(folder) is not None
    put(there)
    answer = dimebench("status", "--results", URL)
    assert answer.lines == dimebench("status", "--results", str(there)).lines
    assert answer.lines[-1].startswith(f"held: sac on {TASK} seed 0: process ")


def test_a_broken_file_at_a_url_is_named(dimebench: Call, there: Path) -> None:
    memory = fsspec.filesystem("memory")
    where = f"bucket/deep/results/tiny/dime/{TASK}/seed-000"
    memory.pipe_file(f"/{where}/evals.parquet", b"PAR1")
    answer = dimebench("compare", "dime", "sac", "--results", URL)
    line = f"not read, so not counted: memory://{where}/evals.parquet: not a readable Parquet file ("
    assert (answer.code, answer.err) == (0, "")
    assert any(each.startswith(line) for each in answer.lines)
    memory.pipe_file(f"/{where}/run.json", b"{")
    status = dimebench("status", "--results", URL)
    assert status.err.startswith(f"dimebench: memory://{where}/run.json:1: not JSON: ")
    assert status.code == 2
    for command in (["compare", "dime", "sac"], ["report"]):
        answer = dimebench(*command, "--results", URL)
        assert f"not read, so not counted: memory://{where}/run.json:1: not JSON: " in answer.out + answer.err
        assert answer.code == 0


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("memory://elsewhere", "no results folder at 'memory://elsewhere'"),
        ("s4://bucket/results", "s4://bucket/results: unknown protocol 's4' (nearest: s3)"),
        ("htpp://host/results", "htpp://host/results: unknown protocol 'htpp' (nearest: http)"),
        ("s3://", "s3://: names no bucket: s3://BUCKET/FOLDER"),
        ("file://results", "file://results: names a folder by its whole path, file:///FOLDER"),
        (
            "ggg://x",
            "ggg://x: unknown protocol 'ggg' (known: s3, gs, abfs, hdfs, http, sftp, zip and others of fsspec)",
        ),
    ],
)
def test_urls_that_name_nothing_are_refused_in_one_line(url: str, line: str, dimebench: Call, place: Path) -> None:
    for command in (["status"], ["compare", "dime", "sac"], ["report"]):
        refused(dimebench(*command, "--results", url), line)


def test_a_protocol_whose_package_is_missing_says_what_to_install(
    dimebench: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    answer = dimebench("status", "--results", "sftp://host/results")
    assert answer.err.endswith("pip install 'fsspec[sftp]'\n")
    assert answer.code == 2
    monkeypatch.setitem(sys.modules, "fsspec", None)
    line = "memory://x: needs fsspec: pip install 'dimebench[remote]'"
    refused(dimebench("status", "--results", "memory://x"), line)


class Locked(MemoryFileSystem):
    """Lets nobody in."""

    protocol = "locked"

    def info(self, path: str, **_: object) -> None:
        raise PermissionError(f"Access Denied: {path}")


def test_a_folder_that_must_not_be_read_is_named(dimebench: Call, place: Path) -> None:
    fsspec.register_implementation("locked", Locked, clobber=True)
    answer = dimebench("status", "--results", "locked://bucket/results")
    assert answer.err.startswith("dimebench: locked://bucket/results: no permission to read it (")
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)


def test_what_trains_or_writes_refuses_a_url(dimebench: Call, place: Path) -> None:
    before = snapshot(place)
    line = f"--results {URL}: a URL is only read; what writes needs a folder of this machine"
    for command in (["run", "suite=tiny", "--seeds", "1"], ["import", "suites/tiny.yaml"], ["doctor"]):
        refused(dimebench(*command, "--results", URL), line)
    assert snapshot(place) == before
