"""The page: one file that fetches nothing, escapes what it is given, and shows everything."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dimebench.analysis.summary import Summary
from dimebench.figures.files import specs
from dimebench.numbers import unit
from dimebench.page.html import Clip, page, write_html
from dimebench.page.svg import inline
from dimebench.wording.verdict import sentences
from tests.analysis.factory import RUN, WALK, Book, four_variants, two_variants
from tests.analysis.test_summary import of

HOSTILE = '"><script>alert(1)</script>&{{ 7 * 7 }}'
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Tags, attributes and text of a page, and whether its tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def summary() -> Summary:
    book = two_variants().add("sac", RUN, 7, status="failed", reason="mujoco: NaN in qacc")
    return of(book.add("sac", RUN, 8, [0, 9], status="running").add("sac", WALK, 9, [0, 9], status="diverged"))


@pytest.fixture(scope="module")
def html(summary: Summary) -> str:
    return page(summary)


def test_page_is_one_file_written_whole_and_the_same_every_time(summary: Summary, html: str, tmp_path: Path) -> None:
    path = write_html(summary, tmp_path / "report" / "index.html")
    assert path.read_text(encoding="utf-8") == html
    assert [p.name for p in path.parent.iterdir()] == ["index.html"]


def test_page_is_well_formed_and_fetches_nothing(html: str) -> None:
    found = Reader(html)
    assert found.open == []
    assert not {tag for tag, _ in found.tags} & {"link", "img", "iframe", "object", "base", "form"}
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    for _, attrs in found.tags:
        assert (attrs.get("href") or "#").startswith("#")
        assert "src" not in attrs
        assert "style" not in attrs or "url(" not in str(attrs["style"])
        assert not any(name.startswith("on") for name in attrs)


def test_ids_are_unique_and_references_lead_somewhere(html: str) -> None:
    found = Reader(html)
    ids = Counter(attrs["id"] for _, attrs in found.tags if "id" in attrs)
    assert max(ids.values()) == 1
    references = {a["href"][1:] for _, a in found.tags if a.get("href")} | set(re.findall(r"url\(#([^)]*)\)", html))
    assert not [name for name in ids if name.startswith("variant-")], "marks are no ids"
    assert references <= set(ids)
    assert len(references) > 10


def test_every_figure_is_there_with_its_caption(summary: Summary, html: str) -> None:
    found = Reader(html)
    for spec in specs(summary):
        assert f'id="figure-{spec.name}"' in html
        assert spec.caption(summary) in found.text
    drawings = [
        attrs for tag, attrs in found.tags if tag == "svg" and "viewbox" in attrs and attrs.get("class") != "key"
    ]
    assert len(drawings) == len(specs(summary)) - 1 + len(summary.tasks)
    assert all(attrs["aria-label"] and attrs["role"] == "img" for attrs in drawings)


def test_verdict_stands_before_everything_else(summary: Summary, html: str) -> None:
    text = Reader(html).text
    body = text[text.index("Provenance") :]  # the last link of the head
    assert body.index("dime is better than sac") < body.index("Over all tasks") < body.index("Per task")
    assert sentences(summary)[0] in body


def test_runs_that_do_not_count_are_listed_with_their_reason(html: str) -> None:
    text = Reader(html).text
    assert "mujoco: NaN in qacc" in text
    assert "reached 100 of 300 env steps" in text
    assert "1 diverged" in text


def test_every_runs_provenance_is_there(summary: Summary, html: str) -> None:
    text = Reader(html).text
    for run in summary.runs:
        assert run.identity["sha256"][:12] in text
    for fact in ("0.1.0+abcdef", "torch 2.13.0", "a processor", "2025-01-01 10:00:00", "batch_size", f"f00d-{RUN}"):
        assert fact in text


def test_commands_to_repeat_the_report_are_exact(html: str) -> None:
    text = Reader(html).text
    assert "dimebench run suite=quick --seeds 3" in text
    assert "dimebench compare dime sac suite=quick --budget 300" in text
    assert "dimebench report dime sac suite=quick --budget 300 --html" in text


def test_text_from_files_is_escaped_everywhere() -> None:
    book = Book()
    hostile = {
        "of": {"settings": {HOSTILE: HOSTILE}, "code": HOSTILE, "versions": {HOSTILE: HOSTILE}},
        "provenance": {"command": HOSTILE, "device": HOSTILE, "started": HOSTILE, "machine": {"cpu": HOSTILE}},
        "suite": HOSTILE,
        "progress": {"env_step": HOSTILE, "grad_step": None, "wall_time_s": [HOSTILE]},
    }
    book.cell(HOSTILE, HOSTILE, [1, 2], **hostile).cell("sac", HOSTILE, [3, 4], **hostile)
    book.add("sac", HOSTILE, 5, status="failed", reason=HOSTILE, **hostile)
    book.add("sac", HOSTILE, 6, status="failed", suite=HOSTILE, identity={"sha256": [HOSTILE]})
    text = page(of(book))
    found = Reader(text)
    assert [dict(attrs).get("type") for tag, attrs in found.tags if tag == "script"] == ["application/json", None]
    assert "<script>alert" not in text
    assert found.text.count(HOSTILE) > 15
    assert "{{ 7 * 7 }}" in found.text


def test_many_comparisons_are_summed_up_and_each_has_its_sentence() -> None:
    book = Book()
    for index, name in enumerate("abcd"):
        book.cell(name, RUN, [900 - 200 * index + k for k in range(6)])
    summary = of(book)
    text = Reader(page(summary)).text
    assert "a is better than b, c and d" in text
    assert all(sentence in text for sentence in sentences(summary))


def ranking_of(html: str) -> str:
    """The text of the ranking's section, a space between cells and for every interval."""
    section = html[html.index('<h2 id="ranking">') : html.index('<h2 id="pairs">')].split("</section>")[0]
    spaced = re.sub(r"</(th|td|h2|span)>", r"</\1> ", re.sub(r"<small>\[.*?</small>", " ", section))
    return " ".join(Reader(spaced).text.split())


def ticks_of(html: str) -> str:
    """What stands below the scale of the ranking."""
    return " ".join(re.findall(r"<span style=\"left: [\d.]+%\">([\d.]+)</span>", html))


def test_ranking_stands_below_the_verdict_of_three_variants_and_more(html: str) -> None:
    summary = of(four_variants())
    text = page(summary)
    assert Reader(text).open == []
    assert text.count("<h3>") <= 2 + len(specs(summary))  # of the verdict, and a heading per figure
    assert (
        text.index('<h2 id="verdict">') < text.index('<h2 id="ranking">') < text.index('<h2 id="aggregates-table">')
    )
    first, second, third, fourth = (unit(row.iqm.point) for row in summary.ranking)
    assert ranking_of(text) == (
        f"Ranking variant rank IQM 95% interval of the IQM not told apart dime 1-2 {first} a "
        f"dime-wide 1-3 {second} a b sac 2-3 {third} b crossq 4 {fourth} c {ticks_of(text)} "
        "Variants that share a letter are not told apart at "
        "95%; the rank intervals hold for all variants at once."
    )
    assert 'id="ranking"' not in html


def test_ranking_has_no_letters_where_not_every_pair_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("dimebench.analysis.build"), "MOST_PAIRED", 3)
    summary = of(four_variants())
    first, second, third, fourth = (unit(row.iqm.point) for row in summary.ranking)
    text = page(summary)
    assert ranking_of(text).startswith(
        f"Ranking variant rank IQM 95% interval of the IQM against the first dime 1-2 {first} the first "
        f"dime-wide 1-4 {second} undecided sac 2-4 {third} worse crossq 2-4 {fourth} worse "
    )
    assert "The first against each other one" in text


def test_names_are_quoted_for_the_shell_and_runs_of_unequal_origin_told_apart() -> None:
    name = "dime:critic_hidden=[64,64]"
    book = Book().cell(name, RUN, [1, 2]).cell("sac", RUN, [3, 4], of={"code": "0.2.0+other"})
    text = Reader(page(of(book))).text
    assert f"dimebench compare sac '{name}' suite=quick --budget 300" in text
    assert "Origin 1 2 runs" in text
    assert "Origin 2 2 runs" in text
    assert "the runs come from 2 versions of dimebench" in text


def test_one_run_makes_a_page_too() -> None:
    found = Reader(page(of(Book().cell("dime", RUN, [5]))))
    assert found.open == []
    assert "Nothing was left out" in found.text


def test_page_lets_its_own_script_run_and_nothing_else(html: str) -> None:
    policy = next(attrs for tag, attrs in Reader(html).tags if "http-equiv" in attrs)["content"] or ""
    script = html[html.rindex("<script>") + len("<script>") : html.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_every_drawing_has_its_numbers(summary: Summary, html: str) -> None:
    hover = json.loads(html[html.index('id="hover">') + len('id="hover">') : html.index("</script>")])
    assert list(hover["names"].values()) == list(summary.shown)
    panel = hover["drawings"]["learning_curves-0"][0]
    assert [curve["v"] for curve in panel["curves"]] == [0, 1, 2]
    assert panel["curves"][0]["y"] == [float(f"{y:.5g}") for y in summary.cell("dime", summary.tasks[0]).curve.point]
    texts = [place["text"] for panel in hover["drawings"]["aggregates-0"] for place in panel["places"]]
    assert len(texts) == 4 * 3
    assert texts[0].startswith("dime: IQM 0.")


def test_page_that_is_being_written_reads_itself_anew(summary: Summary) -> None:
    assert 'data-refresh="7"' in page(summary, refresh_s=7)
    assert "data-refresh=" not in page(summary)


def test_clips_stand_in_the_page_itself(summary: Summary) -> None:
    film = Clip("dime", f"{RUN}: dime", "gif", base64.b64encode(b"GIF89a").decode())
    assert "data:image/gif;base64,R0lGODlh" in page(summary, [film])


def test_films_that_would_make_the_page_too_large_are_named_instead(summary: Summary) -> None:
    large, small = (
        Clip("dime", f"{task}: dime", "gif", "QUJD" * size) for task, size in ((RUN, 1_250_000), (WALK, 9))
    )
    html = page(summary, [large, small, small])
    assert len(html.encode()) < 5_000_000
    assert html.count("data:image/gif;base64,") == 2
    assert f"No room below 5 MB for the films of {RUN}: dime." in html
    assert "No room" not in page(summary, [small])


def test_page_knows_light_dark_and_print(html: str) -> None:
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    drawn = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-f]{6}\b", drawn)  # figures take every colour from the page


def test_inlined_svg_keeps_only_what_is_drawn() -> None:
    svg = (
        '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><metadata>x</metadata>'
        '<style type="text/css">*{}</style><!-- note --><path id="a" style="fill: #0067b1"/><use xlink:href="#a" '
        'clip-path="url(#a)"/></svg>'
    )
    assert inline(svg, "fig", 'say "so"') == (
        '<svg role="img" aria-label="say &quot;so&quot;" style="--full: 2px" viewBox="0 0 1 1"><path id="fig-a" '
        'style="fill: var(--series-0)"/><use href="#fig-a" clip-path="url(#fig-a)"/></svg>'
    )
