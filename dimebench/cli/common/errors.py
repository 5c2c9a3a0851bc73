"""The one table from exceptions to a line for the user and an exit code."""

from __future__ import annotations

import errno

OK, INTERNAL, USAGE, SOME_FAILED, NOT_COMPARABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130

# Exceptions whose message is the line already, by class name: naming them so keeps their rooms unimported.
EXIT_CODES = {
    "ConfigError": USAGE,
    "UsageError": USAGE,
    "UnknownAlgorithmError": USAGE,
    "BrokenAlgorithmError": USAGE,
    "UnknownTaskError": USAGE,
    "UnknownVariantError": USAGE,
    "UnknownSuiteError": USAGE,
    "UnknownReferenceError": USAGE,
    "NoRunsError": USAGE,
    "StoreError": USAGE,
    "EnvError": USAGE,
    "ReportError": USAGE,
    "ExecutionError": USAGE,
    "DeviceError": USAGE,
    "ProbeError": USAGE,
    "RaggedError": USAGE,
    "NotComparableError": NOT_COMPARABLE,
    "IdentityConflictError": NOT_COMPARABLE,
    "ImportConflictError": NOT_COMPARABLE,
    "RenderError": USAGE,
    "MissingExtraError": USAGE,
    "EngineError": USAGE,
}

# A file or folder that was asked for cannot be used so. A full disk is none of these.
WRONG_PLACE = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
}


class UsageError(Exception):
    """An option's value that cannot be used; one line that names it."""


def explain(error: BaseException) -> tuple[str, int]:
    """The line for the user ("" for none) and the exit code."""
    if isinstance(error, SystemExit):
        return "", error.code if isinstance(error.code, int) else INTERNAL
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return "interrupted", INTERRUPTED
    if type(error).__name__ == "Exit":
        return "", getattr(error, "exit_code", OK)
    for cls in type(error).__mro__:
        if cls.__name__ in EXIT_CODES and cls.__module__.startswith("dimebench."):
            return _one_line(_with_nearest(error)), EXIT_CODES[cls.__name__]
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # Typer's own, whoever ships its Click
        return _one_line(error.format_message()), USAGE
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return _one_line(f"{error.filename}: {error.strerror}"), USAGE if error.errno in WRONG_PLACE else INTERNAL
    text = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
    return _one_line(text), INTERNAL


def _with_nearest(error: BaseException) -> str:
    """The message; with the nearest names for those exceptions that carry the name asked for and those known."""
    name, known = getattr(error, "name", None), getattr(error, "known", None)
    if name is None or known is None or str(error).endswith(")"):
        return str(error)
    from dimebench.config import nearest

    return f"{error}{nearest(name, known)}"


def _one_line(text: str) -> str:
    from dimebench.config.errors import printable

    return printable(" ".join(text.split()))
