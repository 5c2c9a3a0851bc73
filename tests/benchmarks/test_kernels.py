"""What the counter of kernels says of functions whose kernels are known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.kernels.compiled import read
from benchmarks.kernels.device import why_not
from benchmarks.kernels.launches import BLOCKS, CHUNK, chunked, dense

ROOT = Path(__file__).parents[2]
KNOWN = {  # launches: those of tests/benchmarks/known_kernels.py by name
    "a sum": 1,
    "views": 0,
    "an empty tensor": 0,
    "a tensor of zeros": 1,
    "a product with a bias": 2,
    "a product with a bias along its rows": 1,
    "the gradient of a slice": 2,
    "padding": 2,
    "padding by nothing": 1,
    "a copy to the device": 1,
    "Adam over three tensors": 2,
    "copies of three tensors alike": 1,
    "copies of three tensors with gaps": 3,
    "three pointwise operations": 3,
    "three pointwise operations, compiled": 1,
    "a product and what follows it, compiled": 2,
    "forward and backward, compiled": 2,
    "an aligned row, compiled": 1,
    "a row off 16 bytes, compiled for an aligned one": 2,
    "a kernel by hand": 1,
    "a graph of two kernels, replayed three times": 6,
}


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    if lacks := why_not():
        pytest.skip(lacks)
    command = [sys.executable, "-m", "tests.benchmarks.known_kernels"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("what", KNOWN)
def test_a_known_function_launches_as_many_kernels_as_are_counted(counted: dict[str, int], what: str) -> None:
    assert counted[what] == KNOWN[what]


def test_no_other_function_is_counted(counted: dict[str, int]) -> None:
    assert counted.keys() == KNOWN.keys()


def test_a_learner_s_step_is_counted_by_part_and_nothing_is_compiled_in_a_capture() -> None:
    if lacks := why_not():
        pytest.skip(lacks)
    command = [sys.executable, "-m", "benchmarks.kernels", "sac", "--seeds", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=ROOT)
    if done.stderr.startswith("kernels: "):
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    (count,) = json.loads(done.stdout)["counts"]
    by_part: dict[str, float] = {}
    for line in count["lines"]:
        by_part[line["part"]] = by_part.get(line["part"], 0) + line["launches"]
    assert sum(by_part.values()) == pytest.approx(count["launches"])
    assert {"act", "critic update", "critic update, backward", "actor objective", "temperature"} <= by_part.keys()
    assert by_part["target networks"] == 1
    assert count["compiled"]
    assert not any(code["in_capture"] for code in count["compiled"])


def test_many_tensors_share_a_launch_as_long_as_its_tables_hold_them() -> None:
    assert chunked([1] * 110, 1) == 1
    assert chunked([1] * 111, 1) == 2
    assert chunked([1] * 36, 4) == 1
    assert chunked([1] * 37, 4) == 2
    assert chunked([CHUNK * BLOCKS], 4) == 1
    assert chunked([CHUNK * BLOCKS + 1], 4) == 2
    assert chunked([0, 0], 2) == 0


def test_a_tensor_with_gaps_is_not_dense() -> None:
    whole = torch.zeros(4, 6)
    assert dense(whole)
    assert dense(whole.t())
    assert dense(whole[:1])
    assert not dense(whole[:, :3])


def test_generated_code_is_read_by_what_it_calls() -> None:
    code = """
triton_poi_fused_add_0 = async_compile.triton('triton_poi_fused_add_0', '''
def triton_poi_fused_add_0(in_ptr0, out_ptr0):
    other.run(1)
''', device_str='cuda')
def call(self, args):
    extern_kernels.baddbmm(primals_1, primals_2, primals_3, out=buf0)
    extern_kernels.bmm(buf0, primals_4, out=buf1)
    triton_poi_fused_add_0.run(buf1, buf2, 512, stream=stream0)
    triton_poi_fused_add_0.run(buf2, buf3, 512, stream=stream0)
"""
    triton, library, sources = read(code)
    assert triton == 2
    assert library == {"baddbmm": 1, "bmm": 1}
    assert list(sources) == ["triton_poi_fused_add_0"]
