"""The file of results: one JSON object a line, each written at once, so that nothing is lost with what comes after.

A campaign's first line says what it ran on (`kind` "machine"); each further one is a `Result`. Several campaigns may
be appended to one file: `campaign` tells them apart.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = "gpu.jsonl"
TRACEBACKS = "tracebacks.txt"
LOGS = "logs.txt"
BAD = ("failed", "error", "crashed", "out of time")  # what makes the command end with 1


@dataclass
class Result:
    """What one case of a part came to.

    `status`: "ok"; "failed" (a check does not hold), "error" (an exception), "crashed" (the process died), "out of
    time" (it was ended); "left out" (for want of time), "skipped" (it cannot be done here).
    """

    part: str
    name: str
    status: str = "ok"
    values: dict[str, Any] = field(default_factory=dict)
    predicted: dict[str, Any] = field(default_factory=dict)  # for some of the values, what was expected of them
    seconds: float = 0.0
    note: str = ""
    error: str = ""  # one line
    traceback: str = ""  # the file, and the heading in it
    lane: str = ""  # which of a part's processes

    @property
    def bad(self) -> bool:
        return self.status in BAD

    def line(self) -> str:
        """For whoever looks on: one line, and one for each row of a table among the values."""
        where = f"{self.part}:{self.lane}" if self.lane else self.part
        text = f"{self.status:12s}{where:24s}{self.name:44s} {', '.join(self._shown())}".rstrip()
        text += "".join(f"; {more}" for more in (self.note, self.error) if more)
        text += f" ({self.seconds:.0f} s)" if self.seconds >= 1 else ""
        rows = self.values.get("table", [])
        return "\n".join([text, *("            " + "  ".join(f"{short(cell):>9s}" for cell in row) for row in rows)])

    def _shown(self) -> Iterator[str]:
        for key, value in self.values.items():
            if isinstance(value, (int, float, str, bool)):
                expected = f" (predicted {short(self.predicted[key])})" if key in self.predicted else ""
                yield f"{key} {short(value)}{expected}"


def short(value: Any) -> str:
    """Four digits of a number, anything else as it is."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return str(value)


class File:
    """The results of one campaign, in a folder."""

    def __init__(self, out: Path, campaign: str) -> None:
        self.out, self.campaign = out, campaign
        self.path = out / RESULTS

    def machine(self, facts: dict[str, Any]) -> None:
        self._append({"kind": "machine", **facts})

    def result(self, result: Result) -> None:
        self._append({"kind": "result", **asdict(result)})

    def traceback(self, heading: str, text: str) -> str:
        """Keep a traceback under a heading; where it is, for `Result.traceback`."""
        with (self.out / TRACEBACKS).open("a") as file:
            file.write(f"===== {self.campaign} {heading}\n{text.rstrip()}\n\n")
        return f"{TRACEBACKS}: {self.campaign} {heading}"

    def results(self) -> list[Result]:
        """Those of this campaign, in the order in which they came; a line that is being written is not there yet."""
        found = []
        text = self.path.read_bytes().decode(errors="replace") if self.path.exists() else ""
        for line in text.rpartition("\n")[0].split("\n"):
            try:
                content = json.loads(line)
            except ValueError:  # its writer was killed in the middle, which is a result of its own
                continue
            if content.pop("campaign") == self.campaign and content.pop("kind") == "result":
                found.append(Result(**content))
        return found

    def _append(self, content: dict[str, Any]) -> None:
        """In one write to the end of the file: processes side by side do not mix their lines."""
        line = json.dumps(_plain({"campaign": self.campaign, **content}), allow_nan=False) + "\n"
        place = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(place, line.encode())
        finally:
            os.close(place)


def _plain(value: Any) -> Any:
    """As JSON has it: numbers that are not finite as text."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
