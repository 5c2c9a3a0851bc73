"""A browser that prints a page to PDF: Chromium or one of its kin, without a window."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

VARIABLE = "DIMEBENCH_BROWSER"  # a program's name or path; "none" for no browser
PROGRAMS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "microsoft-edge-stable", "msedge"),
    *(f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Google Chrome", "Chromium", "Microsoft Edge")),
)
OPTIONS = (
    *("--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-pdf-header-footer"),
    *("--disable-extensions", "--disable-sync", "--disable-background-networking", "--disable-component-update"),
)
LIMIT_S = 60.0  # a page of 5 MB takes 3 s
_DATE = re.compile(rb"(/(?:Creation|Mod)Date \(D:)\d{14}")


class BrowserError(Exception):
    """No page was printed, and why, in one line."""


def find() -> str | None:
    """The browser to print with; None where `DIMEBENCH_BROWSER` says "none". Raises BrowserError without any."""
    asked = os.environ.get(VARIABLE, "").strip()
    if asked.lower() == "none":
        return None
    found = next(filter(None, map(shutil.which, [asked] if asked else PROGRAMS)), None)
    if found is None:
        raise BrowserError(
            f"{VARIABLE}={asked}: there is no such program"
            if asked
            else f"no Chromium, Chrome or Edge here ({VARIABLE} names one that is not on PATH)"
        )
    return found


def print_page(program: str, page: Path, pdf: Path, limit_s: float = LIMIT_S) -> bytes:
    """The page as PDF, by way of the file `pdf`; the same page gives the same bytes.

    The browser has a profile of its own and is gone, with all that it started, when this returns or raises.
    Raises BrowserError where it fails or takes longer than `limit_s` seconds.
    """
    name = Path(program).name
    with tempfile.TemporaryDirectory(prefix="dimebench-browser-", ignore_cleanup_errors=True) as profile:
        # Root cannot have the browser's sandbox. The page is our own, and may run no script but ours.
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [program, *OPTIONS, *root, f"--user-data-dir={profile}", f"--print-to-pdf={pdf.absolute()}"]
        code, said = _run([*command, page.absolute().as_uri()], Path(profile) / "said", limit_s)
    content = pdf.read_bytes() if pdf.is_file() else b""
    if code is None:
        raise BrowserError(f"{name} took longer than {limit_s:g} s")
    if not (content.startswith(b"%PDF") and b"%%EOF" in content[-64:]):
        raise BrowserError(f"{name} wrote no PDF (exit code {code}){': ' if said else ''}{said}")
    return _DATE.sub(rb"\g<1>" + b"19700101000000", content)


def _run(command: list[str], log: Path, limit_s: float) -> tuple[int | None, str]:
    """Exit code, None where it was stopped, and the last line that it said."""
    try:
        with log.open("wb") as said:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
    except OSError as error:
        raise BrowserError(f"{command[0]} does not start: {error.strerror}") from error
    code = None
    try:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(limit_s)
    finally:
        with suppress(ProcessLookupError, PermissionError):  # macOS: not permitted once all have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return code, last[:200]
