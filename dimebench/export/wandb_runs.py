"""Weights & Biases: one of its runs for each run, which holds each point once.

Online a run only grows, and it counts its rows: the ledger lists them in that order before they are sent, so that
the count tells after a kill which of them arrived. Offline a run is a folder that is of use only once it is finished:
a run with new points gets a whole new folder, its rows numbered as before, and the folders before it go.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dimebench.errors import first_line
from dimebench.export.ledger import Key, Ledger
from dimebench.export.points import MissingExtraError, Point, RunInUseError, RunLock, TrackerError, run_id, stream_of
from dimebench.store import Run

LONGEST = 128  # characters of a name or a group


@dataclass
class _Session:
    """A run of Weights & Biases that this process has begun."""

    run: Run
    own: Any  # wandb's run
    ledger: Ledger
    lock: RunLock
    logged: int  # rows of the ledger that it has
    ended: bool = False

    def end(self) -> None:
        self.own.finish()
        self.ended = True
        self.lock.release()


class WandB:
    """One run of Weights & Biases per run. WANDB_MODE=offline keeps everything in `folder`."""

    def __init__(self, folder: Path, project: str = "dimebench") -> None:
        """Raises MissingExtraError."""
        try:
            import wandb
        except ImportError as error:
            raise MissingExtraError("Weights & Biases is not installed: pip install 'dimebench[wandb]'") from error
        self._wandb, self._folder, self._project = wandb, folder, project
        settings = wandb.setup().settings
        self._offline, self._disabled = settings.mode in ("offline", "dryrun"), settings.mode == "disabled"
        # What one server and team were sent says nothing of another's.
        target = f"{settings.base_url} {settings.entity} {project}"
        self._kind = ".offline" if self._offline else f".{hashlib.sha256(target.encode()).hexdigest()[:8]}"
        self._sessions: dict[str, _Session] = {}

    def show(self, run: Run, points: Sequence[Point]) -> int:
        """As `Tracker.show`. What `close` has not yet finished does not count as sent in another process."""
        rows = {} if self._disabled else _rows(points)
        session = self._sessions.get(run_id(run))
        ledger = session.ledger if session else self._ledger(run)
        known = set(ledger.sent)
        new = [key for key in rows if key not in known]
        if not rows or (not new and (session or self._is_complete(ledger, run))):
            return 0
        if session is None or session.ended:
            session = self._sessions[run_id(run)] = self._begin(run, rows)
            ledger, known = session.ledger, set(session.ledger.sent)
        ledger.sent += [key for key in rows if key not in known]
        ledger.save(run)
        fresh = ledger.sent[session.logged :]
        for key in fresh:
            step, scalars, seconds = rows[key]
            session.own.log({**scalars, "env_step": step, "seconds": seconds})
            session.logged += 1
        if run.status == "finished":  # thousands need not be open at once
            session.end()
        return len({step for _, step in fresh})

    def close(self) -> None:
        """Finish all runs and end wandb in this process; only now does the ledger say that points have arrived."""
        for session in self._sessions.values():
            if not session.ended:
                session.end()
        self._wandb.teardown()  # only then is everything in the files
        for session in self._sessions.values():
            with suppress(RunInUseError), self._lock(session.run):  # whoever has it now sends what is not confirmed
                self._confirm(session)
        self._sessions.clear()

    def _lock(self, run: Run) -> RunLock:
        return RunLock(self._folder, run_id(run), wait_s=0)

    def _ledger(self, run: Run) -> Ledger:
        return Ledger.of(self._folder, run, self._kind)

    def _is_complete(self, ledger: Ledger, run: Run) -> bool:
        """Whether all that was sent has arrived, and is still there as far as that can be seen from here."""
        there = not self._offline or (ledger.place and (self._folder / ledger.place / _file(run)).is_file())
        return bool(there) and ledger.confirmed >= len(ledger.sent)

    def _begin(self, run: Run, rows: dict[Key, Point]) -> _Session:
        """Begin or resume the run's run there; the ledger then starts with the rows that it has."""
        lock = self._lock(run)
        try:
            ledger = self._ledger(run)  # under the lock nobody else writes it
            own = self._init(run)
            has = int(own.step)  # offline it is new, and has none
        except BaseException:
            lock.release()
            raise
        unknown: Key = ("", -1)  # sent by somebody whose ledger is not here
        kept = (ledger.sent + [unknown] * has)[:has]
        again = [key for key in ledger.sent[has:] if key in rows]
        ledger.sent, ledger.confirmed = kept + again, min(has, ledger.confirmed)
        return _Session(run, own, ledger, lock, logged=has)

    def _init(self, run: Run) -> Any:
        self._folder.mkdir(parents=True, exist_ok=True)
        facts = {"suite": run.suite, "variant": run.variant, "task": run.task, "seed": run.seed}
        try:
            own = self._wandb.init(
                project=self._project,
                dir=str(self._folder.absolute()),
                name=f"{run.variant} {run.task} seed {run.seed}"[-LONGEST:],
                group=f"{run.suite}/{run.variant}/{run.task}"[:LONGEST],
                id=run_id(run),
                resume="allow",
                config=facts | run.identity["of"],
                reinit="create_new",
                settings=self._wandb.Settings(silent=True, console="off"),
            )
        except self._wandb.Error as error:
            raise TrackerError(f"Weights & Biases: {first_line(error)}") from error
        # wandb numbers the rows as they come: numbers of our own must not fall, and rows of an env step may be late.
        own.define_metric("env_step")
        for stream in ("eval/*", "train/*", "seconds"):
            own.define_metric(stream, step_metric="env_step")
        return own

    def _confirm(self, session: _Session) -> None:
        ledger = session.ledger
        ledger.confirmed = session.logged
        if self._offline:
            place = Path(session.own.dir).parent
            ledger.place = place.relative_to(self._folder.absolute()).as_posix()
        ledger.save(session.run)
        if self._offline:  # what is there is whole: those before it hold a part of it, or were cut off
            for file in place.parent.glob(f"offline-run-*/{_file(session.run)}"):
                if file.parent != place:
                    shutil.rmtree(file.parent, ignore_errors=True)


def _file(run: Run) -> str:
    return f"run-{run_id(run)}.wandb"


def _rows(points: Sequence[Point]) -> dict[Key, Point]:
    """The points by stream: an evaluation is a row, and a logging point is one."""
    rows: dict[Key, Point] = {}
    for step, scalars, seconds in points:
        for stream in dict.fromkeys(map(stream_of, scalars)):
            own = {tag: value for tag, value in scalars.items() if stream_of(tag) == stream}
            rows[stream, step] = (step, own, seconds)
    return rows
