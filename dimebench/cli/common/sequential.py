"""`dimebench run --until-decided`: blocks of seeds until a test decides, or there are enough."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dimebench.errors import OK, SOME_FAILED, UsageError

if TYPE_CHECKING:
    from dimebench.analysis.interim import Found, Looks
    from dimebench.config import Request

RECORD = "until-decided.json"  # in the suite's folder


def run_until_decided(
    request: Request, train: Callable[[Request, Sequence[int]], int], results: Path, looks: Looks
) -> int:
    """Train and look in turn. A variant whose comparisons are all decided gets no more seeds.

    train: carries out a request for some seeds and returns the exit code. Each of m comparisons may spend alpha/m.
    What is done on disk is skipped, so the same command goes on where it was cut off.
    """
    from dimebench.analysis.interim import ALPHA, final_scores, other_plan, read_record, seen_ends, write_record
    from dimebench.analysis.select import FLOOR
    from dimebench.cli.common.output import tell_unread
    from dimebench.store import StoreError
    from dimebench.wording.interim import after, describe, verdict

    names = [variant.name for variant in request.variants]
    compared = [name for name in names if name != FLOOR or len(names) == 2]
    pairs = list(itertools.combinations(compared, 2))
    if not pairs:
        raise UsageError(f"--until-decided compares two algorithms or more, not {', '.join(names)}: algo=A,B")
    tasks, alpha = request.suite.tasks, ALPHA / len(pairs)
    file = results / request.suite.name / RECORD
    record = read_record(file)
    other = other_plan(record, pairs, tasks, looks, alpha)
    if other:
        raise UsageError(f"{file}: {other}: the plan belongs to the test; keep it, or take another --results")
    found: dict[tuple[str, str], Found] = {}
    ends: list[int] = []
    code, said = OK, set[str]()
    for seeds in looks.ends(seen_ends(record, pairs)):
        ends.append(seeds)
        undecided = [pair for pair in pairs if pair not in found or not found[pair].over]
        wanted = {name for pair in undecided for name in pair} | ({FLOOR} & set(names))
        code = max(code, train(_only(request, wanted), range(seeds)))
        if code not in (OK, SOME_FAILED):
            return code
        for pair in undecided:
            broken: list[StoreError] = []
            scores = final_scores(results, request.suite.name, pair, tasks, seeds, broken)
            tell_unread(broken, said)
            found[pair] = looks.analyse(scores, pair, ends, alpha)
            typer.echo(describe(pair, found[pair]))
        write_record(file, found, tasks, ends)
        if all(one.over for one in found.values()):
            break
    for pair, one in found.items():
        typer.echo(f"{verdict(pair, one)} {after(one)}")
    return code


def _only(request: Request, names: set[str]) -> Request:
    return replace(request, variants=tuple(v for v in request.variants if v.name in names))
