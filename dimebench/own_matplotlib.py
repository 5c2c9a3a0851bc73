"""matplotlib on our terms: no matplotlibrc, style sheet, `MPLBACKEND` or caller's setting changes or breaks a figure.

Packages that draw import matplotlib through `importing` first; whatever draws does so within `drawing`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NOT_DRAWN = {"backend", "backend_fallback", "interactive", "toolbar"}  # of windows; files have backends of their own
SILENT = logging.CRITICAL + 1


@contextmanager
def importing() -> Iterator[None]:
    """Within it matplotlib, and what brings it along, can be imported whatever the user's set-up says or lacks.

    Python's warnings and the logs of matplotlib and its packages are about that set-up, and are not shown.
    """
    with _quiet():
        if "matplotlib" not in sys.modules:
            _load()

        yield


@contextmanager
def drawing(rc: Mapping[str, Any]) -> Iterator[None]:
    """Within it matplotlib has its own defaults, changed by `rc` alone. What was set before is then back."""
    with importing():
        import matplotlib as mpl

        own: dict[Any, Any] = {key: mpl.rcParamsDefault[key] for key in mpl.rcParamsDefault if key not in NOT_DRAWN}
        with mpl.rc_context(own | dict(rc)):
            yield


def _load() -> None:
    """Import matplotlib with its own settings: what the user's file and variables hold could make that fail.

    Afterwards they hold for what a caller draws himself, as far as they can.
    """
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ImportError("matplotlib is not installed", name="matplotlib")
    data = Path(spec.origin).parent / "mpl-data"
    before = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
    os.environ["MATPLOTLIBRC"] = str(data / "matplotlibrc")
    try:
        # The file in the working directory comes before all others: for a moment that is matplotlib's own one.
        with contextlib.chdir(data) if os.path.exists("matplotlibrc") else contextlib.nullcontext():
            import matplotlib as mpl
    finally:
        del os.environ["MATPLOTLIBRC"]
        os.environ.update({name: value for name, value in before.items() if value is not None})
    with contextlib.suppress(Exception):
        mpl.rcParams.update(mpl.rc_params())
    if before["MPLBACKEND"]:
        with contextlib.suppress(ValueError):
            mpl.rcParams["backend"] = before["MPLBACKEND"]


@contextmanager
def _quiet() -> Iterator[None]:
    logs = [logging.getLogger(name) for name in ("matplotlib", "fontTools")]  # fontTools puts fonts into a PDF
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(SILENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
