"""The page's "Repeat it": what it says is what makes its runs, verdict and page again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd

from dimebench.analysis import read_summary
from dimebench.page.again import commands_of
from tests.analysis.factory import RUN
from tests.cli.calls import Call


def test_the_commands_of_a_page_make_its_runs_again_imported_ones_included(dimebench: Call) -> None:
    for name in ("one", "a b"):
        rows = [(name, RUN, seed, step, 10.0 * seed + step) for seed in range(3) for step in (0, 100)]
        table = pd.DataFrame(rows, columns=["algorithm", "task", "seed", "env_step", "return"])
        table.to_csv(f"curves of {name}.csv", index=False)
        dimebench("import", f"curves of {name}.csv", "suite=mine", "--bounds", "0,1000", "--results", "there")
    typed = commands_of(read_summary(Path("there")))
    assert [line for line in typed if line.startswith("#")] == []
    for line in typed:
        words = shlex.split(line)
        assert words[0] == "dimebench"
        moved = [word if word != "there" else "again" for word in words]
        assert dimebench(*moved[1:]).code == 0
    first, again = (
        {p.relative_to(d): p.read_bytes() for p in Path(d).rglob("*.parquet")} for d in ("there", "again")
    )
    assert first == again
    assert len(first) == 6
