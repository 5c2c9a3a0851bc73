"""The algorithms' pages say what the code does: every function, setting, default and metric is checked."""

from __future__ import annotations

import pkgutil
import re
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import dimebench.agents
from dimebench.agents.registry import algorithm_source, known_algorithms, load_algorithm
from tests.agents.learners import make, streams, train

FOLDER = Path(__file__).parents[2] / "docs" / "algorithms"


def file_of(name: str) -> str:
    """The algorithm's source file, as pages name it."""
    return algorithm_source(name).partition(":")[0].replace(".", "/") + ".py"


BUILT_IN = [name for name in known_algorithms() if file_of(name).startswith("dimebench/")]
LEARNERS = [name for name in BUILT_IN if load_algorithm(name).learns]
PAGES = {name: page.name for page in FOLDER.glob("*.md") for name in LEARNERS if file_of(name) in page.read_text()}


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of every table whose first column is headed `heading`."""
    found, inside = [], False
    for line in (FOLDER / page).read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif cells[0] == heading:
            inside = True
        elif inside and not set(cells[0]) <= {"-"}:
            found.append(cells)
    return found


def shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_setting_stands_on_the_page_with_its_default(name: str) -> None:
    table = [(cells[0].strip("`"), cells[1]) for cells in rows(PAGES[name], "setting")]
    for setting, default in asdict(load_algorithm(name).Settings()).items():
        assert (setting, shown(default)) in table


@pytest.mark.parametrize("page", sorted(set(PAGES.values())))
def test_no_setting_stands_on_the_page_that_the_code_does_not_have(page: str) -> None:
    have = {(key, shown(value)) for name in PAGES if PAGES[name] == page
            for key, value in asdict(load_algorithm(name).Settings()).items()}  # fmt: skip
    assert {(cells[0].strip("`"), cells[1]) for cells in rows(page, "setting")} == have


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_metric_has_a_meaning_and_a_unit(name: str) -> None:
    metrics = set().union(*train(make(name, [0]), streams([0]), 4)) | {"train_return"}
    text = (FOLDER / PAGES[name]).read_text()
    table = {cells[0].strip("`"): cells[1:] for cells in rows(PAGES[name], "metric")}
    for metric in metrics:
        meaning, unit = table[metric]
        assert meaning
        assert unit
    assert all(f"`{metric}`" in text for metric in metrics)


@pytest.mark.parametrize("page", sorted(set(PAGES.values())))
def test_every_equation_names_a_function_that_exists(page: str) -> None:
    names = [each.name for each in pkgutil.walk_packages(dimebench.agents.__path__, "dimebench.agents.")]
    modules = [import_module(name) for name in names if not name.endswith(".kernels")]  # kernels need Triton
    equations = rows(page, "equation")
    assert len(equations) >= 5
    for _, functions in equations:
        named = re.findall(r"`([\w.]+)`", functions)
        assert named
        for name in named:
            head, _, method = name.partition(".")
            owners = [vars(module)[head] for module in modules if head in vars(module)]
            assert owners, name
            assert not method or hasattr(owners[0], method), name


def test_every_learner_has_a_page() -> None:
    assert set(PAGES) == set(LEARNERS)
