"""Tasks by their short names: `dog-run` is the one task of that name, `Ant-v4` a version of one."""

from __future__ import annotations

from dimebench.errors import UsageError, nearest


def full_task(name: str) -> str | None:
    """The one known task of that full or short name, in any version of it; None without one."""
    from dimebench.envs import known_tasks, loaded_libraries

    known = known_tasks()
    if name in known:
        return name
    found = [
        f"{prefix}/{name}" for prefix, each in loaded_libraries().items() if each.current(f"{prefix}/{name}") in known
    ]
    return found[0] if len(found) == 1 else None


def imported_task(name: str, problem: str) -> str:
    """The full name of the task of an import; a task of an unknown library is left as it is.

    Raises UsageError, `problem` with the nearest names, for a short name that no task has, and for a misspelt task of
    a library all of whose tasks are known.
    """
    from dimebench.config.names import short_task
    from dimebench.envs import known_tasks, loaded_libraries

    usable = loaded_libraries()
    prefix, slash, short = name.partition("/")
    prefix = next((known for known, library in usable.items() if prefix in library.aliases), prefix)
    name = prefix + slash + short
    found = full_task(name)
    if found is not None:
        return found
    if not slash:
        raise UsageError(f"{problem}{nearest(name, map(short_task, known_tasks()))}")
    if prefix in usable and usable[prefix].complete:
        hint = nearest(name, known_tasks(prefix), short_task)
        if hint.startswith(" (nearest: "):
            raise UsageError(f"{problem}{hint}")
    return name
