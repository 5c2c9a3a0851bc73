"""`power`: how many seeds a difference needs, from runs on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.analysis.test_tree import write_run
from tests.cli.calls import TASK, Call, refused


def test_power_answers_in_words_and_for_programs(dimebench: Call, results: Path) -> None:
    words = ["power", "dime", "sac", "--difference", "0.3", "--simulations", "40"]
    answer = dimebench(*words)
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[0].startswith("An IQM difference of 0.300 on 1 task needs ")
    assert "chance of 80% at 95% confidence" in answer.lines[0]
    assert answer.lines[1].startswith(
        "From the spread of dime and sac over 2 seeds at 60 env steps (suite tiny in results)"
    )
    found = json.loads(dimebench(*words, "--json").out)
    assert (found["variants"], found["tasks"], found["budget"]) == (["dime", "sac"], [TASK], 60)
    assert f"about {found['seeds']} seeds" in answer.lines[0]
    assert found["seeds"] >= 4, "fewer seeds of one task allow no p-value of 5%"
    assert json.loads(dimebench(*words, "--json").out) == found


def test_more_comparisons_need_more_seeds(dimebench: Call, results: Path) -> None:
    def seeds(*options: str) -> int:
        asked = ("power", "dime", "--difference", "0.05", "--simulations", "40", "--json")
        return json.loads(dimebench(*asked, *options).out)["by_formula"]

    assert seeds() < seeds("--comparisons", "6")
    assert seeds() < seeds("--chance", "0.95")


def test_power_from_a_table_of_published_scores(dimebench: Call, place: Path) -> None:
    rows = [
        {"algorithm": name, "task": task, "env_steps": 1000, "seed": seed, "score": level + 10 * (seed % 5)}
        for name, level in (("X", 500), ("Y", 450))
        for task in ("a", "b")
        for seed in range(10)
    ]
    pd.DataFrame(rows).to_csv(place / "scores.csv", index=False)
    answer = dimebench("power", "X", "Y", "--from", "scores.csv", "--simulations", "40")
    assert answer.code == 0
    assert answer.lines[0].startswith("An IQM difference of 0.050 on 2 tasks needs about 3 seeds per task")
    refused(
        dimebench("power", "Z", "--from", "scores.csv", "--difference", "0.1"),
        "scores.csv: no runs of 'Z' (known: X, Y)",
    )


@pytest.fixture
def long_runs(place: Path) -> None:
    """Five seeds of dime on dm_control/dog-run, as long as published ones."""
    for seed in range(5):
        write_run(place / "results", "dime", seed, 300 + 20 * seed, grid=(0, 250_000, 500_000))


def test_power_finds_the_difference_to_a_published_figure(dimebench: Call, long_runs: None) -> None:
    words = ["power", "dime", "paper:SAC@simba", "--simulations", "20"]
    compared = json.loads(dimebench("compare", "dime", "paper:SAC@simba", "--json").out)["published"][0]
    found = json.loads(dimebench(*words, "--json").out)
    one = found["published"]
    assert (one["variant"], one["statistic"], one["score"]) == ("paper:SAC@simba", "mean", compared["score"])
    assert one["own"] == compared["own"]["dime"]["point"] == pytest.approx(0.34)
    assert found["difference"] == pytest.approx(one["own"] - one["score"])
    assert (found["tasks"], found["budget"]) == (["dm_control/dog-run"], 500_000)
    lines = dimebench(*words).lines
    assert f"An IQM difference of {found['difference']:.3f} on 1 task" in lines[0]
    assert "From the spread of dime over 5 seeds" in lines[1]
    assert lines[2].startswith("paper:SAC@simba is published, not run here")
    assert lines[2].endswith("both sides are given the spread of dime.")
    asked = json.loads(dimebench(*words, "--difference", "0.2", "--json").out)
    assert (asked["difference"], asked["published"]) == (0.2, one)
    assert json.loads(dimebench("power", "paper:SAC@simba", "dime", *words[3:], "--json").out)["published"] == one


def test_published_names_without_runs_are_refused_as_compare_does(dimebench: Call, long_runs: None) -> None:
    alone = "not comparable: published aggregates alone; name runs to set beside them"
    for words in (["paper:SAC@simba"], ["paper:SAC@simba", "--difference", "0.1"], ["paper:DIME", "paper:SAC@simba"]):
        refused(dimebench("power", *words), alone, code=4)
    refused(dimebench("compare", "paper:DIME", "paper:SAC@simba"), alone, code=4)
    unknown = dimebench("power", "dime", "paper:DIMEE")
    assert (unknown.code, unknown.out) == (2, "")
    assert "no published figures of 'paper:DIMEE' (nearest: paper:DIME" in unknown.err
    refused(
        dimebench("power", "dime", "paper:DIME", "--from", "x.csv"),
        "paper:DIME: is set beside runs of a results folder; --from x.csv has none: leave one out",
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "power takes one algorithm or two, not 0: dimebench power A [B]"),
        (["a", "b", "c"], "power takes one algorithm or two, not 3: dimebench power A [B]"),
        (["dime"], "power of one algorithm needs a difference to find: --difference 0.05"),
        (["dime", "--difference", "-1"], "--difference -1: must be a number above 0"),
        (["dime", "--difference", "0.1", "--chance", "1"], "--chance 1.0: must be between 0 and 1"),
        (["dime", "sac", "--task", "x"], "--task x: works with --from FILE; a results folder brings its suite's own"),
        (
            ["dime", "sac", "--upper", "9"],
            "--upper 9.0: works with --from FILE; a results folder brings its suite's own",
        ),
        (["dmie", "--difference", "0.1"], "no runs of 'dmie' in suite tiny (nearest: dime)"),
    ],
)
def test_what_cannot_be_answered_is_one_line(arguments: list[str], line: str, dimebench: Call, results: Path) -> None:
    refused(dimebench("power", *arguments), line)
