"""Words on the command line: what they make, and the line for each that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dimebench.config import ConfigError, Request, parse_words
from tests.config.conftest import Write, one_line

ALGORITHMS = ["dime", "crossq", "sac", "random"]
pytestmark = pytest.mark.usefixtures("small")


def words(text: str) -> Request:
    return parse_words(text.split(), algorithms=ALGORITHMS)


def refusal(*typed: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_words(list(typed), algorithms=ALGORITHMS)
    return str(caught.value)


def test_a_suite_alone_is_taken_as_it_is() -> None:
    request = words("suite=small")
    assert request.suite.tasks == ["dm_control/walker-run", "dm_control/dog-run", "gymnasium/Ant-v5"]
    assert [variant.name for variant in request.variants] == ["dime", "sac"]
    assert request.settings_overrides == {}


def test_words_may_come_in_any_order() -> None:
    typed = ["dime.utd=1", "task=dog-run", "steps=1e5", "suite=small", "algo=dime:diffusion_steps=8,random"]
    request = parse_words(typed, algorithms=ALGORITHMS)
    assert request == parse_words(typed[::-1], algorithms=ALGORITHMS)
    assert request.suite.budget.env_steps == 100_000
    assert request.suite.tasks == ["dm_control/dog-run"]
    assert request.suite.algorithms == ["dime:diffusion_steps=8", "random"]
    assert [variant.slug for variant in request.variants] == ["dime@diffusion_steps-8", "random"]
    assert request.settings_overrides == {"dime": {"utd": 1}}


def test_a_list_in_a_variant_does_not_end_it() -> None:
    request = words("suite=small algo=dime,dime:critic_hidden=[64,64]:utd=1")
    assert [variant.name for variant in request.variants] == ["dime", "dime:critic_hidden=[64,64]:utd=1"]


def test_tasks_are_kept_in_the_order_of_the_word_with_what_belongs_to_them() -> None:
    suite = words("suite=small task=gymnasium/Ant-v5,walker-run").suite
    assert suite.tasks == ["gymnasium/Ant-v5", "dm_control/walker-run"]
    assert suite.bounds("gymnasium/Ant-v5").upper == 3942
    assert [*suite.task_settings] == ["gymnasium/Ant-v5"]
    alone = words("suite=small task=dog-run").suite
    assert alone.task_settings == {}
    assert alone.score.tasks == {}


def test_sections_are_set_by_key() -> None:
    suite = words(
        "suite=small evaluation.interval=500 evaluation.episodes=2 score.kind=auc budget.action_repeat=2"
    ).suite
    assert (suite.evaluation.interval, suite.evaluation.episodes) == (500, 2)
    assert suite.score.kind == "auc"
    assert (suite.budget.env_steps, suite.budget.action_repeat) == (1000, 2)


def test_two_words_that_are_valid_together_are_accepted() -> None:
    score = words("suite=small score.lower=2000 score.upper=3000").suite.score
    assert (score.lower, score.upper) == (2000, 3000)


def test_steps_may_be_typed_as_researchers_do() -> None:
    assert [words(f"suite=small steps={n}").suite.budget.env_steps for n in ("1e6", "300", "1_000", "2.0")] == [
        1_000_000, 300, 1000, 2
    ]  # fmt: skip


def test_values_keep_their_yaml_types() -> None:
    request = words("suite=small dime.lr=3e-4 dime.sizes=[64,64] all.on=no all.x=null dime.flag=true")
    assert request.settings_overrides == {
        "dime": {"lr": 0.0003, "sizes": [64, 64], "flag": True},
        "all": {"on": "no", "x": None},
    }


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("", "suite=NAME is missing; there are dmc-full, dmc-hard, gym-mujoco, learns, quick, small"),
        ("algo=dime", "suite=NAME is missing; there are dmc-full, dmc-hard, gym-mujoco, learns, quick, small"),
        ("suite=smal", "unknown suite 'smal' (nearest: small)"),
        ("suite=small suite=quick", "suite=quick: suite is already set by suite=small"),
        ("suite=small algo=dime algo=sac", "algo=sac: algo is already set by algo=dime"),
        ("suite=small steps=3 budget.env_steps=4",
         "budget.env_steps=4: budget.env_steps is already set by steps=3"),
        ("suite=small task=dm_control/dog-rum",
         "task=dm_control/dog-rum: unknown task 'dm_control/dog-rum' in suite small (nearest: dm_control/dog-run)"),
        ("suite=small task=dog-rum", "task=dog-rum: unknown task 'dog-rum' in suite small (nearest: dog-run)"),
        ("suite=small task=zzz",
         "task=zzz: unknown task 'zzz' in suite small (known: walker-run, dog-run, Ant-v5)"),
        ("suite=small task=dog-run,dm_control/dog-run",
         "task=dog-run,dm_control/dog-run: dm_control/dog-run is named twice"),
        ("suite=small algo=dme", "algo=dme: unknown algorithm 'dme' (nearest: dime)"),
        ("suite=small algo=dime,crosq:utd=1",
         "algo=dime,crosq:utd=1: unknown algorithm 'crosq' (nearest: crossq)"),
        ("suite=small algo=dime,dime", "algo=dime,dime: dime is named twice"),
        ("suite=small algo=dime:utd=1,dime:utd=1.0",
         "algo=dime:utd=1,dime:utd=1.0: dime:utd=1 is named twice"),
        ("suite=small algo=dime,,sac", "algo=dime,,sac: an item is empty"),
        ("suite=small algo=dime:utd", "algo=dime:utd: 'utd' is not key=value"),
        ("suite=small algo=dime:utd=1:utd=2", "algo=dime:utd=1:utd=2: utd is set twice"),
        ("suite=small algo=dime:h=[1", "algo=dime:h=[1: ] is missing at the end"),
        ("suite=small algo=", "algo=: no value given"),
        ("suite=small steps=-5", "steps=-5: budget.env_steps must be at least 1"),
        ("suite=small steps=0", "steps=0: budget.env_steps must be at least 1"),
        ("suite=small steps=1.5", "steps=1.5: budget.env_steps must be a whole number"),
        ("suite=small steps=many", "steps=many: budget.env_steps must be a whole number"),
        ("suite=small steps='8'", "steps='8': budget.env_steps must be a whole number"),
        ("suite=small steps=true", "steps=true: budget.env_steps must be a whole number"),
        ("suite=small steps=1e13", "steps=1e13: budget.env_steps must be at most 1000000000000"),
        ("suite=small steps=.inf", "steps=.inf: .inf is not a finite number"),
        ("suite=small steps=[1", "steps=[1: malformed value: expected ',' or ']', but got the end"),
        ("suite=small evaluation.interval=0",
         "evaluation.interval=0: evaluation.interval must be at least 1"),
        ("suite=small evaluation.intervall=5",
         "evaluation.intervall=5: unknown key in evaluation (nearest: interval)"),
        ("suite=small budget.zzz=5", "budget.zzz=5: unknown key in budget (known: env_steps, action_repeat)"),
        ("suite=small buget.env_steps=5",
         "buget.env_steps=5: 'buget' is neither a section nor an algorithm (nearest: budget)"),
        ("suite=small dme.utd=5", "dme.utd=5: 'dme' is neither a section nor an algorithm (nearest: dime)"),
        ("suite=small dime.utd.x=5", "dime.utd.x=5: 'utd.x' is no setting's name"),
        ("suite=small crossq.utd=5", "crossq.utd=5: crossq is not among the algorithms (dime, sac)"),
        ("suite=small dime.utd=1 dime.utd=2", "dime.utd=2: dime.utd is already set by dime.utd=1"),
        ("suite=small dime.utd=@", "dime.utd=@: malformed value: found character '@' that cannot start any token"),
        ("suite=small score.kind=best", "score.kind=best: score.kind must be 'final' or 'auc'"),
        ("suite=small score.lower=2000", "score.lower=2000: score.upper must be more than lower, 2000"),
        ("siute=small", "siute=small: unknown key 'siute' (nearest: suite)"),
        ("suite=small tasks=dog-run", "tasks=dog-run: unknown key 'tasks' (nearest: task)"),
        ("suite=small seeds=3", "seeds=3: seeds is an option, write --seeds 3"),
        ("small", "small: not a key=value word, such as suite=small"),
        ("suite=small dime", "dime: not a key=value word, such as algo=dime"),
        ("suite=small zzz", "zzz: not a key=value word, such as suite=dmc-hard"),
        ("suite=small dime:utd=3", "dime:utd=3: a variant is chosen with algo=, write algo=dime:utd=3"),
        ("suite=small =5", "=5: unknown key '' (known: suite, algo, task, steps)"),
    ],
)  # fmt: skip
def test_a_word_that_cannot_be_used_says_why(typed: str, line: str) -> None:
    assert refusal(*typed.split()) == line


def test_a_short_name_that_two_tasks_share_must_be_written_out(write: Write) -> None:
    write("tasks: [dm_control/hopper, gymnasium/hopper]\nalgorithms: [dime]\n")
    line = "task=hopper: 'hopper' could be dm_control/hopper or gymnasium/hopper; write one of them"
    assert refusal("suite=small", "task=hopper") == line


def test_an_unknown_algorithm_in_the_file_is_found_from_words(write: Write) -> None:
    write("tasks: [dm_control/hopper]\nalgorithms:\n- dime\n- dimee\n")
    assert refusal("suite=small", "algo=dime") == (
        "suites/small.yaml:4: algorithms[1]: unknown algorithm 'dimee' (nearest: dime)"
    )


def test_there_may_be_no_suites_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dimebench.config.suites._folders", lambda base: [tmp_path / "nowhere"])
    assert refusal() == "suite=NAME is missing"
    assert refusal("suite=quick") == "unknown suite 'quick'"


KEYS = ["suite", "algo", "task", "steps", "budget.env_steps", "score.tasks", "score.lower", "score.kind", "dime.x"]
VALUES = ["small", "dime", "dime:a=[1,2]", "dog-run", "{", "{a: b}", "[", "..", "1e999", "/", "x.yaml"]
WORD = st.text(max_size=20) | st.builds(
    "{}={}".format,
    st.sampled_from([*KEYS, "all.y", "evaluation.episodes", "dime."]),
    st.text(max_size=12) | st.sampled_from(VALUES),
)


@given(st.lists(WORD, max_size=4), st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_typed_makes_a_request_or_one_line(typed: list[str], with_suite: bool) -> None:
    suite = ["suite=small"] if with_suite else []
    one_line(lambda: parse_words([*typed, *suite], algorithms=ALGORITHMS))
