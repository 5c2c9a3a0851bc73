"""Does it run at all? A learner in every mode through the real training loop, small; one process per learner.

For each mode: a block of seeds trains; the same one, cut off and resumed, ends with the same bits. In the mode that a
run has by default a block of another size then trains in the same process, as a pool's workers have them.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.learners import modes
from benchmarks.gpu.session import Case, Session
from tests.training.blocks import assert_same_outputs, make_block, outputs, stop_after, train

SEEDS = (0, 1, 2)
CUT_AFTER = 70  # times that the loop asks whether to stop: with an evaluation, about env step 40 of 60
WORKERS = 2  # processes that step the environments of the block that is not cut off
OTHER_TASK = "dm_control/cartpole-swingup"


def run(session: Session) -> None:
    name = session.orders.lane
    ways = [(*way, "plain") for way in (modes(session) if name != "random" else [("eager", "float32")])]
    if session.on_gpu and name == "dime":
        ways[2:2] = [("compile+graph", "tf32", "fused")]
    for mode, precision, chain in ways:
        words = [mode, precision, *([f"{chain} chain"] if chain != "plain" else [])]
        session.do(" ".join([name, *words]), _train, session, name, mode, precision, chain, kind=mode)


def _train(case: Case, session: Session, name: str, mode: str, precision: str, chain: str) -> None:
    seeds = SEEDS if session.on_gpu else SEEDS[:1]
    block = replace(make_block(name), device=session.device, seeds=seeds, mode=mode, precision=precision, chain=chain)
    with tempfile.TemporaryDirectory(dir=session.scratch) as scratch:
        folder = Path(scratch)
        beside = replace(block, env_workers=WORKERS if session.on_gpu else 0)  # which changes no number
        case.values["whole"] = train(beside, folder / "whole")
        case.check("it trains to the end", case.values["whole"] == "finished")
        if precision != "bf16":  # which changes nothing that is saved
            case.values["cut"] = train(block, folder / "cut", stop_after(CUT_AFTER))
            case.check("it can be interrupted", case.values["cut"] == "interrupted")
            case.values["resumed"] = train(block, folder / "cut")
            case.values["same_bits"] = same(block, folder / "cut", folder / "whole")
            case.check("resumed, it ends with the same bits", case.values["same_bits"])
        if mode == ("compile+graph" if session.on_gpu else "graph"):
            other = replace(block, task=OTHER_TASK, seeds=SEEDS[:2])
            case.values["second_block"] = train(other, folder / "second")
            case.check("a second block of another size trains", case.values["second_block"] == "finished")


def same(block: object, one: Path, other: Path) -> bool:
    """Whether a block left the same in both folders, bit for bit."""
    try:
        assert_same_outputs(outputs(block, one), outputs(block, other))
    except AssertionError:
        return False
    return True
