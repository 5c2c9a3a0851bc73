"""The head of the page, what to type again, and what is said where."""

from __future__ import annotations

from datetime import UTC, datetime

from dimebench.analysis.notes import FloorNotShown, Unreadable
from dimebench.page.again import commands_of
from dimebench.page.head import LONGEST_TITLE, Made, facts, title
from dimebench.page.html import page
from dimebench.page.ranking import picture
from dimebench.wording.notes import about_runs, not_counted, remarks
from tests.analysis.factory import RUN, WALK, Book, four_variants, two_variants
from tests.analysis.test_summary import of
from tests.page.test_html import Reader


def test_the_head_says_when_by_whom_from_what_and_what_limited_the_budget() -> None:
    book = (
        Book().cell("dime", RUN, range(500, 506)).add("sac", RUN, 0, [0, 100, 200]).add("sac", RUN, 1, [0, 90, 150])
    )
    book.add("sac", RUN, 2, [0, 91, 154])
    summary = of(book)
    made = Made(datetime(2026, 3, 4, 5, 6, tzinfo=UTC), "ada", "results")
    text = " ".join(Reader(page(summary, made=made)).text.split())
    assert "2026-03-04 05:06 UTC by ada, from results" in text
    assert ("matched budget", "200 env steps", "limited by sac; others reach 300 env steps") in facts(summary)
    assert all(value in text and said in text for _, value, said in facts(summary))


def test_the_tab_says_the_suite_first_and_is_short() -> None:
    assert title(of(two_variants())) == "quick: dime is better than sac"
    assert title(of(four_variants())) == "quick: dime and dime-wide lead"
    long = Book().cell("a" * 50, RUN, [1, 2]).cell("b" * 50, RUN, [1, 2])
    assert len(title(of(long))) == LONGEST_TITLE


def test_every_link_of_the_head_leads_to_a_section() -> None:
    found = Reader(page(of(four_variants())))
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    ids = {f"#{attrs['id']}" for tag, attrs in found.tags if tag in ("h2", "h3") and "id" in attrs}
    assert set(links) == ids
    assert len(links) >= 9


def test_bars_of_the_ranking_lie_on_its_scale_in_its_order() -> None:
    summary = of(four_variants())
    found = picture(summary)
    assert found is not None
    assert [bar.of.variant for bar in found.bars] == [row.variant for row in summary.ranking]
    points = [bar.point for bar in found.bars]
    assert points == sorted(points, reverse=True)
    for bar in found.bars:
        assert bar.low is not None
        assert bar.width is not None
        assert 0 <= bar.low <= bar.point <= bar.low + bar.width <= 100.5
    assert found.ticks[0][0] == 0
    assert found.ticks[-1][0] == 100
    assert [bar.letters for bar in found.bars] == [("a", "", ""), ("a", "b", ""), ("", "b", ""), ("", "", "c")]
    assert picture(of(two_variants())) is None


def test_what_does_not_count_lists_only_that() -> None:
    summary = of(two_variants().cell("crossq", RUN, [1, 2, 3], of={"versions": {"torch": "2.12.0"}}))
    assert not_counted(summary) == [f"left out: {WALK} (no runs of crossq)"]
    assert all("come from" in remark for remark in about_runs(summary))
    assert remarks(summary) == [*not_counted(summary), *about_runs(summary)]
    for note in summary.notes:
        assert not isinstance(note, Unreadable | FloorNotShown)


def test_no_page_shows_backticks_or_a_wrong_plural() -> None:
    for book in (two_variants(), four_variants(), Book().cell("dime", RUN, [5]), two_variants(1)):
        text = Reader(page(of(book, resamples=50)).partition('<script type="application/json"')[0]).text
        assert "`" not in text
        for word in ("seed", "run", "task", "variant", "comparison"):
            assert f" 1 {word}s" not in text


def test_commands_follow_the_results_folder_and_say_what_nobody_recorded() -> None:
    typed = {"provenance": {"command": "dimebench run suite=quick --results old --seeds 2"}}
    external = {"provenance": {"imported_from": "someone/else"}}
    bare: dict[str, dict[str, str]] = {"provenance": {}}
    book = (
        Book().cell("dime", RUN, [1, 2], **typed).cell("ext:x", RUN, [3, 4], **external).cell("sac", RUN, [5], **bare)
    )
    lines = commands_of(of(book))
    assert lines[0] == "dimebench run suite=quick --seeds 2"
    assert lines[1] == "dimebench run suite=quick algo=sac --seeds 1"
    assert lines[2] == ("# 2 runs of ext:x: imported from someone/else by a release that did not record the command")
