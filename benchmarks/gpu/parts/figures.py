"""How fast, and how much memory: a learner of published size on dog-run, what it does in an env step of all seeds.

The most important first: a short budget still says what DIME takes. Floors are those of `dimebench bench`.
"""

from __future__ import annotations

import statistics
import time
from functools import cache
from typing import Any

import torch

from benchmarks.gpu.learners import Made, Setting, chosen, made
from benchmarks.gpu.session import Case, Session
from dimebench.agents.base import Dims
from dimebench.bench.cells import Floors
from dimebench.planning.clock import Ceilings, measure_ceilings, repeat
from dimebench.planning.learner_cost import learner_work
from dimebench.planning.memory import CONTEXT, estimated_memory
from dimebench.training import peak

SECONDS = 2.0  # of measuring, of each of three things
FOR_ONE = 45.0  # seconds that a case may take, compilation included


def run(session: Session) -> None:
    seconds = SECONDS if session.on_gpu else 0.2
    needs = FOR_ONE if session.on_gpu else 0.0
    for setting in settings(session):
        session.do(setting.name, _measure, session, setting, seconds, needs=needs, kind=setting.algorithm)


def settings(session: Session) -> list[Setting]:
    """In the order of their importance."""
    if not session.on_gpu:
        return [Setting(name, 1, "graph", "float32") for name in chosen(session, ("dime", "crossq", "sac"))]
    plain = [("dime", 1), ("dime", 4), ("dime", 10), ("crossq", 10), ("sac", 10)]
    found = [Setting(name, seeds, "compile+graph", "tf32") for name, seeds in plain]
    found += [Setting("dime", seeds, "compile+graph", "tf32", "fused") for seeds in (1, 10, 4)]
    low = [("dime", 10), ("dime", 1), ("crossq", 10), ("sac", 10), ("dime", 4)]
    found += [Setting(name, seeds, "compile+graph", "bf16") for name, seeds in low]
    found += [Setting("dime", seeds, "compile+graph", "bf16", "fused") for seeds in (1, 10)]
    found += [Setting("dime", 10, "graph", "tf32"), Setting("sac", 1, "compile+graph", "tf32")]
    wanted = chosen(session, ("dime", "crossq", "sac"))
    return [setting for setting in found if setting.algorithm in wanted]


def _measure(case: Case, session: Session, setting: Setting, seconds: float) -> None:
    began = time.monotonic()
    with made(session, setting) as learner:
        built = time.monotonic()
        learner.warm(everything=True)
        case.values |= {"seconds_building": built - began, "seconds_compiling": time.monotonic() - built}
        windows = learner.ms(learner.step, seconds)
        ms = statistics.median(windows)
        case.values |= {"ms_per_step": ms, "env_steps_per_s": 1e3 * setting.seeds / ms}
        case.values |= {"ms_fastest": min(windows), "ms_slowest": max(windows)}
        calls = repeat(learner.update, seconds, session.device, learner.schedule)
        case.values["ms_per_update"] = 1e3 * statistics.fmean(calls[n] for n in learner.schedule)
        case.values["ms_by_actor_updates"] = {n: 1e3 * took for n, took in calls.items()}
        case.values["ms_per_act"] = 1e3 * repeat(learner.act, seconds / 4, session.device)[0]
        case.values |= _memory(learner, session)
        case.values |= _floor(learner, setting, session.device, ms, seconds / 4)


def _floor(learner: Made, setting: Setting, device: str, ms: float, seconds: float) -> dict[str, Any]:
    work = learner_work(learner.block, Dims(learner.obs_dim, learner.act_dim))
    ceilings = _ceilings(work.widest_of(setting.seeds), setting.precision, device, seconds)
    floors = Floors(ceilings, setting.seeds)
    floor = 1e3 * (floors.mean(work.calls) + floors.mean([work.act]))
    rates = {"tflops": ceilings.gemm / 1e12, "copies_gb_per_s": ceilings.copy / 1e9}
    return {"ms_of_floor": floor, "fraction_of_floor": floor / ms, **rates}


@cache
def _ceilings(shape: tuple[int, int, int, int], precision: str, device: str, seconds: float) -> Ceilings:
    return measure_ceilings(shape, precision, device, seconds)


def _memory(learner: Made, session: Session) -> dict[str, Any]:
    """What was reached beside what `plan` says; taken before the ceilings, which need memory too."""
    reached = peak.peak(session.device)
    if not session.on_gpu:
        estimate = estimated_memory(learner.block).host
        return {"peak_gb": reached["peak_memory_bytes"] / 1e9, "estimate_gb": estimate / 1e9}
    free, total = torch.cuda.mem_get_info()
    context = total - free - torch.cuda.memory_reserved()  # and whatever else runs there
    estimate = estimated_memory(learner.block, total).device
    return {
        "peak_gb": reached["peak_memory_bytes"] / 1e9,
        "allocated_gb": torch.cuda.max_memory_allocated() / 1e9,
        "context_gb": context / 1e9,
        "estimate_gb": (estimate - CONTEXT) / 1e9,  # like the peak, without the context
        "host_gb": reached["peak_host_memory_bytes"] / 1e9,
    }
