"""`dimebench doctor`: is this machine fit for days of training?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from dimebench.cli.common import options
from dimebench.cli.common.checks import existing
from dimebench.cli.common.parsers import split_words
from dimebench.errors import OK, SOME_FAILED, UsageError

DEFAULT_SUITE = "quick"


def doctor(
    words: Annotated[
        list[str] | None, options.words(f"suite=NAME: whose tasks to load (default: {DEFAULT_SUITE}).", "[WORDS]")
    ] = None,
    results: options.Results = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> int:
    """Check versions, device, rendering, the results folder, every task of a suite, and that a killed run resumes."""
    names, suite = split_words(words)
    if names:
        raise UsageError(f"'{names[0]}': doctor takes suite=NAME alone")
    from dimebench import doctor as checks
    from dimebench.cli.common.output import print_json, print_line
    from dimebench.config import load_suite

    tasks = load_suite(suite or DEFAULT_SUITE).tasks
    found = []
    for check in (
        *(checks.versions, checks.device, checks.rendering),
        *(lambda: checks.results_folder(existing(results)), checks.libraries, lambda: checks.tasks(tasks)),
        lambda: checks.resume(lambda: checks.self_test_block(load_suite(DEFAULT_SUITE).tasks[0])),
    ):
        for each in check():
            found.append(each)
            if not as_json:
                mark = "ok    " if each.ok else "FAILED"
                print_line(f"{mark}  {each.group:<9}  {each.name}: {each.detail}", hang=19)
    bad = sum(not each.ok for each in found)
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        print_line(f"{len(found)} checks, {bad} failed" if bad else f"{len(found)} checks, all well")
    return SOME_FAILED if bad else OK
