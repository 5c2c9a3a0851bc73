"""Engines by name, those of packages too; and the exit code that an outcome stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from dimebench.engines.base import Engine, EngineError, EngineOptions
from dimebench.engines.events import Outcome, PoolSettings
from dimebench.engines.jobs import job_statuses
from dimebench.engines.manifest import JobManifest
from dimebench.engines.registry import BUILT_IN, known_engines, load_engine
from dimebench.errors import UsageError
from dimebench.planning.plan import Plan, make_plan
from tests.packages import install
from tests.planning.requests import request

MODULE = """
from dimebench.engines.local.engine import Local


class Aloud(Local):
    name = "aloud"

    def run(self, plan, request, settings, on_event):
        print("aloud:", plan.suite)
        return super().run(plan, request, settings, on_event)
"""


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_engine_is_loaded_by_the_name_that_it_bears(name: str) -> None:
    engine = load_engine(name)
    assert issubclass(engine, Engine)
    assert engine.name == name


def test_an_unknown_engine_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"^--on slrum: unknown engine \(nearest: slurm\)$"):
        load_engine("slrum")


def test_a_package_adds_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = install(tmp_path / "site", "aloud", MODULE, "dimebench.engines", {"aloud": "aloud:Aloud"})
    assert "aloud" not in known_engines()
    monkeypatch.syspath_prepend(site)
    engine = load_engine("aloud")(EngineOptions(), [])
    plan = Plan("tiny", tmp_path / "results", [])
    assert engine.run(plan, request(), PoolSettings(), lambda event: None) == Outcome()
    assert capsys.readouterr().out == "aloud: tiny\n"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("a_package_that_is_not_there:Nothing", "cannot be loaded: No module named 'a_package_that_is_not_there'"),
        ("no_engine:Local", "is not an Engine class"),
    ],
)
def test_a_faulty_engine_is_one_line(
    value: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "class Local:\n    pass\n"
    monkeypatch.syspath_prepend(install(tmp_path / "site", "no_engine", module, "dimebench.engines", {"mute": value}))
    with pytest.raises(EngineError) as caught:
        load_engine("mute")
    assert str(caught.value) == f"engine 'mute' ({value}) {problem}"


def test_jobs_of_an_engine_that_is_not_installed_are_passed_by(tmp_path: Path) -> None:
    plan = make_plan(request(), [0], tmp_path, "cpu")
    for engine in ("aloud", "ray"):
        JobManifest.write(plan, PoolSettings(), engine)
    assert job_statuses(tmp_path) == []


@pytest.mark.parametrize(
    ("failed", "conflicts", "diverged", "interrupted", "code"),
    [
        (0, 0, 0, False, 0),
        (2, 0, 0, False, 3),
        (2, 1, 0, False, 3),
        (2, 2, 0, False, 4),
        (0, 0, 1, False, 3),
        (1, 1, 1, True, 130),
    ],
)
def test_an_outcome_says_the_exit_code(
    failed: int, conflicts: int, diverged: int, interrupted: bool, code: int, tmp_path: Path
) -> None:
    ((_, block),) = make_plan(request(), [0], tmp_path, "cpu").blocks()
    outcome = Outcome([(block, "why")] * failed, conflicts, [(block, 0, "nan")] * diverged, interrupted)
    assert outcome.exit_code == code
