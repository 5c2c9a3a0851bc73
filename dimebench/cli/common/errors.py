"""From an exception to the line for the user and the exit code."""

from __future__ import annotations

import errno

from dimebench.errors import INTERNAL, INTERRUPTED, OK, USAGE, DimebenchError, one_line, shorten

# A file or folder that was asked for cannot be used so. A full disk is none of these.
WRONG_PLACE = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
}


def explain(error: BaseException) -> tuple[str, int]:
    """The line for the user ("" for none) and the exit code."""
    if isinstance(error, SystemExit):
        return "", error.code if isinstance(error.code, int) else INTERNAL
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return "interrupted", INTERRUPTED
    if type(error).__name__ == "Exit":
        return "", getattr(error, "exit_code", OK)
    if isinstance(error, DimebenchError):
        return one_line(error), error.exit_code
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # Typer's own, from either Click
        return one_line(error.format_message()), USAGE
    if isinstance(error, UnicodeEncodeError):
        text = shorten(error.object[error.start : error.end])
        return one_line(f"'{text}' cannot be written in {error.encoding} here: set PYTHONUTF8=1"), USAGE
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return one_line(f"{error.filename}: {error.strerror}"), USAGE if error.errno in WRONG_PLACE else INTERNAL
    return one_line(f"internal error: {type(error).__name__}: {error} (--debug shows where)"), INTERNAL
