"""Tasks by their short names: `dog-run` is dm_control's, `Ant-v4` Gymnasium's."""

from __future__ import annotations

import re

from dimebench.errors import UsageError


def full_task(name: str) -> str | None:
    """The one known task of that full or short name, of Gymnasium's in any version; None without one."""
    from dimebench.config.names import short_task
    from dimebench.envs import known_tasks

    known = known_tasks()
    if name in known:
        return name
    latest = re.sub(r"-v[0-9]+$", "-v5", name)
    families = [task.partition("/")[0] for task in known if short_task(task) == latest]
    return f"{families[0]}/{name}" if len(families) == 1 else None


def imported_task(name: str, problem: str) -> str:
    """The full name of the task of an import; a task of another family is left as it is.

    Raises UsageError, `problem` with the nearest names, for a short name that no task has, and for a misspelt task of
    dm_control.
    """
    found = full_task(name)
    if found is not None:
        return found
    hint = _nearest(name)
    misspelt = name.startswith("dm_control/") and hint.startswith(" (nearest: ")
    if "/" in name and not misspelt:
        return name
    raise UsageError(f"{problem}{hint}")


def _nearest(name: str) -> str:
    """The nearest short names; of a full name, dm_control's in full."""
    from dimebench.config.names import short_task
    from dimebench.envs import known_tasks
    from dimebench.errors import nearest

    known = known_tasks()
    if "/" not in name:
        return nearest(name, map(short_task, known))
    close = nearest(short_task(name), [short_task(task) for task in known if task.startswith("dm_control/")])
    return re.sub(r"(nearest: |, )(?=\S)", r"\1dm_control/", close)
