"""Names of variants as one types them: every command that reads runs understands the same ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.calls import TASK, Call, refused

READS_NAMES = (
    ["compare", "dime"],
    ["report", "dime"],
    ["export", "dime"],
    ["export", "dime", "--format", "zip"],
    ["power", "dime"],
)


@pytest.fixture
def imported(dimebench: Call, results: Path, place: Path) -> None:
    """Two seeds of ext:my-sac, and of a SimBa from another tool and one from a paper."""
    curve = {"timesteps": [0, 30, 60], "results": [[10.0, 12.0], [20.0, 22.0], [30.0, 32.0]]}
    np.savez(place / "a.npz", **curve)
    np.savez(place / "b.npz", **curve | {"results": [[11.0, 13.0], [21.0, 23.0], [31.0, 33.0]]})
    words = ["a.npz", "b.npz", "suite=tiny", "--task", TASK, "--action-repeat", "50"]
    assert dimebench("import", *words, "--algorithm", "my-sac").code == 0
    for more in ([], ["--published"]):
        assert dimebench("import", *words, "--algorithm", "SimBa", *more).code == 0


def test_a_name_without_its_prefix_is_accepted_and_printed_with_it(
    dimebench: Call, imported: None, place: Path
) -> None:
    for words in (["compare", "dime", "my-sac"], ["compare", "dime", "my-sac", "--json"]):
        short, full = dimebench(*words), dimebench(*[word.replace("my-sac", "ext:my-sac") for word in words])
        assert (short.code, short.out) == (0, full.out)
    assert json.loads(short.out)["variants"] == ["dime", "ext:my-sac"]
    said = dimebench("compare", "dime", "my-sac").out
    assert "ext:my-sac" in said
    assert "my-sac" not in said.replace("ext:my-sac", "")
    assert dimebench("report", "dime", "my-sac", "--html", "--formats", "svg").code == 0
    html = (place / "report/tiny/report.html").read_text()
    assert "dimebench compare dime ext:my-sac" in html
    assert dimebench("export", "dime", "my-sac").code == 0
    rows = pd.read_csv(place / "export/tiny/tables/aggregates.csv")
    assert set(rows["variant"]) == {"dime", "ext:my-sac", "random"}
    assert dimebench("export", "my-sac", "--format", "zip").lines[0].startswith("zip: export/tiny.zip, 2 runs")
    asked = ["--simulations", "20", "--difference", "0.3"]
    answer = dimebench("power", "dime", "my-sac", *asked)
    assert "From the spread of dime and ext:my-sac" in answer.out
    assert json.loads(dimebench("power", "my-sac", *asked, "--json").out)["variants"] == ["ext:my-sac"]
    refused(dimebench("render", "my-sac"), "ext:my-sac: its runs were imported: there is no policy to film")


@pytest.mark.parametrize("words", READS_NAMES, ids=" ".join)
def test_a_name_that_may_be_two_is_refused(words: list[str], dimebench: Call, imported: None, place: Path) -> None:
    refused(
        dimebench(words[0], words[1], "SimBa", *words[2:]),
        "'SimBa' may be ext:SimBa or paper:SimBa in suite tiny: name one of them",
    )
    assert not [*place.glob("export/*"), *place.glob("report/*")]


@pytest.mark.parametrize("words", READS_NAMES, ids=" ".join)
def test_an_unknown_name_leads_to_the_published_one(words: list[str], dimebench: Call, results: Path) -> None:
    line = "no runs of '{}' in suite tiny (nearest: {})"
    refused(dimebench(words[0], words[1], "SimBa", *words[2:]), line.format("SimBa", "paper:SimBa"))
    refused(dimebench(words[0], words[1], "DIME", *words[2:]), line.format("DIME", "dime, paper:DIME"))


def test_without_runs_of_it_the_issues_words_lead_to_both_published_names(dimebench: Call, results: Path) -> None:
    dime = results / "tiny" / "dime"
    dime.rename(results.parent / "elsewhere")
    refused(dimebench("compare", "DIME", "SimBa"), "no runs of 'DIME' in suite tiny (nearest: paper:DIME)")


def test_render_leads_to_the_users_own_name(dimebench: Call, results: Path) -> None:
    refused(dimebench("render", "DIME"), "no runs of 'DIME' in suite tiny (nearest: dime, paper:DIME)")
    refused(dimebench("render", "paper:DIME"), "no runs of 'paper:DIME' in suite tiny: it is published, not run")


def test_one_variant_under_two_names_is_nothing_to_compare(dimebench: Call, imported: None) -> None:
    refused(
        dimebench("compare", "my-sac", "ext:my-sac"),
        "compare takes two algorithms or more: my-sac and ext:my-sac are all ext:my-sac",
    )
