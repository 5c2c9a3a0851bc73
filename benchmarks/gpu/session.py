"""What a process of a part sees: its orders, the time that is left, and a place for each result.

A part does its work in cases, `session.do(name, function)`. A case that raises is recorded and the next one goes on;
one that there is no time for is recorded as left out. Where the process dies in a case it is started again, and goes
on behind it.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.gpu.predictions import predicted
from benchmarks.gpu.record import File, Result

AGAIN = 75  # exit code: the device is lost to this process; start another one
RECORDED = 70  # exit code: what went wrong stands in the file


@dataclass(frozen=True)
class Orders:
    """What the campaign tells a process of a part; it travels as JSON."""

    module: str
    part: str
    lane: str
    device: str
    deadline: float  # of time.monotonic(): the process ought to have ended by then
    out: str
    scratch: str  # for what is not kept
    campaign: str
    options: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def current(self) -> Path:
        """The file that names the case at work."""
        return Path(self.scratch) / f"now-{self.part}-{self.lane}"


class Case:
    """One case: what it fills in is its result."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.failed: list[str] = []  # checks that do not hold
        self.note = ""
        self.skipped = ""  # why it cannot be done here

    def check(self, what: str, holds: bool) -> None:
        """Something that must hold."""
        if not holds:
            self.failed.append(what)


class Session:
    """The process's side of a campaign."""

    def __init__(self, orders: Orders) -> None:
        self.orders, self.device, self.options = orders, orders.device, orders.options
        self.on_gpu = self.device.startswith("cuda")
        self.scratch = Path(orders.scratch)
        self.file = File(Path(orders.out), orders.campaign)
        self._done = {r.name for r in self.file.results() if (r.part, r.lane) == (orders.part, orders.lane)}
        self._longest: dict[str, float] = {}  # seconds, of cases of a kind so far

    def left(self) -> float:
        """Seconds until this process should have ended."""
        return self.orders.deadline - time.monotonic()

    def record(self, name: str, status: str = "ok", **more: Any) -> None:
        """A result that is no case."""
        self.file.result(Result(self.orders.part, name, status, lane=self.orders.lane, **more))

    def do(self, name: str, function: Callable[..., None], *args: Any, needs: float = 0.0, kind: str = "") -> bool:
        """Do a case: `function(case, *args)`. True where it was done and all is well.

        needs: seconds, until a case of the same function and kind has shown what it takes. With less left it is left
        out.
        """
        if name in self._done:
            return False
        kind = f"{function.__name__} {kind}"
        if self.left() < max(self._longest.get(kind, needs), 1.0):
            self.record(name, "left out", note=f"{max(self.left(), 0):.0f} s were left")
            return False
        case, began = Case(), time.monotonic()
        self.orders.current.write_text(name)
        result = Result(self.orders.part, name, lane=self.orders.lane, values=case.values)
        lost = False
        try:
            function(case, *args)
            result.status = "skipped" if case.skipped else "failed" if case.failed else "ok"
        except Exception as error:
            lost = _lost(error)
            result.status, result.error = "error", one_line(error)
            result.traceback = self.file.traceback(
                f"{self.orders.part} {self.orders.lane} {name}", traceback.format_exc()
            )
        result.seconds = time.monotonic() - began
        self._longest[kind] = max(self._longest.get(kind, 0.0), result.seconds)
        result.note = "; ".join(filter(None, [case.skipped, case.note, *(f"not so: {what}" for what in case.failed)]))
        result.predicted = predicted(self.orders.part, name) if self.on_gpu else {}
        self.file.result(result)
        self.orders.current.unlink()
        if lost:
            sys.exit(AGAIN)
        return result.status == "ok"

    def leave_out(self, names: Iterable[str], why: str) -> None:
        """Record what this part does not come to."""
        for name in names:
            if name not in self._done:
                self.record(name, "left out", note=why)


def one_line(error: BaseException) -> str:
    """An exception's type and the start of what it says."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}"[:300]


def _lost(error: BaseException) -> bool:
    """Whether the device answers nothing any more after this error."""
    return type(error).__name__ == "AcceleratorError" or "CUDA error" in str(error)


def main() -> None:
    """`python -m benchmarks.gpu.session ORDERS`: carry the orders out."""
    session = Session(Orders(**json.loads(sys.argv[1])))
    try:
        import_module(session.orders.module).run(session)
    except Exception as error:
        kept = session.file.traceback(f"{session.orders.part} {session.orders.lane}", traceback.format_exc())
        session.record(session.orders.part, "error", error=one_line(error), traceback=kept)
        sys.exit(RECORDED)


if __name__ == "__main__":
    main()
