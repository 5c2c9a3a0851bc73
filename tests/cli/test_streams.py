"""Whoever reads the output, or does not, and whatever the user's environment says of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from dimebench.store import read_runs
from tests.cli.calls import COMMAND, PATIENCE_S, TINY, process

CURVES = "algorithm,task,seed,step,score\n" + "".join(
    f"{name},dm_control/cartpole-swingup,{seed},{step},{100 * seed + number}\n"
    for number, name in enumerate(("A", "中文", "αé"))
    for seed in range(3)
    for step in (0, 1000)
)
READING = [
    ["suites"],
    ["algos", "--json"],
    ["show", "dmc-hard"],
    ["show", "cartpole-swingup"],
    ["compare", "ext:A", "ext:中文"],
    ["compare", "ext:A", "ext:中文", "--json"],
    ["status"],
    ["status", "--json"],
    ["--help"],
    ["run", "--help"],
    ["--version"],
    ["export", "--format", "csv"],
    ["doctor", "suite=tiny"],
]
WORDS = [" ".join(words) for words in READING]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workplace with curves of names in several scripts."""
    place = tmp_path_factory.mktemp("imported")
    (place / "suites").mkdir()
    (place / "suites" / "tiny.yaml").write_text(TINY)
    (place / "curves.csv").write_text(CURVES, encoding="utf-8")
    assert process("import", "curves.csv", cwd=place).code == 0
    return place


def shell(line: str, words: list[str], cwd: Path, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """`line` in a shell, with the command as "$@": exit code, output, errors."""
    done = subprocess.run(
        ["bash", "-c", line, "bash", *COMMAND, *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", READING, ids=WORDS)
def test_a_reader_that_goes_away_is_no_error(imported: Path, words: list[str]) -> None:
    """The reader closes before a byte is written, so even the shortest output meets nobody."""
    gone = '{ sleep 0.2; "$@"; echo $? >&2; } | true'
    code, _, errors = shell(gone, words, imported)
    assert (code, errors) == (0, "141\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", READING[:5], ids=WORDS[:5])
def test_a_full_disk_behind_the_output_is_one_line(imported: Path, words: list[str]) -> None:
    code, _, errors = shell('"$@" > /dev/full', words, imported)
    assert (code, errors) == (1, "dimebench: standard output: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(imported: Path, closed: str) -> None:
    assert shell(f'"$@" {closed}', ["compare", "ext:A", "ext:中文"], imported)[::2] == (0, "")
    code, out, _ = shell(f'"$@" {closed}', ["compare", "ext:A", "ext:nobody"], imported)
    assert (code, out) == (2, ""), "an error is never told on standard output"


@pytest.mark.parametrize(
    "where",
    [
        "> /dev/full",
        "2>&1 | true",
        *(pytest.param(each, marks=pytest.mark.slow) for each in (">&- 2>&-", "2> /dev/full")),
    ],
)
def test_training_needs_no_reader(place: Path, where: str) -> None:
    words = ["run", "suite=tiny", "algo=sac", "--seeds", "1", "--workers", "1"]
    line = f'set -o pipefail; {{ "$@"; echo $? > code; }} {where}'
    _, _, errors = shell(line, words, place)
    assert (place / "code").read_text() == "0\n"
    assert [run.status for run in read_runs(place / "results", "tiny")] == ["finished"]
    full = "dimebench: standard output: No space left on device; training goes on\n"
    assert errors == (full if where == "> /dev/full" else "")


ENVIRONMENTS = {
    "colours": {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "COLORTERM": "truecolor"},
    "narrow": {"COLUMNS": "1", "LINES": "1", "TERM": "dumb", "NO_COLOR": "1"},
    "no number": {"COLUMNS": "wide", "TERMINAL_WIDTH": "wide"},
    "warnings": {"PYTHONWARNINGS": "error"},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
    "C": {"LC_ALL": "C", "LANG": "C"},
}
ALWAYS = ("colours", "narrow", "C")


@pytest.fixture(scope="module")
def as_usual(imported: Path) -> dict[tuple[str, ...], tuple[int, str, str]]:
    asked = (("compare", "ext:A", "ext:中文"), ("suites",), ("status",))
    return {words: shell('"$@"', list(words), imported) for words in asked}


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(each, id=name, marks=() if name in ALWAYS else pytest.mark.slow)
        for name, each in ENVIRONMENTS.items()
    ],
)
def test_the_environment_changes_no_output(
    imported: Path, as_usual: dict[tuple[str, ...], tuple[int, str, str]], environment: dict[str, str]
) -> None:
    for words, usual in as_usual.items():
        assert shell('"$@"', list(words), imported, environment) == usual
    code, out, errors = shell('"$@"', ["compare", "ext:A", "ext:中文", "--json"], imported, environment)
    assert (code, errors) == (0, "")
    assert json.loads(out)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_name_that_the_terminal_cannot_show_is_no_error(imported: Path, encoding: str) -> None:
    given = {"PYTHONIOENCODING": encoding}
    for words in (["status"], ["compare", "ext:A", "ext:中文"], ["compare", "ext:A", "ext:中文", "--json"]):
        assert shell('"$@" | iconv -c -f utf-8', words, imported, given)[::2] == (0, "")
    code, _, errors = shell('"$@"', ["compare", "ext:A", "ext:中"], imported, given)
    assert code == 2
    assert errors.count("\n") == 1


def test_a_name_that_no_font_has_is_noted_once(imported: Path) -> None:
    """Few machines have a font of cuneiform."""
    (imported / "more.csv").write_text(CURVES.replace("中文", "\U00012000\U00012001"), encoding="utf-8")
    assert process("import", "more.csv", "--results", "more", cwd=imported).code == 0
    code, _, errors = shell('"$@"', ["report", "--results", "more", "--html", "--pdf"], imported)
    assert code == 0
    assert errors.count("\n") <= 1
    if errors:
        assert errors.startswith("dimebench: note: no font here has \U00012000\U00012001: figures show boxes")
