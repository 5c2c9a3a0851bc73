"""The page at every width: nothing sticks out, what scrolls says so, and nothing is hidden below the bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dimebench.figures.files import FIGURES
from dimebench.page import html
from tests.analysis.factory import RUN, Book
from tests.analysis.test_summary import of

pytest.importorskip("selenium")

WIDTHS = (320, 390, 768, 1100, 1400)
PAPER = 688  # CSS pixels of an A4 page between its margins: 182 mm
MANY = 12
ABOUT = """
const wide = document.documentElement.clientWidth, problems = [];
const name = (e) => e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 30);
const scrolls = (e) => ["auto", "scroll"].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth;
if (document.documentElement.scrollWidth > wide) problems.push("the page scrolls sideways");
for (const e of document.querySelectorAll("nav *, main *:not(svg *)")) {
  if (!e.checkVisibility()) continue;
  if (scrolls(e)) {
    if (!getComputedStyle(e).backgroundImage.includes("gradient")) problems.push("no hint: " + name(e));
    const labelled = e.tabIndex === 0 && e.role === "region" && e.ariaLabel;
    if (e.matches(".scroll") && !labelled) problems.push("no label: " + name(e));
  }
  const box = e.getBoundingClientRect();
  let area = e.parentElement;
  while (area && !scrolls(area)) area = area.parentElement;
  if (!area && box.width && (box.right > wide + 1 || box.left < -1)) problems.push("cut: " + name(e));
}
return problems;
"""
SCROLLED = """
return [...document.querySelectorAll("main .scroll")].filter(e => e.scrollWidth > e.clientWidth)
  .map(e => e.firstElementChild.classList[0])
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about more variants than a window has room for, with long names, and one figure."""
    book = Book()
    for number in range(MANY):
        for task in ("dm_control/humanoid-run", "dm_control/humanoid-stand"):
            for seed in range(2):
                book.add(
                    f"dime:critic_hidden=[512,{number}]", task, seed, [0, 40 * number + seed, 60 * number + 9 * seed]
                )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "specs", lambda summary: [FIGURES[0]])
        return html.write_html(of(book), tmp_path_factory.mktemp("wide") / "report.html")


@contextmanager
def window(browser: Any, width: int, height: int = 800) -> Iterator[None]:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        # A frame later the page has measured itself.
        browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_nothing_is_cut_at_any_width_and_what_scrolls_says_so(browser: Any, report: Path, wide: Path) -> None:
    for page in (report, wide):
        browser.get(page.as_uri())
        browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
        for width in WIDTHS:
            with window(browser, width):
                assert browser.execute_script(ABOUT) == [], f"{page.parent.name} at {width}"
                if width == WIDTHS[-1]:
                    kinds = {"tasks", "runs"} if page == wide else set()
                    assert set(browser.execute_script(SCROLLED)) == kinds, page.parent.name


def test_a_name_of_any_length_leaves_room_for_the_bars(browser: Any, tmp_path: Path) -> None:
    names = {"dime:" + "long-" * 30: 3.0, "crossq": 2.0, "sac": 1.0}
    book = Book()
    for name, score in names.items():
        book.cell(name, RUN, [score, score + 0.1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "specs", lambda summary: [FIGURES[0]])
        path = html.write_html(of(book, resamples=20), tmp_path / "report.html")
    for width in (390, 1400):
        with window(browser, width):
            browser.get(path.as_uri())
            places = browser.execute_script(
                "return [...document.querySelectorAll('.ranking :is(.axis, tfoot span)')]"
                ".map((e) => e.getBoundingClientRect()).map((box) => [box.left, box.right])"
            )
            assert len(places) > len(names)
            assert all(0 <= left < right <= width for left, right in places), width


def test_a_comparison_is_a_card_on_a_telephone_with_its_verdict_in_sight(browser: Any, wide: Path) -> None:
    browser.get(wide.as_uri())
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    with window(browser, 390):
        last = "[...document.querySelectorAll('.cards tbody td:last-child')].map(e => e.getBoundingClientRect())"
        cells = browser.execute_script(f"return {last}.map(r => [r.left, r.right, r.height])")
        label = "return getComputedStyle(document.querySelectorAll('.comparisons tbody td')[1], '::before').content"
        assert browser.execute_script(label) == '"IQM difference"'
    assert len(cells) >= MANY
    assert all(0 <= left < right <= 390 and height > 0 for left, right, height in cells)


@pytest.mark.parametrize("width", [390, 1400])
def test_no_place_that_a_link_leads_to_is_hidden_below_the_bar(browser: Any, wide: Path, width: int) -> None:
    with window(browser, width):
        browser.get(f"{wide.as_uri()}#tasks")
        places = """
        const bar = document.querySelector(".bar").getBoundingClientRect().bottom;
        const there = [...document.querySelectorAll("main :is(h2, h3, figure)[id]")].map(e => e.id);
        return [location.hash.slice(1), ...there].map((id) => {
          location.hash = id;
          return [id, document.getElementById(id).getBoundingClientRect().top - bar];
        })
        """
        found = browser.execute_script(places)
    assert len(found) > 5
    assert [place for place, below in found if below < 0] == []


def test_on_paper_nothing_is_cut_hidden_or_dark(browser: Any, report: Path, wide: Path) -> None:
    for page in (report, wide):
        browser.get(page.as_uri())
        browser.execute_script("document.documentElement.dataset.theme = 'dark'")
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
        try:
            with window(browser, PAPER):
                assert browser.execute_script(ABOUT) == [], page.parent.name
                assert browser.execute_script(SCROLLED) == []
                shown = "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).length"
                assert browser.execute_script(shown, "nav.bar, button.plain") == 0
                beside = "return [...document.querySelectorAll('.legend .key')].map(e => getComputedStyle(e).display)"
                assert set(browser.execute_script(beside)) == {"inline-block"}  # its name stands on the same line
                rows = len(browser.find_elements("css selector", "details tr"))
                assert browser.execute_script(shown, "details tr") == rows > 5
                ink = browser.execute_script("return getComputedStyle(document.body).color")
                assert max(map(int, ink.removeprefix("rgb(").removesuffix(")").split(","))) < 100
                # Chromium leaves boxes such as a button's out of a head that it repeats on the next page.
                heads = "[...document.querySelectorAll('thead th *')].map(e => getComputedStyle(e).display)"
                assert "inline-block" not in browser.execute_script(f"return {heads}")
                assert browser.execute_script(shown, ".tasks .of") == (2 * MANY if page == wide else 0)
        finally:
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
