"""Which task a name means: one table of the spellings of dm_control, Gymnasium and MyoSuite that files use.

`dog-run`, `dog_run`, `dmc/dog-run` and `dm_control/dog-run-v0` are one task. A Gymnasium task keeps the version that
it was recorded in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache

from dimebench.errors import UsageError, nearest, shorten

# MyoSuite's id of each task of the benchmark that TD-MPC2 introduced, and its name there.
MYOSUITE = {"Reach": "reach", "Pose": "pose", "ObjHold": "obj-hold", "KeyTurn": "key-turn", "PenTwirl": "pen-twirl"}
MYO_LEVELS = {"Fixed": "", "Random": "-hard"}
# Libraries without an adapter here, whose tasks the same files hold. By what a name looks like.
FOREIGN = {
    "humanoid_bench": re.compile(r"h1(hand|strong)?[-_].+[-_]v\d+"),
    "visual": re.compile(r"visual[-_].+"),  # observed as pixels: another problem
    "metaworld": re.compile(r"mw-.+|.+-v\d-goal-(observable|hidden)"),
    "tdmpc2": re.compile(
        r"(walker-(walk|run)|cheetah-run|hopper-hop)-backwards|cheetah-(run-(front|back)|jump)"
        r"|reacher-three-(easy|hard)|cup-spin|pendulum-spin"
    ),
}
VERSION = re.compile(r"(.+?)-v(\d+)")


def spelled(name: str) -> str:
    """A name in one spelling: lower case, "-" between its words."""
    return re.sub(r"[-_\s]+", "-", name.strip().lower())


def full_task(name: str) -> str | None:
    """The known task of that name in any spelling; None where none is, or several are."""
    found = _meant(name)
    return found[0] if len(found) == 1 else None


def resolve(
    names: Collection[str],
    problem: Callable[[str], str],
    only: Collection[str] | None = None,
    renamed: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The full name of each task; "" for one that is left out.

    problem: what a message about a name begins with. only: the tasks of a suite; a name that no library here knows,
    and that is not close to one of these, is left out. Without them such a name is left out where others are known,
    unless it is close to a known one. renamed: what the caller says of a name; "" leaves it out.
    Raises UsageError, with the nearest names, for a name that may be a misspelt one, and where no name is known.
    """
    renamed = dict(renamed or {})
    for name in renamed:
        if name not in names:
            raise UsageError(f"--rename-task {name}: no such task there{nearest(name, names)}")
    found, unknown = {}, []
    for name in names:
        wanted = renamed.get(name, name)
        meant = _meant(wanted) if wanted else [""]
        if len(meant) == 1:
            found[name] = meant[0]
        else:
            unknown.append((name, wanted, meant))
    for name, wanted, meant in unknown:
        hint = _hint(wanted, meant, only)
        if hint or not any(found.values()):
            raise UsageError(
                f"{problem(name)}{hint or nearest(wanted, _short_names())}"
                f"{f': --rename-task {shorten(name)}=NAME says which' if len(names) > 1 else ''}"
            )
        found[name] = ""
    return found


def _hint(name: str, meant: Collection[str], only: Collection[str] | None) -> str:
    """The names that it may stand for; "" where it is not close to any."""
    if meant:
        return f" (nearest: {', '.join(meant)})"
    prefix, slash, _ = name.rpartition("/")
    prefix = _prefixes().get(spelled(prefix), prefix)
    names = [task for task in only or _known().values() if not slash or task.startswith(f"{prefix}/")]
    hint = nearest(name, names if slash else [_short(task) for task in names], key=lambda each: spelled(_short(each)))
    return hint if hint.startswith(" (nearest: ") else ""


def _meant(name: str) -> list[str]:
    """The tasks that a name can mean: one, several, or none that is known."""
    prefix, slash, short = name.rpartition("/")
    library, plain = (_prefixes().get(spelled(prefix), prefix) if slash else ""), spelled(short)
    for glued, of in _prefixes().items():
        if not slash and plain.startswith(f"{glued}-") and plain not in _known():
            library, plain = of, plain.removeprefix(f"{glued}-")
    for each in (plain, plain.removesuffix("-v0")):  # so does Gymnasium register what has no version
        known = _known().get(each)
        if known is not None and library in ("", known.partition("/")[0]):
            return [known]
    versioned = VERSION.fullmatch(plain)
    base = _versioned().get(versioned[1] if versioned else plain)
    if base is not None and library in ("", base[0].partition("/")[0]):
        return [f"{base[0]}-v{versioned[2]}"] if versioned else [f"{base[0]}-v{version}" for version in base[1]]
    if not library:
        library = next((of for of, form in FOREIGN.items() if form.fullmatch(short)), "")
        short = short.replace("_", "-") if library else short
    return [f"{library}/{short}"] if library and not _complete(library) else []


@cache
def _prefixes() -> dict[str, str]:
    """What files call a library, by its spelling."""
    from dimebench.envs import loaded_libraries

    return {spelled(name): each for each, own in loaded_libraries().items() for name in (each, *own.aliases)}


def _complete(library: str) -> bool:
    """Whether every task of the library is known, so that another name is a mistake."""
    from dimebench.envs import loaded_libraries

    known = loaded_libraries().get(library)
    return known.complete if known is not None else library == "myosuite"


@cache
def _known() -> dict[str, str]:
    """Every known task by its spelling; of those with versions the current one."""
    from dimebench.envs import known_tasks, loaded_libraries

    found = {spelled(_short(task)): task for task in known_tasks()}
    for camel, words in MYOSUITE.items():
        for level, ending in MYO_LEVELS.items():
            task = f"myosuite/myo-{words}{ending}"
            found |= dict.fromkeys((spelled(_short(task)), f"myohand{camel}{level}-v0".lower()), task)
    for library in loaded_libraries().values():
        found |= library.spellings()
    return found


@cache
def _versioned() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Tasks with a version by their spelling without it: the name without it, and the versions, newest first."""
    from dimebench.envs import known_tasks, loaded_libraries

    found = {}
    for task in known_tasks():
        former = loaded_libraries()[task.partition("/")[0]].former_versions()
        if former and (match := VERSION.fullmatch(task)):
            found[spelled(_short(match[1]))] = (match[1], (int(match[2]), *former))
    return found


def _short_names() -> list[str]:
    return [_short(task) for task in dict.fromkeys(_known().values())]


def _short(task: str) -> str:
    return task.rpartition("/")[2]
