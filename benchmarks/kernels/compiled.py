"""Inductor's kernels of compiled functions: its code is generated and counted, and the graph goes on eagerly."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch._inductor import compile_fx
from torch._inductor.codecache import PyCodeCache
from torch._inductor.debug import DebugContext
from torch._inductor.graph import GraphLowering
from torch._inductor.virtualized import V
from torch.utils._python_dispatch import _disable_current_modes

from benchmarks.kernels.device import gpu
from benchmarks.kernels.ledger import Ledger, Watch

Result = Callable[[list[Any]], Any]  # of a graph, from its arguments
# Calls in the generated code that are no launch.
TWO_LAUNCHES = {"baddbmm"}  # copies the bias into the result first
KERNEL = re.compile(r"(\w+) = async_compile\.triton\('\w+', '''(.*?)'''", re.S)


@dataclass
class Code:
    """What Inductor made of one graph: a function's forward, backward or inference, for one set of shapes."""

    name: str
    direction: str
    triton: int
    library: Counter[str]
    sources: dict[str, str]  # of its Triton kernels
    bytes: int
    checked: list[int]  # inputs that are copied where they do not lie on 16 bytes
    calls: int = 0
    copies: int = 0  # of such inputs, in all calls
    in_capture: bool = False  # compiled while a graph was captured: fatal on CUDA
    code: str = field(default="", repr=False)


def read(code: str) -> tuple[int, Counter[str], dict[str, str]]:
    """Triton launches, library calls and Triton sources of generated code."""
    sources = dict(KERNEL.findall(code))
    body = KERNEL.sub("", code)
    triton = len(re.findall(r"\b\w+\.run\(", body))
    library = Counter(re.findall(r"\bextern_kernels\.(\w+)\(", body))
    library += Counter(re.findall(r"\b(?:torch\.ops\.)?aten\.([\w.]+)\(", body))
    library += Counter({"copy_": len(re.findall(r"\.copy_\(", body))})
    return triton, library, sources


@contextmanager
def counting(ledger: Ledger, mode: Any) -> Iterator[list[Code]]:
    """torch.compile inside notes into the ledger what its functions would launch; yields the codes as they come."""
    codes: list[Code] = []
    called = ["?"]  # the compiled functions that are being called

    def inner(gm: Any, inputs: Sequence[Any], **options: Any) -> Callable[[list[Any]], Any]:
        with ledger.silent():
            code, make = _generate(called[-1], gm, inputs, options, len(codes))
        code.in_capture = not ledger.outside
        codes.append(code)

        def run(args: list[Any]) -> Any:
            with ledger.silent(), torch.no_grad(), mode:
                result = [one(args) for one in make]
            off = [i for i in code.checked if not _aligned(args[i])]
            label = f"{code.name}, {code.direction}"
            code.calls += 1
            code.copies += len(off)
            ledger.add("triton", label, code.triton, code.bytes)
            products = sum(n * (2 if name in TWO_LAUNCHES else 1) for name, n in code.library.items())
            ledger.add("library", label, products)
            ledger.add("eager", f"{label}: copies of misaligned inputs", len(off))
            args.clear()
            return result

        run._boxed_call = True  # type: ignore[attr-defined]
        return run

    from triton.runtime.jit import JITFunction

    real_compile, real_fx = torch.compile, compile_fx.compile_fx

    def compiled(model: Any = None, **options: Any) -> Any:
        if model is None:
            return lambda model: compiled(model, **options)
        function = real_compile(model, **options)

        def call(*args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():  # part of another compiled function
                return function(*args, **kwargs)
            called.append(getattr(model, "__name__", "?"))
            try:
                with _disable_current_modes(), Watch(ledger):
                    return function(*args, **kwargs)
            finally:
                called.pop()

        return call

    def launched(kernel: Any, *args: Any, **options: Any) -> None:
        ledger.add("triton", kernel.fn.__name__, 1)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(torch, "compile", compiled))
        stack.enter_context(mock.patch.object(JITFunction, "run", launched))  # kernels written by hand
        stack.enter_context(
            mock.patch.object(
                compile_fx, "compile_fx", lambda gm, inputs, **o: real_fx(gm, inputs, **{**o, "inner_compile": inner})
            )
        )
        # Constants would be folded on the device; they are fused into what uses them either way.
        plain = {"fx_graph_cache": False, "compile_threads": 1, "joint_graph_constant_folding": False}
        stack.enter_context(torch._inductor.config.patch(plain))
        stack.enter_context(
            torch._functorch.config.patch(enable_autograd_cache=False, force_non_lazy_backward_lowering=True)
        )
        yield codes


def _generate(
    name: str, gm: Any, inputs: Sequence[Any], options: dict[str, Any], number: int
) -> tuple[Code, list[Result]]:
    """As `compile_fx_inner`, up to the code; and what makes the graph's results."""
    inference, backward = options.get("is_inference", False), options.get("is_backward", False)
    checked = compile_fx.get_input_idxs_to_check(inputs, options.get("static_input_idxs", ()))
    compile_fx.view_to_reshape(gm)
    with torch.no_grad():
        fake_mode = compile_fx.fake_tensor_prop(gm, inputs)
    compile_fx._recursive_record_original_output_strides(gm)
    before = next(iter(gm.graph.find_nodes(op="output"))).args[0]
    with DebugContext(), V.set_fake_mode(fake_mode):
        compile_fx._recursive_post_grad_passes(gm, is_inference=inference)
        graph = GraphLowering(
            gm,
            example_inputs=inputs,
            shape_env=gm.shape_env or compile_fx.shape_env_from_inputs(inputs),
            graph_id=number,
            is_inference=inference,
            is_backward=backward,
        )
        graph.freeze_runtime_asserts()
        with V.set_graph_handler(graph), V.set_extern_kernel_nodes([]):
            graph.run(*inputs)
            _tell_strides(graph.graph_outputs)
            code, _ = graph.codegen()
            size = graph.count_bytes()[0]
    text = code.value
    results = [_result(node, out) for node, out in zip(before, graph.graph_outputs, strict=True)]
    direction = "backward" if backward else "inference" if inference else "forward"
    return Code(name, direction, *read(text), size, list(checked), code=text), results


def _tell_strides(outputs: Sequence[Any]) -> None:
    """The backward graph is traced for tensors as the forward one leaves them."""
    context = torch._guards.TracingContext.try_get()
    if context is not None and context.output_strides is not None:
        layouts = [out.get_layout() if out.has_tensor_output() else None for out in outputs]
        context.output_strides.extend(None if x is None else tuple(int(s) for s in x.stride) for x in layouts)


def _result(node: Any, out: Any) -> Result:
    """Makes one result of a graph: what it was given, or a tensor as Inductor lays it out."""
    if not isinstance(node, torch.fx.Node):
        return lambda _: node
    if node.op == "placeholder":
        return itemgetter([n for n in node.graph.nodes if n.op == "placeholder"].index(node))
    like, layout = node.meta["val"], out.get_layout()
    stride, offset = [int(s) for s in layout.stride], int(layout.offset)
    room = offset + 1 + sum((n - 1) * s for n, s in zip(like.shape, stride, strict=True)) if like.numel() else 0
    new = lambda: torch.empty(room, dtype=like.dtype, device=like.device)  # noqa: E731
    return lambda _: new().as_strided(like.shape, stride, offset)


def _aligned(value: Any) -> bool:
    return not isinstance(value, Tensor) or value.storage_offset() * value.element_size() % 16 == 0


def failures(codes: Sequence[Code]) -> dict[str, str]:
    """Triton kernels that do not compile for sm_90: name -> the first line of the error."""
    nothing = lambda *_: None  # noqa: E731
    with gpu(nothing, nothing, nothing), _disable_current_modes():
        return _failures(codes)


def _failures(codes: Sequence[Code]) -> dict[str, str]:
    found: dict[str, str] = {}
    done: set[str] = set()
    for code in codes:
        for name, source in code.sources.items():
            plain = source.replace(name, "kernel")
            if plain in done:
                continue
            done.add(plain)
            try:
                getattr(PyCodeCache.load(source), name).precompile(warm_cache_only=True)
            except Exception as error:
                lines = str(error).strip().splitlines()
                found[f"{code.name} {code.direction} {name}"] = f"{type(error).__name__}: {lines[0] if lines else ''}"
        print(f"\r{len(done)} Triton kernels compiled for sm_90", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found
