"""The chain's kernels compile for an H100 at full size. That takes no GPU: Triton brings the assembler."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton", reason="triton is not installed")
if os.environ.get("TRITON_INTERPRET"):
    pytest.skip("TRITON_INTERPRET is set: nothing is compiled", allow_module_level=True)

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from dimebench.agents.parts.chain import kernels
from dimebench.agents.parts.chain.calls import Launch, Shape, launch

SHARED = 227 * 1024  # bytes that a block of threads can have on an H100
WHOLE = {"x_rows", "h_rows", "weights", "turned", "d_out", "h", "d"}  # of the type that products take


def dog_run(seeds: int, rows: int) -> Shape:
    """Of the published score network on dog-run, whose actions have 38 dimensions."""
    return Shape(seeds, rows, steps=16, actions=38, width=256, layers=3, padded=256, padded_actions=64)


def compiled(name: str, how: Launch, precision: str, capability: int = 90, **constants: Any) -> Any:
    """A kernel as its first launch compiles it: pointers at 16 bytes, a number of rows that 16 divides."""
    kernel, constants = getattr(kernels, name), how.constants | constants
    types = {arg: f"*{'bf16' if precision == 'bf16' and arg in WHOLE else 'fp32'}" for arg in kernel.arg_names}
    types |= dict.fromkeys(constants, "constexpr") | {"B": "i32"}
    even = {(i,): [["tt.divisibility", 16]] for i, arg in enumerate(kernel.arg_names) if types[arg] != "constexpr"}
    return triton.compile(ASTSource(kernel, types, constants, even), GPUTarget("cuda", capability, 32), how.options)


def assembled(ptx: str, folder: Path) -> dict[str, int]:
    """Registers and bytes of spills of a thread, as the assembler counts them."""
    (folder / "kernel.ptx").write_text(ptx)
    command = [triton.knobs.nvidia.ptxas.path, "-v", "--gpu-name=sm_90a", "kernel.ptx", "-o", "kernel.cubin"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stderr
    patterns = {"registers": r"Used (\d+) registers", "spills": r"(\d+) bytes spill stores"}
    return {what: int(re.findall(pattern, said)[-1]) for what, pattern in patterns.items()}


def unguarded(ptx: str) -> int:
    """Copies to shared memory with no barrier between them and the stores to global memory before."""
    found, stored = 0, False
    for word in re.findall(r"st\.global|cp\.async\.c[ag]\.|bar\.sync|barrier\.sync", ptx):
        found += stored and word.startswith("cp")
        stored = word == "st.global" or (stored and "bar" not in word)
    return found


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize(
    ("name", "seeds", "rows", "constants"),
    [
        ("forward_kernel", 4, 1, {"PATH": False}),
        ("forward_kernel", 4, 512, {"PATH": False}),
        ("forward_kernel", 4, 256, {"PATH": True}),
        ("backward_kernel", 4, 256, {}),
        pytest.param("forward_kernel", 10, 512, {"PATH": False}, marks=pytest.mark.slow),
        pytest.param("backward_kernel", 10, 256, {}, marks=pytest.mark.slow),
    ],
)
def test_kernels_fit_an_h100(
    name: str,
    seeds: int,
    rows: int,
    constants: dict[str, Any],
    precision: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shared memory suffices, hardly a register is spilled, products go to the tensor cores; and what threads hand to
    each other through global memory is behind a barrier, which the interpreter cannot tell."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    how = launch(dog_run(seeds, rows), precision)
    kernel = compiled(name, how, precision, **constants)
    found = assembled(kernel.asm["ptx"], tmp_path) | {"shared": kernel.metadata.shared}
    print(f"{name} S={seeds} B={rows} {precision}: {how.constants['BM']} rows, {how.grid} programs, {found}")
    assert found["shared"] <= SHARED
    assert found["spills"] < 512
    assert "wgmma.mma_async" in kernel.asm["ptx"]
    assert "cp.async.cg" in kernel.asm["ptx"]
    assert not unguarded(kernel.asm["ptx"])


def test_programs_are_as_many_as_multiprocessors_allow() -> None:
    """The fewest rows that products take, until a second wave of programs would wait for the first."""
    for seeds, rows, tile in ((1, 1, 16), (1, 256, 16), (4, 512, 16), (10, 1, 16), (10, 256, 32), (10, 512, 64)):
        how = launch(dog_run(seeds, rows), "tf32", processors=132)
        assert how.constants["BM"] == tile
        assert how.grid == (seeds, -(-rows // tile))
    assert launch(dog_run(4, 256), "tf32", processors=40).constants["BM"] == 32


@pytest.mark.parametrize(("capability", "shared"), [(80, 163 * 1024), (86, 99 * 1024)])
def test_kernels_fit_smaller_gpus(
    capability: int, shared: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An A100, and what has the least shared memory of all that multiply in TF32."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    how = launch(dog_run(10, 512), "tf32", shared=shared)
    assert compiled("backward_kernel", how, "tf32", capability).metadata.shared <= shared
