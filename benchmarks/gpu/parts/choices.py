"""Small experiments that decide open questions: which Adam, which widths, a second stream, which order, which chain.

Tensors have the sizes of DIME on dog-run. What is timed on a GPU is a captured graph: launches do not count.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.learners import Setting, made, tidy
from benchmarks.gpu.session import Case, Session
from dimebench.agents.base import Dims
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.execution import ExecutableAgent
from dimebench.planning.clock import repeat
from dimebench.training.execution.graphs import CudaGraphs
from dimebench.training.rng import generator

DOG = Dims(obs=223, act=38)
SMALL = {"critic_hidden": (8, 8), "score_hidden": (8,), "time_frequencies": 4, "time_embedding": 4, "atoms": 11}
# A product's (rows, inputs, outputs), and the widths to try in place of the odd one.
WIDTHS = {
    "critics' inputs": ("inputs", (512, 261, 2048), (261, 264, 288)),
    "critics' atoms": ("outputs", (512, 2048, 101), (101, 104, 128)),
    "chain's inputs": ("inputs", (256, 38, 256), (38, 40, 64)),
    "chain's outputs": ("outputs", (256, 256, 38), (38, 40, 64)),
}
IN_A_ROW = 16  # products in one graph


def run(session: Session) -> None:
    seconds, several = (0.5, 10) if session.on_gpu else (0.05, 2)
    for seeds in (several, 1):
        for kind in ("fused", "foreach", "by hand, compiled"):
            session.do(f"Adam {kind} S={seeds}", _adam, session, kind, seeds, seconds, kind=kind)
    mode, precision = ("compile+graph", "tf32") if session.on_gpu else ("graph", "float32")
    dime = [Setting("dime", seeds, mode, precision) for seeds in ((10, 1) if session.on_gpu else (1,))]
    session.do(f"order and second stream, {dime[0].name}", _order, session, dime[0], seconds, True)
    for what in WIDTHS:
        for low in (False, True):
            session.do(
                f"{what} {'bf16' if low else 'tf32'} S={several}", _widths, session, what, low, several, seconds
            )
    session.do(f"order, {dime[-1].name}", _order, session, dime[-1], seconds, False)
    for setting in dime:
        session.do(f"chain, {setting.name}", _chains, session, setting, seconds)


# --- Adam -----------------------------------------------------------------------------------------------------


def _adam(case: Case, session: Session, kind: str, seeds: int, seconds: float) -> None:
    """Over all parameters of DIME, actor and critics, each tensor by itself."""
    tidy(session.device)
    algorithm, device = load_algorithm("dime"), session.device
    settings = algorithm.Settings(**({} if session.on_gpu else SMALL))
    agent: Any = algorithm(DOG, settings, [generator(seed, "parameters") for seed in range(seeds)], device)
    parameters = [p.detach().clone() for module in agent.modules.values() for p in module.parameters()]
    del agent
    drawn = torch.Generator(device=device).manual_seed(0)
    gradients = [torch.randn(p.shape, generator=drawn, device=device) for p in parameters]
    expected = [p.clone() for p in parameters]
    reference = torch.optim.Adam(_with(expected, gradients), 3e-4, (0.5, 0.999), eps=1e-8, foreach=False)
    reference.step()
    step = _step(kind, parameters, gradients, session.on_gpu)
    step()
    off = max(float((p.detach() - e.detach()).abs().max()) for p, e in zip(parameters, expected, strict=True))
    del expected, reference
    case.values |= {"worst": off, "parameters": sum(p.numel() for p in parameters), "tensors": len(parameters)}
    case.check("it is Adam", off < 1e-6)
    ms = 1e3 * repeat(_graph(step, device), seconds, device)[0]
    moved = 7 * 4 * case.values["parameters"]  # parameter and two moments read and written, gradient read
    case.values |= {"ms": ms, "gb_per_s": moved / ms / 1e6}


def _step(kind: str, parameters: Sequence[Tensor], gradients: Sequence[Tensor], on_gpu: bool) -> Callable[[], object]:
    if kind.startswith("by hand"):
        by_hand = torch.compile(_by_hand, fullgraph=True, dynamic=False)
        moments = [[torch.zeros_like(p) for p in parameters] for _ in range(2)]
        count = torch.zeros((), device=parameters[0].device)
        return lambda: by_hand(list(parameters), list(gradients), *moments, count)
    given = _with(parameters, gradients)
    how = {"fused": True} if kind == "fused" else {"foreach": True}
    return torch.optim.Adam(given, 3e-4, (0.5, 0.999), eps=1e-8, capturable=on_gpu, **how).step


@torch.no_grad()
def _by_hand(
    parameters: list[Tensor], gradients: list[Tensor], first: list[Tensor], second: list[Tensor], count: Tensor
) -> None:
    """Adam's step, written so that the compiler makes one pass over each tensor."""
    count.add_(1.0)
    size, root = 3e-4 / (1.0 - 0.5**count), (1.0 - 0.999**count).sqrt()
    for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
        m.lerp_(g, 0.5)
        v.mul_(0.999).addcmul_(g, g, value=0.001)
        p.sub_(size * m / (v.sqrt() / root + 1e-8))


def _with(parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[Tensor]:
    for p, g in zip(parameters, gradients, strict=True):
        p.requires_grad_(True)
        p.grad = g
    return list(parameters)


# --- products -------------------------------------------------------------------------------------------------


def _widths(case: Case, session: Session, what: str, low: bool, seeds: int, seconds: float) -> None:
    """A stacked product with both products of its backward pass, at each width."""
    tidy(session.device)
    side, (rows, inputs, outputs), widths = WIDTHS[what]
    if not session.on_gpu:
        rows, inputs, outputs = 4, min(inputs, 40), min(outputs, 40)
    stack = seeds * (2 if what.startswith("critics") else 1)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        for width in widths:
            i, o = (width, outputs) if side == "inputs" else (inputs, width)
            kind: dict[str, Any] = {"device": session.device, "dtype": torch.bfloat16 if low else torch.float32}
            x, w, back = (torch.randn(stack, *shape, **kind) for shape in ((rows, i), (i, o), (rows, o)))

            def products(x: Tensor = x, w: Tensor = w, back: Tensor = back) -> None:
                for _ in range(IN_A_ROW):
                    torch.bmm(x, w)
                    torch.bmm(back, w.transpose(1, 2))
                    torch.bmm(x.transpose(1, 2), back)

            ms = 1e3 * repeat(_graph(products, session.device), seconds / 2, session.device)[0] / IN_A_ROW
            case.values[f"ms_{width}"] = ms
    finally:
        torch.set_float32_matmul_precision(before)
    case.values["odd_over_padded"] = case.values[f"ms_{widths[0]}"] / case.values[f"ms_{widths[1]}"]


def _graph(function: Callable[[], object], device: str) -> Callable[[], object]:
    """The function as one captured graph; as it is where there are none."""
    if not device.startswith("cuda"):
        return function
    graphs = CudaGraphs(device)
    for _ in range(3):
        graphs.warm(function)
    return graphs.capture(function)[0]


# --- the learner ----------------------------------------------------------------------------------------------


def _order(case: Case, session: Session, setting: Setting, seconds: float, streams: bool) -> None:
    """Whether the update is begun before the action is waited for; and without the stream that runs beside."""
    with made(session, setting) as learner:
        learner.warm()
        early, late = learner.step, learner.step_in_order
        turns = [(learner.ms(early, seconds, 1), learner.ms(late, seconds, 1)) for _ in range(5)]
        case.values["ms_update_before_wait"] = statistics.median(ms for (ms,), _ in turns)
        case.values["ms_update_after_wait"] = statistics.median(ms for _, (ms,) in turns)
        case.values["ms_per_update"] = statistics.median(learner.ms(learner.update, seconds))
    if not streams:
        return
    with made(session, setting) as learner:
        if not isinstance(learner.agent, ExecutableAgent):
            case.note = "the agent has no second stream to switch off"
            return
        learner.agent.aside = lambda function, *args: function(*args)
        learner.warm()
        case.values["ms_per_update_one_stream"] = statistics.median(learner.ms(learner.update, seconds))


def _chains(case: Case, session: Session, setting: Setting, seconds: float) -> None:
    if not session.on_gpu:
        case.skipped = "the fused chain needs a GPU"
        return
    for chain in ("plain", "fused"):
        with made(
            session, Setting(setting.algorithm, setting.seeds, setting.mode, setting.precision, chain)
        ) as learner:
            learner.warm()
            case.values[f"ms_{chain}"] = statistics.median(learner.ms(learner.step, 2 * seconds))
            case.values[f"ms_act_{chain}"] = statistics.median(learner.ms(learner.act, seconds))
    case.values["plain_over_fused"] = case.values["ms_plain"] / case.values["ms_fused"]
