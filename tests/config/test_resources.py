"""What runs ask of a cluster: a section of a suite and words, checked before anything is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from dimebench.config import ConfigError, load_suite, parse_words
from dimebench.config.resources import megabytes, minutes

SUITE = """\
name: mine
tasks: [dm_control/dog-run, dm_control/dog-walk]
algorithms: [sac]
resources:
  gpus: 1
  cpus: 8
  memory: 32GB
  time: 1-12:00:00
  partition: gpu
  parallel: 20
  sbatch: [--qos=long, --exclusive]
  tasks:
    dm_control/dog-run: {memory: 64GB, time: 90}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "mine.yaml").write_text(SUITE)
    return tmp_path


def test_a_task_asks_for_its_own_and_for_the_rest_what_the_suite_does(place: Path) -> None:
    resources = load_suite("mine", place).resources
    general = {
        "gpus": 1,
        "cpus": 8,
        "memory": "32GB",
        "time": "1-12:00:00",
        "partition": "gpu",
        "sbatch": ["--qos=long", "--exclusive"],
    }
    assert resources.of("dm_control/dog-walk") == general
    assert resources.of("dm_control/dog-run") == general | {"memory": "64GB", "time": "90"}
    assert resources.parallel == 20


def test_words_change_what_is_asked_for(place: Path) -> None:
    words = [
        "suite=mine",
        "resources.parallel=3",
        "resources.time=8:00:00",
        "resources.partition=2",
        "resources.sbatch=--qos=short",
    ]
    asked = parse_words(words, algorithms=["sac"], cwd=place).suite.resources.of("dm_control/dog-walk")
    assert (asked["time"], asked["partition"], asked["sbatch"]) == ("8:00:00", "2", ["--qos=short"])
    own = parse_words(words, algorithms=["sac"], cwd=place).suite.resources.of("dm_control/dog-run")
    assert (own["time"], own["memory"]) == ("8:00:00", "64GB"), "words have the last word"
    assert asked["gpus"] == 1


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("resources.tme=90", "resources.tme=90: unknown key in resources (nearest: time)"),
        ("resources.gpus=-1", "resources.gpus=-1: resources.gpus must be at least 0"),
        ("resources.gpus=1.5", "resources.gpus=1.5: resources.gpus must be a whole number"),
        ("resources.memory=32", "resources.memory=32: resources.memory must be a size such as 32GB or 900MB"),
        ("resources.memory=much", "resources.memory=much: resources.memory must be a size such as 32GB or 900MB"),
        (
            "resources.time=soon",
            "resources.time=soon: resources.time must be minutes (90) or a time such as 8:00:00 or 1-12:00:00",
        ),
        ("resources.tasks=3", "resources.tasks=3: resources.tasks must be a mapping of keys to values"),
        ("resources.notice=1", "resources.notice=1: resources.notice must be at least 10"),
        ("resources.partition=a b", "resources.partition=a b: resources.partition must be a name without spaces"),
        (
            "resources.sbatch=qos",
            "resources.sbatch=qos: resources.sbatch[0] must be an option of sbatch such as --qos=long",
        ),
        (
            "resources.sbatch=--mem=3",
            "resources.sbatch=--mem=3: resources.sbatch[0]: --mem cannot be given here: "
            "write resources.memory instead",
        ),
        (
            "resources.sbatch=--array=3",
            "resources.sbatch=--array=3: resources.sbatch[0]: --array cannot be given here: dimebench sets it itself",
        ),
    ],
)
def test_wrong_words_are_named(word: str, problem: str, place: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_words(["suite=mine", word], algorithms=["sac"], cwd=place)
    assert str(refused.value) == problem


def test_wrong_keys_of_a_file_are_named_with_their_line(place: Path) -> None:
    file = place / "suites" / "mine.yaml"
    file.write_text(SUITE.replace("memory: 64GB", "memroy: 64GB"))
    with pytest.raises(ConfigError) as refused:
        load_suite("mine", place)
    assert str(refused.value).endswith(
        "mine.yaml:13: resources.tasks.dm_control/dog-run.memroy: unknown key (nearest: memory)"
    )
    file.write_text(SUITE.replace("dm_control/dog-run: {", "dm_control/dog-rum: {"))
    with pytest.raises(
        ConfigError, match=r"mine\.yaml:13: .*dog-rum.*is no task of this suite \(nearest: dm_control/dog-run"
    ):
        load_suite("mine", place)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        ("0:30", 1),
        ("8:00:00", 480),
        ("8:00:01", 481),
        ("1-12", 2160),
        ("1-12:30", 2190),
        ("2-0:0:0", 2880),
    ],
)
def test_times_are_those_of_slurm(text: str, expected: int) -> None:
    assert minutes(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("32GB", 32768), ("1.5t", 1572864), ("900M", 900), ("2 GB", 2048)])
def test_sizes_are_those_of_batch_systems(text: str, expected: int) -> None:
    assert megabytes(text) == expected
