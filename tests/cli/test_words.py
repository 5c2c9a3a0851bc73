"""The words of `run`: an unknown name, a value out of range, a broken suite file. Nothing is ever written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.calls import TINY, Call, refused, snapshot

SHIPPED = "dmc-full, dmc-hard, gym-mujoco, learns, quick"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", f"suite=NAME is missing; there are {SHIPPED}, tiny"),
        ("suite=tinny", "unknown suite 'tinny' (nearest: tiny)"),
        ("suite=../../etc", f"unknown suite '../../etc' (known: {SHIPPED}, tiny)"),
        ("suite=tiny.yaml", "tiny.yaml: no such file; suite=tiny is the suite of that name"),
        ("tiny", "tiny: not a key=value word, such as suite=tiny"),
        ("suite=tiny algo=dmie", "algo=dmie: unknown algorithm 'dmie' (nearest: dime)"),
        ("suite=tiny algo=dime,sax", "algo=dime,sax: unknown algorithm 'sax' (nearest: sac)"),
        ("suite=tiny algo=dime,", "algo=dime,: an item is empty"),
        ("suite=tiny algo=dime,dime", "algo=dime,dime: dime is named twice"),
        (
            "suite=tiny task=pole",
            "task=pole: unknown task 'pole' in suite tiny (nearest: cartpole-balance)",
        ),
        ("suite=quick task=stand", "task=stand: unknown task 'stand' in suite quick (nearest: walker-stand)"),
        ("suite=tiny stpes=5", "stpes=5: unknown key 'stpes' (nearest: steps)"),
        ("suite=tiny steps=5 steps=6", "steps=6: budget.env_steps is already set by steps=5"),
        ("suite=tiny seeds=3", "seeds=3: seeds is an option, write --seeds 3"),
        ("suite=tiny budgte.a=5", "budgte.a=5: 'budgte' is neither a section nor an algorithm (nearest: budget)"),
        ("suite=tiny budget.env_stpes=5", "budget.env_stpes=5: unknown key in budget (nearest: env_steps)"),
        ("suite=tiny steps=-5", "steps=-5: budget.env_steps must be at least 1"),
        ("suite=tiny steps=0", "steps=0: budget.env_steps must be at least 1"),
        ("suite=tiny steps=ten", "steps=ten: budget.env_steps must be a whole number"),
        ("suite=tiny steps=", "steps=: no value given"),
        ("suite=tiny evaluation.episodes=0", "evaluation.episodes=0: evaluation.episodes must be at least 1"),
        ("suite=tiny score.upper=-1", "score.upper=-1: score.upper must be more than lower, 0"),
        ("suite=tiny dime.difusion_steps=3", "dime.difusion_steps: unknown setting (nearest: diffusion_steps)"),
        ("suite=tiny algo=dime:difusion_steps=3", "dime.difusion_steps: unknown setting (nearest: diffusion_steps)"),
        ("suite=tiny algo=dime:diffusion_steps", "algo=dime:diffusion_steps: 'diffusion_steps' is not key=value"),
        ("suite=tiny algo=dime:utd=0", "dime.utd=0: must be at least 1"),
        ("suite=tiny dime.utd=0", "dime.utd=0: must be at least 1"),
        ("suite=tiny dime.utd=many", "dime.utd=many: must be a whole number"),
        ("suite=tiny dime.gamma=2", "dime.gamma=2: must be at most 1"),
        ("suite=tiny all.batch_szie=8", "all.batch_szie: no algorithm here has this setting (nearest: batch_size)"),
        ("suite=tiny algo=sac dime.utd=2", "dime.utd=2: dime is not among the algorithms (sac)"),
        ("suite=tiny dime.utd=[1", "dime.utd=[1: malformed value: expected ',' or ']', but got the end"),
    ],
)
def test_words_that_cannot_be_used_are_named(words: str, line: str, dimebench: Call, place: Path) -> None:
    before = snapshot(place)
    refused(dimebench("run", *words.split(), "--seeds", "1", "--device", "cpu"), line)
    assert snapshot(place) == before, "nothing is written for a request that is refused"


def test_a_task_that_the_suite_names_but_nobody_has_is_refused(dimebench: Call, place: Path) -> None:
    (place / "suites" / "tiny.yaml").write_text(TINY.replace("cartpole-balance", "cartpole-balanse"))
    nearest = "dm_control/cartpole-balance, dm_control/cartpole-balance_sparse"
    line = f"unknown task 'dm_control/cartpole-balanse' (nearest: {nearest})"
    refused(dimebench("run", "suite=tiny", "--device", "cpu"), line)
    assert not (place / "results").exists()


OPEN_QUOTE = "found unexpected end of stream, while scanning a quoted scalar that starts on line 1"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("budget: {", "budget: [", "5: malformed YAML: expected ',' or ']', but got '}'"),
        ("name: tiny", "name: 'tiny", f"10: malformed YAML: {OPEN_QUOTE}"),
        ("algorithms:", "\talgorithms:", "4: malformed YAML: found character '\\t' that cannot start any token"),
        ("interval: 30", "intervall: 30", "6: evaluation.intervall: unknown key (nearest: interval)"),
        ("env_steps: 60", "env_steps: -60", "5: budget.env_steps: must be at least 1, not -60"),
        ("env_steps: 60", "env_steps: many", "5: budget.env_steps: must be a whole number, not 'many'"),
        ("[dime,", "[dmie,", "4: algorithms[0]: unknown algorithm 'dmie' (nearest: dime)"),
        ("  dime: {", "  dmie: {", "9: settings.dmie: unknown algorithm 'dmie' (nearest: dime)"),
        ("diffusion", "difusion", "9: settings.dime.difusion_steps: unknown setting (nearest: diffusion_steps)"),
        ("batch_size: 8", "batch_size: 0", "8: settings.all.batch_size=0: must be at least 1"),
        ("[dm_control/cartpole-balance]", "[]", "3: tasks: must not be empty"),
        ("tasks:", "task:", "3: task: unknown key (nearest: tasks)"),
    ],
)
def test_a_broken_suite_file_is_named_with_its_line(
    old: str, new: str, line: str, dimebench: Call, place: Path
) -> None:
    assert old in TINY
    (place / "suites" / "tiny.yaml").write_text(TINY.replace(old, new, 1))
    refused(dimebench("run", "suite=tiny", "--device", "cpu"), f"suites/tiny.yaml:{line}")
    assert not (place / "results").exists()
