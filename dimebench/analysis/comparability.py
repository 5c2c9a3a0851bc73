"""What runs must share to be compared, and what else differs between them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from dimebench.analysis.curves import Curve
from dimebench.analysis.errors import NotComparableError
from dimebench.analysis.notes import CodeMixture, Difference, LoopMixture, Mixture, Origin
from dimebench.store import Run
from dimebench.store.external import external
from dimebench.store.provenance import differing_functions, read_code, version_of


def require_comparable(chosen: Sequence[Curve], allow: Collection[str] = ()) -> list[Difference]:
    """The differences that `allow` names. Raises NotComparableError for any other, naming what differs."""
    found: list[Difference] = []
    for one in differences(chosen):
        if one.kind not in allow:
            hint = f" (--allow {one.kind} compares them all the same)" if one.kind else ""
            raise NotComparableError(f"not comparable: {one}{hint}")
        found += [one] if one not in found else []
    return found


def differences(chosen: Sequence[Curve]) -> Iterator[Difference]:
    """What forbids comparing these runs. Raises NotComparableError for a run that does not say how it is scored.

    All runs must share the protocol, the budget and the kind of score; the runs of a task its score bounds and its
    physics; the seeds of a cell their settings. An external run is not asked for what it does not record: a note
    says where it comes from.
    """
    seen: dict[tuple[str, ...], tuple[Any, Run]] = {}
    for run in (curve.run for curve in chosen):
        if not has_usable_score(run):
            raise NotComparableError(f"not comparable: {run.path / 'run.json'} has no usable score: {run.score}")
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
                ("physics", "physics", (run.task,), of.get("physics")),
                ("settings", "settings", (run.variant, run.task), of.get("settings", {})),
            ]
        for kind, name, key, value in facts:
            known, first = seen.setdefault((kind, name, *key), (value, run))
            if known != value:
                where, old, new = next(_unequal(name, known, value), (name, known, value))
                seeds = (first.seed, run.seed) if first.variant == run.variant else None
                variants, tasks = (first.variant, run.variant), (first.task, run.task)
                yield Difference(kind, where, (old, new), variants, tasks, seeds)


def has_usable_score(run: Run) -> bool:
    """Whether run.json says how the run is scored."""
    bounds = [run.score.get(key) for key in ("lower", "upper")]
    numbers = [bound for bound in bounds if isinstance(bound, int | float) and math.isfinite(bound)]
    return run.score.get("kind") in ("final", "auc") and len(numbers) == 2 and numbers[0] < numbers[1]


def _unequal(path: str, a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    """Dotted name and both values wherever two nested dicts differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from _unequal(f"{path}.{key}", a.get(key), b.get(key))
    elif a != b:
        yield path, a, b


def origins(runs: Sequence[Run]) -> list[Origin]:
    """Where each external variant comes from, and how it was counted."""
    found: dict[str, Origin] = {}
    for run in runs:
        origin = external(run)
        if origin is not None and run.variant not in found:
            facts = (origin.get(key) for key in ("source", "licence", "unit", "action_repeat"))
            found[run.variant] = Origin(run.variant, bool(origin.get("published")), *facts)
    return [found[name] for name in sorted(found)]


def mixtures(runs: Sequence[Run], floor: str | None = None) -> list[Mixture | CodeMixture | LoopMixture]:
    """What differs between the runs without forbidding the comparison: code, package versions, execution.

    floor: the variant that learns nothing; how it executes changes nothing.
    """
    mixed: list[Mixture | CodeMixture | LoopMixture] = [*_code_mixtures(runs)]
    for key, values in (
        ("dimebench", [version_of(run.identity, run.provenance) for run in runs]),
        ("versions", [_of(run, "versions") for run in runs]),
        ("execution", [_of(run, "execution") for run in runs if run.variant != floor]),
    ):
        found: list[Any] = []
        for value in values:
            found += [value] if value not in found else []
        differing: list[tuple[str, Any, Any]] = []
        for other in found[1:]:
            for name, old, new in _unequal("", found[0], other):
                one = name.removeprefix("."), old, new
                differing += [one] if one not in differing else []
        if differing:
            mixed.append(Mixture(key, len(found), tuple(differing)))
    return mixed


def _of(run: Run, key: str) -> Any:
    return run.identity.get("of", {}).get(key)


def _code_mixtures(runs: Sequence[Run]) -> list[CodeMixture | LoopMixture]:
    """Variants whose runs on a library come from different code, and runs from different training loops.

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
    known: dict[str, dict[str, str] | None] = {}

    def definitions(run: Run) -> dict[str, str] | None:
        """Of the run's code, as far as its results folder tells."""
        code = str(_of(run, "code"))
        if code not in known:
            known[code] = read_code(run.path.parent.parent.parent.parent.parent, code)
        return known[code]

    alike: dict[CodeMixture, list[str]] = {}
    for (library, variant), codes in by_variant.items():
        if len(codes) > 1:
            first, *others = codes.values()
            differing = (differing_functions(definitions(first), definitions(other)) for other in others)
            names = tuple(next(filter(None, differing), ()))
            found = CodeMixture((), library, tuple(codes), names, (library, variant) in recorded)
            alike.setdefault(found, []).append(variant)
    notes: list[CodeMixture | LoopMixture] = [replace(one, variants=tuple(names)) for one, names in alike.items()]
    for library, loops in by_library.items():
        if len(loops) > 1 and not all(len(by_variant[library, run.variant]) > 1 for run in loops.values()):
            notes.append(LoopMixture(library, tuple((code, run.variant) for code, run in loops.items())))
    return notes
