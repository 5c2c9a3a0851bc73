"""What runs must share to be compared, and what else differs between them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from dimebench.analysis.curves import Curve
from dimebench.analysis.errors import NotComparableError
from dimebench.numbers import listed
from dimebench.store import Run
from dimebench.store.importers import external
from dimebench.store.provenance import differing_functions, read_code


def require_score(run: Run) -> None:
    """Raises NotComparableError where run.json does not say how the run is scored."""
    lower, upper = run.score.get("lower"), run.score.get("upper")
    numbers = all(isinstance(bound, int | float) and math.isfinite(bound) for bound in (lower, upper))
    if run.score.get("kind") not in ("final", "auc") or not numbers or not lower < upper:  # type: ignore[operator]
        raise NotComparableError(f"not comparable: {run.path / 'run.json'} has no usable score: {run.score}")


def require_comparable(chosen: Sequence[Curve], allow: Collection[str] = ()) -> list[str]:
    """Notes on the differences that `allow` names. Raises NotComparableError for any other, naming what differs.

    All runs must share the protocol, the budget and the kind of score; the runs of a task its score bounds and its
    physics; the seeds of a cell their settings. What an external run does not tell is not asked of it: the notes
    say where it comes from.
    """
    seen: dict[tuple[str, ...], tuple[Any, Run]] = {}
    notes: dict[str, None] = {}
    for run in (curve.run for curve in chosen):
        require_score(run)
        of = run.identity.get("of", {})
        protocol = dict(of.get("protocol", {}))
        budget = {"env_steps": protocol.pop("env_steps", None)}
        bounds = {"lower": run.score["lower"], "upper": run.score["upper"]}
        facts: list[tuple[str, str, tuple[str, ...], Any]] = [
            ("", "score", (), {"kind": run.score["kind"]}),
            ("", "score", (run.task,), bounds),
        ]
        if external(run) is None:
            facts += [
                ("protocol", "protocol", (), protocol),
                ("budget", "protocol", (), budget),
                ("physics", "physics", (run.task,), {"": of.get("physics")}),
                ("settings", "settings", (run.variant, run.task), of.get("settings", {})),
            ]
        for kind, name, key, value in facts:
            known, first = seen.setdefault((kind, name, *key), (value, run))
            if known != value:
                text = _difference(name, known, first, value, run)
                if kind not in allow:
                    hint = f" (--allow {kind} compares them all the same)" if kind else ""
                    raise NotComparableError(f"not comparable: {text}{hint}")
                notes[f"allowed by --allow {kind}: {text}"] = None
    return list(notes)


def _difference(what: str, a: Any, run_a: Run, b: Any, run_b: Run) -> str:
    name, old, new = next(_unequal(what, a, b))
    here, there = (
        f"{run.variant}" if run_a.variant != run_b.variant else f"{run.variant} seed {run.seed}"
        for run in (run_a, run_b)
    )
    place = f" on {run_a.task}" if run_a.task == run_b.task else ""
    if run_a.task != run_b.task:
        here, there = f"{here} on {run_a.task}", f"{there} on {run_b.task}"
    return f"{name.removesuffix('.')}{place} is {old} for {here} and {new} for {there}"


def _unequal(path: str, a: Any, b: Any) -> Any:
    """Dotted name and both values wherever two nested dicts differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from _unequal(f"{path}.{key}", a.get(key), b.get(key))
    elif a != b:
        yield path, a, b


def origins(runs: Sequence[Run]) -> list[str]:
    """Where each external variant comes from, and how it is read."""
    notes: dict[str, str] = {}
    for run in runs:
        told = external(run)
        if told is None or run.variant in notes:
            continue
        kind = "published curves" if told.get("published") else "curves of another tool"
        notes[run.variant] = (
            f"{run.variant}: {kind} from {told.get('source')} (licence: {told.get('licence')}; steps counted as "
            f"{told.get('unit')}, action repeat {told.get('action_repeat')}), trained elsewhere under another "
            "protocol; read by linear interpolation at the matched env steps"
        )
    return [notes[name] for name in sorted(notes)]


def mixtures(runs: Sequence[Run], floor: str | None = None) -> list[str]:
    """What differs between the runs without forbidding the comparison: code, package versions, execution.

    floor: the variant that learns nothing; how it executes changes nothing.
    """
    notes = _code_mixtures(runs)
    for words, values in (
        ("versions of dimebench", [run.provenance.get("dimebench") or _of(run, "code") for run in runs]),
        ("sets of packages", [_of(run, "versions") for run in runs]),
        ("executions", [_of(run, "execution") for run in runs if run.variant != floor]),
    ):
        found: list[Any] = []
        for value in values:
            found += [value] if value not in found else []
        if len(found) > 1:
            differing = dict.fromkeys(
                f"{name.removeprefix('.')}: {old} and {new}" if name else f"{old} and {new}"
                for other in found[1:]
                for name, old, new in _unequal("", found[0], other)
            )
            notes.append(f"the runs come from {len(found)} {words} ({'; '.join(differing)})")
    return notes


def _of(run: Run, key: str) -> Any:
    return run.identity.get("of", {}).get(key)


def _code_mixtures(runs: Sequence[Run]) -> list[str]:
    """Notes on variants whose runs on a library come from different code, and on runs from different training loops.

    Different algorithms have different code by nature: what they share is the training loop and the environment.
    """
    by_variant: dict[tuple[str, str], dict[str, Run]] = {}  # (library, variant) -> code -> the first run of it
    by_library: dict[str, dict[str, Run]] = {}
    recorded: set[tuple[str, str]] = set()
    for run in runs:
        library, code = run.task.partition("/")[0], str(_of(run, "code"))
        by_variant.setdefault((library, run.variant), {}).setdefault(code, run)
        if "code_allowed" in run.provenance:
            recorded.add((library, run.variant))
        if shared := run.provenance.get("shared_code"):
            by_library.setdefault(library, {}).setdefault(str(shared), run)
    lines: dict[tuple[str, str], list[str]] = {}
    for (library, variant), codes in by_variant.items():
        if len(codes) > 1:
            first, *others = codes.values()
            how = next(filter(None, (_functions(first, other) for other in others)), "")
            allowed = "allowed by run --allow code: " if (library, variant) in recorded else ""
            text = f"runs on {library} come from {len(codes)} states of the code ({how or ' and '.join(codes)})"
            lines.setdefault((allowed, text), []).append(variant)
    notes = [f"{allowed}the {listed(variants)} {text}" for (allowed, text), variants in lines.items()]
    for library, codes in by_library.items():
        if len(codes) > 1 and not all(len(by_variant[library, run.variant]) > 1 for run in codes.values()):
            where = ", ".join(f"{code} for {run.variant}" for code, run in codes.items())
            notes.append(f"the runs on {library} come from {len(codes)} states of the training loop ({where})")
    return notes


def _functions(one: Run, other: Run) -> str:
    """Which functions differ between the code of two runs, as far as their results folders tell."""
    results = [run.path.parent.parent.parent.parent.parent for run in (one, other)]
    there, here = (read_code(at, str(_of(run, "code"))) for at, run in zip(results, (one, other), strict=True))
    return differing_functions(there, here)
