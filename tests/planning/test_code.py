"""The digest of a run's code: equal for code that does the same; otherwise the functions that differ are named."""

# ruff: noqa: E501 (small source files, each on a line)

from __future__ import annotations

import ast
import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dimebench
from dimebench.agents.registry import algorithm_source, known_algorithms
from dimebench.envs import known_libraries
from dimebench.envs.libraries.registry import library_source
from dimebench.numbers import differ
from dimebench.planning.code.closure import (
    FACTS,
    FUSED,
    LEFT_OUT,
    LOOP,
    Code,
    Sources,
    code_of,
    code_version,
    shared_code,
)
from dimebench.store.provenance import differing_functions

PACKAGE = Path(dimebench.__file__).parent
DIME, SAC = "dimebench.agents.dime:DIME", "dimebench.agents.sac:SAC"
DOG, HUMANOID = "dm_control/dog-run", "gymnasium/Humanoid-v5"


# --- the package itself ---------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package's sources, to edit."""
    shutil.copytree(PACKAGE, tmp_path / "dimebench", ignore=lambda _, names: [n for n in names if _is_data(n)])
    return tmp_path / "dimebench"


def _is_data(name: str) -> bool:
    return "." in name and not name.endswith(".py")


def code_in(package: Path, algorithm: str = DIME, library: str = "dm_control") -> Code:
    source = library_source(library)
    left_out = {*FUSED, *(f"{source}.{fact}" for fact in FACTS)}
    return Sources({"dimebench": (package,)}).code((algorithm, source, *LOOP), left_out)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) >= 1, f"{file} has no {old!r}"
    file.write_text(text.replace(old, new, 1))


def changed(before: Code, after: Code) -> set[str]:
    """The names of the definitions that differ."""
    names = {*before.definitions, *after.definitions}
    return {name for name in names if before.definitions.get(name) != after.definitions.get(name)}


def test_a_copy_elsewhere_has_the_same_code(copy: Path) -> None:
    assert code_in(copy) == code_of("dime", DOG)


def test_dime_on_dm_control_consists_of_what_can_change_its_numbers() -> None:
    names = set(code_of("dime", DOG).definitions)
    assert names >= {
        *(
            "DIME",
            "DIME.__init__",
            "DIME.update",
            "DIMESettings",
            "CriticSettings",
            "actor_loss",
            "critic_loss",
            "temperature_loss",
        ),
        *("critic_target", "project", "expected_value", "DiffusionPolicy.sample", "ScoreNetwork", "cosine_schedule"),
        *("Critics", "BatchRenorm", "MLP", "Linear", "lecun_normal", "Chain", "relu_mlp"),
        *("ActorCritic", "Adam", "Packed", "Store", "UnstackedSeeds.update", "compiled"),
        *(
            "Trainer",
            "Trainer._env_step",
            "OffPolicyLearner",
            "Replay.add",
            "Replay.restore",
            "Streams",
            "NoiseBuffer",
        ),
        *("generator", "sequence", "Evaluator.evaluate", "Checkpoints.load", "split_block", "Staging"),
        *("prepare", "Captured", "CudaGraphs", "CpuGraphs", "warm_up"),
        *("Protocol.evaluates_at", "build_settings", "WORKER_ENVIRONMENT"),
        *("make_vector_env", "SerialVectorEnv", "ParallelVectorEnv", "VectorEnv.start", "Share.step", "Arrays"),
        *("EnvWorker.serve", "EnvWorkerProcess", "DMControlEnvironment.step", "capture", "put_back", "random_state"),
    }


def test_it_leaves_out_what_cannot() -> None:
    names = {name.partition(".")[0] for name in code_of("dime", DOG).definitions}
    assert not names & {
        *("GymnasiumEnvironment", "SAC", "CrossQ", "Random", "FusedChain", "unserved"),
        *("Records", "RunWriter", "atomic_write", "joules_of", "peak", "resident", "DimebenchError", "nearest"),
        *("load_algorithm", "known_algorithms", "_builder", "make_plan", "film", "physics_fingerprint"),
    }
    assert "FusedChain" in code_of("dime", DOG, "fused").definitions


@pytest.mark.parametrize("algorithm", known_algorithms())
@pytest.mark.parametrize("task", [DOG, HUMANOID])
def test_every_algorithm_has_code_of_its_own_on_every_library(algorithm: str, task: str) -> None:
    code = code_of(algorithm, task)
    assert re.fullmatch("[0-9a-f]{12}", code.digest)
    others = {code_of(name, each).digest for name in known_algorithms() for each in (DOG, HUMANOID)}
    assert len(others) == 2 * len(known_algorithms())
    assert code_of(algorithm, task) is code, "read once"


def test_what_all_algorithms_share_depends_on_the_library_alone() -> None:
    assert shared_code(DOG) == shared_code("dm_control/walker-walk") != shared_code(HUMANOID)
    assert code_version().startswith(f"{dimebench.__version__}+")


def test_what_is_left_out_and_where_the_code_begins_is_there() -> None:
    for name in (*LEFT_OUT, *FUSED, *LOOP, *map(library_source, known_libraries())):
        module, _, attribute = name.partition(":")
        assert not attribute or hasattr(import_module(module), attribute), name


def test_edits_of_text_alone_keep_it(copy: Path) -> None:
    before = code_in(copy)
    replace(copy / "training/replay.py", '"""', '"""Another first word. ')
    replace(copy / "training/replay.py", "import numpy as np\n", "import numpy as np  # a comment\n\n\n")
    replace(copy / "agents/dime.py", "import torch\n", "import torch\n\nif TYPE_CHECKING:\n    from os import path\n")
    replace(copy / "agents/dime.py", "diffusion_steps: Annotated[int, Ge(1)] = 16", "diffusion_steps: 'int' = 16")
    for file in (*copy.glob("agents/**/*.py"), *copy.glob("training/**/*.py"), *copy.glob("envs/**/*.py")):
        file.write_text(ast.unparse(ast.parse(file.read_text())))  # another style, and no comments
    assert code_in(copy) == before


def file_of(package: Path, module: str) -> Path:
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


OTHERS = [
    *(name for name in (*LEFT_OUT, *FUSED) if ":" not in name),
    *(algorithm_source(name).partition(":")[0] for name in known_algorithms() if name != "dime"),
    *("dimebench.envs.libraries.gymnasium", "dimebench.envs.libraries.gymnasium_environment"),
    *("dimebench.video.film", "dimebench.config.suite", "dimebench.planning.plan", "dimebench.planning.code.closure"),
]


@pytest.mark.parametrize("module", OTHERS)
def test_what_a_run_does_not_use_or_only_reports_with_keeps_it(module: str, copy: Path) -> None:
    before = code_in(copy)
    with file_of(copy, module).open("a") as file:
        file.write("\nimport os\nos.umask(7)\nVALUE = 3\n")
    assert code_in(copy) == before


def test_what_an_adapter_says_of_memory_and_bounds_keeps_it(copy: Path) -> None:
    before = code_in(copy)
    adapter = copy / "envs/libraries/dm_control.py"
    replace(adapter, "task=460_000_000", "task=500_000_000")
    replace(adapter, "1000.0", "100.0")
    replace(adapter, 'aliases = ("dmc",)', 'aliases = ("dmc", "suite")')
    assert code_in(copy) == before
    replace(adapter, "DMControlEnvironment(task, seed", "DMControlEnvironment(task, 0")
    assert changed(before, code_in(copy)) == {"DMControl.build"}


def test_what_an_adapters_facts_alone_refer_to_keeps_it(copy: Path) -> None:
    before = code_in(copy, library="gymnasium")
    replace(copy / "envs/libraries/gymnasium.py", "VERSION = 5", "VERSION = 6")
    assert code_in(copy, library="gymnasium") == before


def test_another_line_in_the_registry_keeps_it(copy: Path) -> None:
    before = code_in(copy)
    replace(copy / "agents/registry.py", '"sac": ', '"other": "dimebench.agents.crossq:CrossQ",\n    "sac": ')
    assert code_in(copy) == before


def test_a_moved_file_keeps_it(copy: Path) -> None:
    before = code_in(copy)
    (copy / "training/replay.py").rename(copy / "agents/parts/memory.py")
    replace(copy / "training/off_policy.py", "dimebench.training.replay", "dimebench.agents.parts.memory")
    assert code_in(copy) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("agents/updates/adam.py", "= 0.999, ", "= 0.998, ", {"BETA2", "EPS"}),
        ("agents/dime.py", "= 16  # N;", "= 8  # N;", {"DIMESettings"}),
        ("training/loop.py", "self.env_step += 1", "self.env_step += 2", {"Trainer._env_step"}),
        ("training/rng.py", "import numpy as np\n", "import numpy as np\n\nnp.seterr(all='ignore')\n", {"module-level statements"}),
        ("envs/libraries/dm_control_environment.py", "-1.0, spec.minimum", "-2.0, spec.minimum", {"DMControlEnvironment.__init__"}),
        ("envs/worker.py", "EnvWorker(Connection(int(sys.argv[1]))).serve()", "serve()", {"main"}),
        ("agents/parts/renorm.py", "@staticmethod", "@classmethod", None),
        ("training/block.py", "self.eval_interval // 10", "self.eval_interval // 5", {"Protocol.logging_interval"}),
    ],
)  # fmt: skip
def test_an_edit_that_can_change_numbers_alters_it_and_is_named(
    file: str, old: str, new: str, named: set[str] | None, copy: Path
) -> None:
    before = code_in(copy)
    replace(copy / file, old, new)
    after = code_in(copy)
    assert after.digest != before.digest
    if named is not None:
        assert changed(before, after) == named


def test_an_edit_of_one_algorithm_alters_no_other(copy: Path) -> None:
    sac, dime = code_in(copy, SAC), code_in(copy)
    replace(copy / "agents/sac.py", "return", "return 1 *")
    assert code_in(copy) == dime
    assert code_in(copy, SAC).digest != sac.digest


# --- small packages -------------------------------------------------------------------------------------------


def code(files: Mapping[str, str], root: str = "pkg.a:f", left_out: tuple[str, ...] = ()) -> Code:
    """The code of a package made of these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"__init__.py": "", **files}.items():
            file = Path(folder) / "pkg" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return Sources({"pkg": (Path(folder) / "pkg",)}, left_out).code([root])


ALIKE = {
    "import numpy as np\ndef f(x): return np.zeros(x)": [
        "from numpy import zeros\ndef f(x): return zeros(x)",
        "from numpy import zeros as nil\ndef f(x): return nil(x)",
        "import numpy\ndef f(x): return numpy.zeros(x)",
        "def f(x):\n    import numpy as n\n    return n.zeros(x)",
        "def f(x):\n    from numpy import zeros\n    return zeros(x)",
        "import numpy as np\ndef f(x):\n    'Text.'\n    return np.zeros(x)",
        "import numpy as np\ndef f(x: int) -> 'np.ndarray':\n    y: int\n    return (  # why\n        np.zeros(x))",
        "import numpy as np\nimport os\nUNUSED = 3\ndef other(): return os.sep\ndef f(x): return np.zeros(x)",
        "import numpy as np\nT = __import__\ndef f(x): return np.zeros(x)",
        "from typing import TypeVar\nimport numpy as np\nT = TypeVar('T')\ndef f(x: T) -> T: return np.zeros(x)",
        "import numpy as np\ndef f(x): return np.zeros(x)\nif __name__ == '__main__':\n    f(3)",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\nimport numpy as np\ndef f(x): return np.zeros(x)",
    ],
    "def f(x):\n    if x: raise ValueError('no x')\n    return {}": [
        "def f(x):\n    if x: raise ValueError(f'there is no {x}')\n    return {}",
        "def f(x):\n    if x:\n        pass\n        raise ValueError('')\n    return {}",
    ],
    "class A:\n    y = 1\n    def g(self): return 2\n    def h(self): return 3\ndef f(): return A": [
        "class A:\n    'Text.'\n    y: int = 1\n    def h(self): return 3\n    def g(self): return 2\ndef f(): return A",
        "def f(): return A\nclass A:\n    y = 1\n    summary = 'what it is'\n    def g(self): return 2\n    def h(self): return 3",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("text", "other"), [(text, other) for text, others in ALIKE.items() for other in others])
def test_the_same_in_other_words(text: str, other: str) -> None:
    assert code({"a.py": text}) == code({"a.py": other})


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": "from pkg.b import g\ndef f(): return g(1)", "b.py": "def g(x): return x + K\nK = 2"},
        {"a.py": "from .b import g\ndef f(): return g(1)", "b.py": "from pkg.c.d import K\ndef g(x): return x + K", "c/d.py": "K = 2"},
        {"a.py": "import pkg.b as b\ndef f(): return b.g(1)", "b.py": "def g(x): return x + K\nK = 2"},
        {"a.py": "import pkg.b\ndef f(): return pkg.b.g(1)", "b.py": "K = 2\ndef g(x): return x + K"},
        {"a.py": "def f():\n    from . import b\n    return b.g(1)", "b.py": "K = 2\ndef g(x): return x + K"},
        {"a.py": "from pkg import g as h\ndef f(): return h(1)", "b.py": "K = 2\ndef g(x): return x + K", "__init__.py": "from pkg.b import g"},
        {"a.py": "from pkg.b import *\ndef f(): return g(1)", "b.py": "K = 2\ndef g(x): return x + K"},
    ],
)  # fmt: skip
def test_a_definition_may_stand_in_any_file_and_come_by_any_import(files: dict[str, str]) -> None:
    assert code(files) == code({"a.py": "K = 2\ndef g(x): return x + K\ndef f(): return g(1)"})


OTHER = [
    ("def f(): return 1", "def f(): return 2", "f"),
    ("def f(): return 1", "def f(): return 1.0", "f"),
    ("def f(x): return x", "def f(x=3): return x", "f"),
    ("def f(x): return x", "from functools import cache\n@cache\ndef f(x): return x", "f"),
    ("def f(x):\n    g(x)\n    h(x)", "def f(x):\n    h(x)\n    g(x)", "f"),
    ("K = 1\ndef f(): return K", "K = 2\ndef f(): return K", "K"),
    ("K = [1]\ndef f(): return K", "K = [1]\nK.append(2)\ndef f(): return K", "module-level statements"),
    ("def f(): return 1", "import os\nos.environ['A'] = 'b'\ndef f(): return 1", "module-level statements"),
    ("def f(): return 1", "import torch\nOLD = torch.set_default_dtype(3)\ndef f(): return 1", "OLD"),
    ("def f(): return 1", "from os import register\n@register\ndef g(): pass\ndef f(): return 1", "g"),
    (
        "import random as r\ndef f(): return r.random()",
        "from numpy import random as r\ndef f(): return r.random()",
        "f",
    ),
    ("def f(): return 1", "if 3 > 2:\n    def f(): return 1", None),
    (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\ndef f(): return A",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 2\ndef f(): return A",
        "A",
    ),
    (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n    y: int\ndef f(): return A",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    y: int\n    x: int\ndef f(): return A",
        "A",
    ),
    (
        "class A:\n    def g(self): return 1\nclass B(A): pass\ndef f(): return B",
        "class A: pass\nclass B(A):\n    def g(self): return 1\ndef f(): return B",
        "B.g",
    ),
    (
        "class A:\n    def g(self): return 1\ndef f(): return A",
        "class A:\n    def g(self): return 2\ndef f(): return A",
        "A.g",
    ),
    ("class A: pass\nclass B(A): pass\ndef f(): return B", "class A: pass\nclass B: pass\ndef f(): return B", "B"),
    ("x = 1\ndef f(): return x", "x = 1\ndef f(x): return x", "f"),
]


@pytest.mark.parametrize(("text", "other", "named"), OTHER)
def test_something_else_is_told_and_named(text: str, other: str, named: str | None) -> None:
    before, after = code({"a.py": text}), code({"a.py": other})
    assert before.digest != after.digest
    assert named is None or named in changed(before, after)


def test_two_definitions_of_one_name_are_told_apart() -> None:
    files = {"b.py": "def g(): return 1", "c.py": "def g(): return 2", "a.py": "from pkg.b import g\nfrom pkg.c import g as h\ndef f(): return g() - h()"}  # fmt: skip
    swapped = files | {"a.py": files["a.py"].replace("g() - h()", "h() - g()")}
    assert changed(code(files), code(swapped)) == {"f"}


def test_a_module_imported_for_what_it_does_counts() -> None:
    files = {"a.py": "import pkg.b\ndef f(): return 1", "b.py": "import os\nos.umask(7)\nUNUSED = 1"}
    assert code(files) == code(files | {"b.py": "import os\nos.umask(7)\nUNUSED = 2"})
    assert code(files).digest != code(files | {"b.py": "import os\nos.umask(6)"}).digest


def test_a_module_named_in_text_counts_whole() -> None:
    files = {"a.py": "def f(): return ['python', '-m', 'pkg.b']", "b.py": "def main(): return 1"}
    moved = {"a.py": files["a.py"].replace("pkg.b", "pkg.c.d"), "c/d.py": files["b.py"], "c/__init__.py": ""}
    assert code(files) == code(moved)
    assert changed(code(files), code(files | {"b.py": "def main(): return 2"})) == {"main"}


def test_what_is_left_out_is_a_name_alone() -> None:
    files = {"a.py": "from pkg.log import write\ndef f(): return write(1)", "log.py": "def write(x): print(x)"}
    elsewhere = {"a.py": files["a.py"].replace("pkg.log", "pkg.logs.all"), "logs/all.py": "def write(x): pass"}
    assert code(files, left_out=("pkg.log",)) == code(elsewhere, left_out=("pkg.logs",))


def test_code_that_refers_in_circles_is_followed_once() -> None:
    files = {"a.py": "from pkg import b\ndef f(): return b.g()", "b.py": "from pkg import a\ndef g(): return a.f()"}
    assert set(code(files).definitions) == {"f", "g"}


def test_a_package_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("K = 2\nclass Mine:\n    def act(self): return K")
    found = Sources({"mine": (tmp_path / "mine.py",)}).code(["mine:Mine"])
    assert set(found.definitions) == {"K", "Mine", "Mine.act"}


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "1", "2", "1.0", "K", "'x'"]),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner)
        | st.builds("[{} for {} in {}]".format, inner, st.sampled_from("ab"), inner)
        | st.builds("(lambda {}: {})".format, st.sampled_from("ab"), inner)
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, EXPRESSIONS)
@settings(deadline=None, max_examples=60)
def test_two_functions_have_one_digest_exactly_when_their_trees_are_equal(one: str, other: str) -> None:
    def digest(expression: str, more: str = "") -> str:
        return code({"a.py": f"K = 3\ndef f(a, b):\n{more}    return {expression}\n"}).digest

    alike = ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    assert (digest(one) == digest(other)) == alike
    assert digest(one) == digest(f"(\n\n{one})", "    'Text.'\n    # why\n")


def test_functions_that_differ_are_told_in_a_few_words() -> None:
    assert differ(differing_functions({"a": "1", "b": "2"}, {"a": "1", "b": "3"})) == "b differs"
    assert differ(differing_functions({"a": "1"}, {"b": "2"})) == "a, b differ"
    many = dict.fromkeys("abcde", "1")
    assert differ(differing_functions(many, {})) == "a, b, c and 2 more differ"
    assert differ(differing_functions(None, many)) == "", "not known"
