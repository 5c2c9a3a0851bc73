"""The recipes of CONTRIBUTING.md work: each is followed to the letter, in a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.calls import process
from tests.docs.pages import ROOT

Recipes = dict[str, list[tuple[str, str]]]
RECORDED = str(ROOT / "results" / "recorded")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package and its suites."""
    shutil.copytree(ROOT / "dimebench", tmp_path / "dimebench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    return tmp_path


def follow(blocks: list[tuple[str, str]], tree: Path) -> list[str]:
    """Do what the blocks of a recipe say. Returns what each command printed."""
    said = []
    for language, content in blocks:
        if language == "sh":
            said += [typed(line, tree) for line in content.splitlines()]
            continue
        place, _, code = content.partition("\n")
        path, _, target = place.removeprefix("# ").partition(": ")
        file = tree / path
        if target:
            assert file.exists(), f"{path} is not there to be changed"
            file.write_text(added(file.read_text(), target, code))
        else:
            assert not file.exists(), f"{path} is there already"
            assert file.parent.is_dir(), f"{path} has no folder"
            file.write_text(code)
    return said


def added(text: str, target: str, code: str) -> str:
    """The module with lines added at the head of a list or mapping, and imports below its docstring's."""
    lines = code.splitlines(keepends=True)
    imports = [line for line in lines if line.startswith(("from ", "import "))]
    entries = [line for line in lines if line not in imports]
    head = re.search(rf"^{target}\b.*[(\[{{]$\n", text, re.MULTILINE)
    assert head is not None, target
    text = text[: head.end()] + "".join(entries) + text[head.end() :]
    start = text.index("from __future__ import annotations\n") + len("from __future__ import annotations\n")
    return text[:start] + "".join(imports) + text[start:]


def typed(line: str, tree: Path) -> str:
    """What a command prints, run in the copy."""
    program, *words = line.replace("$RECORDED", RECORDED).split()
    assert program == "dimebench"
    path = os.pathsep.join([str(tree), *filter(None, [os.environ.get("PYTHONPATH")])])
    answer = process(*words, cwd=tree, env={"PYTHONPATH": path})
    assert (answer.code, answer.trouble) == (0, ""), f"{line}\n{answer.err}{answer.out}"
    return answer.out


def test_there_is_a_recipe_for_each_kind_of_addition(recipes: Recipes) -> None:
    assert list(recipes) == [f"Add {what}" for what in _KINDS]


_KINDS = ("an algorithm", "a suite", "an environment library", "a figure", "an engine")


def test_an_algorithm_is_added(recipes: Recipes, tree: Path) -> None:
    shown, trained, compared = follow(recipes["Add an algorithm"], tree)
    assert "a linear actor and a linear critic" in shown
    assert "4 runs finished" in trained
    assert "linear" in compared
    assert "random" in compared
    metrics = tree / "results" / "quick" / "linear" / "dm_control" / "cartpole-swingup" / "seed-001" / "train.parquet"
    assert metrics.exists()


def test_a_suite_is_added(recipes: Recipes, tree: Path) -> None:
    listed, shown, planned = follow(recipes["Add a suite"], tree)
    assert "reach" in listed
    assert "Two reaching tasks at a small budget" in shown
    assert "reacher-hard" in planned


def test_an_environment_library_is_added(recipes: Recipes, tree: Path) -> None:
    shown, trained, compared = follow(recipes["Add an environment library"], tree)
    assert "point/stay" in shown
    assert "4 runs finished" in trained
    assert "point/stay" in compared


def test_a_figure_is_added(recipes: Recipes, tree: Path) -> None:
    follow(recipes["Add a figure"], tree)
    written = sorted(path.name for path in (tree / "report" / "learns" / "figures").glob("p_values.*"))
    assert written == ["p_values.pdf", "p_values.png", "p_values.svg"]


def test_an_engine_is_added(recipes: Recipes, tree: Path) -> None:
    (trained,) = follow(recipes["Add an engine"], tree)
    assert "4 runs finished" in trained  # two tasks, two seeds
