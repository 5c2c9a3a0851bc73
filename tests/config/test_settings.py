"""Settings of an algorithm: strict types, one line for what is refused, and which layer wins."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Len, Lt

from dimebench.config import (
    ConfigError,
    cell_settings,
    check_shared_settings,
    parse_variant,
    parse_words,
    resolve_settings,
)
from tests.config.conftest import Write


@dataclass(frozen=True)
class Dime:
    diffusion_steps: Annotated[int, Ge(1)] = 16
    utd: Annotated[int, Ge(1)] = 2
    learning_rate: Annotated[float, Gt(0)] = 3e-4
    gamma: Annotated[float, Gt(0), Lt(1)] = 0.99
    tau: Annotated[float, Ge(0), Le(1)] = 1.0
    critic_hidden: tuple[Annotated[int, Ge(1)], ...] = (2048, 2048)
    betas: tuple[float, float] = (0.5, 0.999)
    activation: Literal["relu", "gelu"] = "gelu"
    renorm: bool = True
    target: float | None = None
    alpha: float | Literal["auto"] = "auto"
    label: str = ""
    actor_hidden: Annotated[tuple[int, ...], Len(1)] = (256, 256)
    batch_size: int = 256
    v_max: float = 200.0


@dataclass(frozen=True)
class Random:
    batch_size: int = 1


@dataclass(frozen=True)
class Ordered:
    must: int
    low: int = 0
    high: int = 1

    def __post_init__(self) -> None:
        if self.high <= self.low:
            raise ValueError(f"high must be more than low, {self.low}")


def test_what_no_layer_names_keeps_its_default() -> None:
    assert resolve_settings(Dime) == Dime()


def test_the_later_layer_wins() -> None:
    settings = resolve_settings(Dime, ("suite", {"utd": 4, "diffusion_steps": 8}), ("dime", {"utd": 1}))
    assert settings == Dime(utd=1, diffusion_steps=8)


def test_the_result_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        resolve_settings(Dime).utd = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "value", "becomes"),
    [
        ("critic_hidden", [64, 64], (64, 64)),
        ("critic_hidden", [], ()),
        ("betas", [0, 1], (0.0, 1.0)),
        ("learning_rate", 1, 1.0),
        ("batch_size", 1e3, 1000),
        ("batch_size", 64.0, 64),
        ("target", None, None),
        ("target", 4, 4.0),
        ("alpha", "auto", "auto"),
        ("alpha", 0.2, 0.2),
        ("activation", "relu", "relu"),
        ("label", "no", "no"),
        ("renorm", False, False),
    ],
)
def test_a_value_takes_the_type_of_its_setting(key: str, value: Any, becomes: Any) -> None:
    read = getattr(resolve_settings(Dime, ("dime", {key: value})), key)
    assert read == becomes
    assert type(read) is type(becomes)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("difusion_steps", 8, "dime.difusion_steps: unknown setting (nearest: diffusion_steps)"),
        ("zzz", 8, "dime.zzz: unknown setting (known: diffusion_steps, utd, learning_rate, gamma, tau, "
         "critic_hidden, betas, activation, ...)"),
        ("utd", 0, "dime.utd=0: must be at least 1"),
        ("utd", "8", 'dime.utd="8": must be a whole number'),
        ("utd", True, "dime.utd=true: must be a whole number"),
        ("utd", 1.5, "dime.utd=1.5: must be a whole number"),
        ("utd", None, "dime.utd=null: must be a whole number"),
        ("utd", -1.0, "dime.utd=-1.0: must be a whole number"),
        ("learning_rate", 0, "dime.learning_rate=0: must be more than 0"),
        ("learning_rate", "fast", "dime.learning_rate=fast: must be a number"),
        ("learning_rate", False, "dime.learning_rate=false: must be a number"),
        ("learning_rate", float("nan"), "dime.learning_rate: nan is no setting's value"),
        ("gamma", 1, "dime.gamma=1: must be less than 1"),
        ("tau", 2, "dime.tau=2: must be at most 1"),
        ("critic_hidden", 64, "dime.critic_hidden=64: must be a list"),
        ("critic_hidden", [64, 0], "dime.critic_hidden=[64,0]: item [1] must be at least 1"),
        ("critic_hidden", [64, "x"], "dime.critic_hidden=[64,x]: item [1] must be a whole number"),
        ("betas", [1.0], "dime.betas=[1.0]: item [1] is missing"),
        ("actor_hidden", [], "dime.actor_hidden=[]: must not be empty"),
        ("activation", "tanh", "dime.activation=tanh: must be 'relu' or 'gelu'"),
        ("renorm", 1, "dime.renorm=1: must be true or false"),
        ("renorm", "no", "dime.renorm=no: must be true or false"),
        ("target", "x", "dime.target=x: must be a number"),
        ("alpha", "x", "dime.alpha=x: must be a number or 'auto'"),
        ("label", 8, "dime.label=8: must be text"),
        ("label", {1}, "dime.label: {1} is no setting's value"),
    ],
)  # fmt: skip
def test_a_setting_that_is_refused_says_why(key: str, value: Any, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_settings(Dime, ("dime", {key: value}))
    assert str(caught.value) == line


def test_rules_between_settings_and_settings_without_a_default() -> None:
    assert resolve_settings(Ordered, ("x", {"must": 1})) == Ordered(must=1)
    with pytest.raises(ConfigError, match=r"^x\.must: is missing and has no default$"):
        resolve_settings(Ordered, ("x", {}))
    with pytest.raises(ConfigError, match=r"^x: high must be more than low, 5$"):
        resolve_settings(Ordered, ("x", {"must": 1, "low": 5}))


CLASSES: dict[str, type] = {"dime": Dime, "sac": Dime, "random": Random}


def request(typed: str) -> Any:
    return parse_words(f"suite=small {typed}".split(), algorithms=[*CLASSES])


def test_from_general_to_particular_the_later_layer_wins(small: Path) -> None:
    asked = request("algo=dime,dime:utd=8,random dime.utd=4 all.learning_rate=1e-3 dime.learning_rate=1e-2")
    plain, variant, random = asked.variants
    dime = cell_settings(Dime, asked, plain, "dm_control/dog-run")
    assert dime == Dime(batch_size=32, diffusion_steps=4, utd=4, learning_rate=1e-2)
    assert cell_settings(Dime, asked, plain, "gymnasium/Ant-v5").v_max == 1600
    assert cell_settings(Dime, asked, variant, "dm_control/dog-run").utd == 8
    assert cell_settings(Random, asked, random, "gymnasium/Ant-v5") == Random(batch_size=32)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("diffusion_steps: 4", "difusion_steps: 4",
         "suites/small.yaml:15: settings.dime.difusion_steps: unknown setting (nearest: diffusion_steps)"),
        ("diffusion_steps: 4", "diffusion_steps: 0",
         "suites/small.yaml:15: settings.dime.diffusion_steps=0: must be at least 1"),
        ("v_max: 1600", "v_max: high",
         "suites/small.yaml:18: task_settings.gymnasium/Ant-v5.dime.v_max=high: must be a number"),
        ("batch_size: 32", "batch_size: big",
         "suites/small.yaml:13: settings.all.batch_size=big: must be a whole number"),
    ],
)  # fmt: skip
def test_a_setting_in_a_file_has_its_line(small: Path, write: Write, old: str, new: str, line: str) -> None:
    write(small.read_text().replace(old, new))
    asked = request("algo=dime")
    with pytest.raises(ConfigError) as caught:
        cell_settings(Dime, asked, asked.variants[0], "gymnasium/Ant-v5")
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("dime.difusion_steps=8", "dime.difusion_steps: unknown setting (nearest: diffusion_steps)"),
        ("dime.utd=0", "dime.utd=0: must be at least 1"),
        ("algo=dime:utd=0", "dime.utd=0: must be at least 1"),
    ],
)
def test_a_setting_in_a_word_is_named_as_typed(small: Path, typed: str, line: str) -> None:
    asked = request(typed)
    with pytest.raises(ConfigError) as caught:
        cell_settings(Dime, asked, asked.variants[0], "dm_control/dog-run")
    assert str(caught.value) == line


def test_a_shared_setting_must_belong_to_some_algorithm(small: Path, write: Write) -> None:
    check_shared_settings(request("algo=dime,random all.utd=1"), CLASSES)
    with pytest.raises(ConfigError, match=r"^all\.utd: no algorithm here has this setting \(known: batch_size\)$"):
        check_shared_settings(request("algo=random all.utd=1"), CLASSES)
    write(small.read_text().replace("batch_size", "tau"))
    check_shared_settings(request("algo=random"), CLASSES)  # meant for algorithms that are left out this time
    write(small.read_text().replace("tau", "batchsize"))
    with pytest.raises(ConfigError) as caught:
        check_shared_settings(request("algo=dime"), CLASSES)
    assert str(caught.value) == (
        "suites/small.yaml:13: settings.all.batchsize: no algorithm here has this setting (nearest: batch_size)"
    )


def test_a_request_made_in_code_has_no_file_to_name(small: Path) -> None:
    from dimebench.config import Request

    asked = request("")
    bare = Request(asked.suite, (parse_variant("dime"),), {})
    assert cell_settings(Dime, bare, bare.variants[0], "dm_control/dog-run").diffusion_steps == 4
