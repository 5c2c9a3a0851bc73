"""The report's page in a real browser: toggles, values, sorting, colours, keys; nothing leaves it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The page, opened afresh; whatever a test does, it logs no error and asks for nothing but itself."""
    browser.get(report.as_uri())
    browser.execute_script("sessionStorage.clear()")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(report.as_uri())
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert asked == {report.as_uri()}


def drawn(page: Any, number: int) -> int:
    """How many elements of a variant can be seen, in figures and tables."""
    script = """return [...document.querySelectorAll(`main [data-v='${arguments[0]}']`)]
        .filter(e => e.getClientRects().length).length"""
    return page.execute_script(script, number)


def figures_with(page: Any, number: int) -> set[str]:
    """The figures in which something of a variant can be seen."""
    script = """return [...document.querySelectorAll("figure")].filter(f =>
        [...f.querySelectorAll(`[data-v='${arguments[0]}']`)].some(e => e.getClientRects().length)).map(f => f.id)"""
    return set(page.execute_script(script, number))


def toggle(page: Any, name: str) -> Any:
    return next(b for b in page.find_elements(By.CSS_SELECTOR, ".toggle") if b.text.startswith(name))


def tip(page: Any) -> str:
    return page.find_element(By.ID, "tip").text


def tip_with(page: Any, text: str) -> str:
    """What stands under the pointer once it holds the text; the page may still be scrolling below it."""
    nudges = itertools.cycle([1, -1])

    def there(_: Any) -> bool:
        if text in tip(page):
            return True
        ActionChains(page).move_by_offset(next(nudges), 0).perform()
        return text in tip(page)

    WebDriverWait(page, 10, 0.2).until(there, f"'{text}' under the pointer")
    return tip(page)


def test_a_toggle_hides_a_variant_in_every_figure_and_table_at_once(page: Any) -> None:
    before = figures_with(page, 1)
    assert len(before) == 6, "all but the differences, which dime leads"
    toggle(page, "sac").click()
    assert toggle(page, "sac").get_attribute("aria-pressed") == "false"
    assert drawn(page, 1) == 0
    assert len(figures_with(page, 0)) == 7
    page.find_element(By.ID, "all").click()
    assert figures_with(page, 1) == before


def test_a_double_click_leaves_one_variant_alone(page: Any) -> None:
    ActionChains(page).double_click(toggle(page, "dime")).perform()
    assert [drawn(page, number) > 0 for number in range(5)] == [True, False, False, False, False]


def test_published_figures_are_marked_and_can_be_hidden(page: Any) -> None:
    assert "published" in toggle(page, "paper:DIME").text
    toggle(page, "paper:DIME").click()
    assert drawn(page, 3) == 0


def test_values_show_under_the_pointer(page: Any) -> None:
    toggle(page, "paper:DIME").click()  # whose points lie between the evaluations
    drawing = page.find_element(By.CSS_SELECTOR, "[data-drawing='learning_curves-0']")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", drawing)
    ActionChains(page).move_to_element(drawing).perform()
    shown = tip_with(page, "dm_control/dog-run, 500,000")
    assert "dime: 303" in shown
    assert "sac: 177" in shown
    page.execute_script("document.querySelectorAll('.toggle')[1].click()")
    ActionChains(page).move_by_offset(3, 0).perform()
    assert "sac" not in tip_with(page, "dime: 303")


def test_values_show_for_bars_and_for_the_matrix(page: Any) -> None:
    for key, text in (("aggregates-0", ": IQM 0."), ("improvement_matrix-0", "P(")):
        drawing = page.find_element(By.CSS_SELECTOR, f"[data-drawing='{key}']")
        page.execute_script("arguments[0].scrollIntoView({block: 'center'})", drawing)
        panels = json.loads(page.find_element(By.ID, "hover").get_attribute("textContent"))["drawings"][key]
        place, box = panels[0]["places"][0], panels[0]["box"]
        (x0, x1), (y0, y1) = panels[0]["x"], panels[0]["y"]
        svg = drawing.find_element(By.TAG_NAME, "svg").rect
        x = svg["width"] * (box[0] + (box[2] - box[0]) * (place["x"] - x0) / (x1 - x0))
        y = svg["height"] * (box[3] - (box[3] - box[1]) * (place["y"] - y0) / (y1 - y0))
        element = drawing.find_element(By.TAG_NAME, "svg")
        ActionChains(page).move_to_element_with_offset(
            element, int(x - svg["width"] / 2), int(y - svg["height"] / 2)
        ).perform()
        tip_with(page, text)


def test_a_click_on_a_head_sorts_and_another_turns_the_order(page: Any) -> None:
    head = page.find_element(By.XPATH, "//section[@aria-labelledby='tasks']//th[contains(., 'dime')]")
    column = "return [...document.querySelectorAll('.tasks tbody tr')].map(r => Number(r.cells[1].dataset.sort))"
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", head)
    head.find_element(By.TAG_NAME, "button").click()
    falling = page.execute_script(column)
    assert falling == sorted(falling, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    head.find_element(By.TAG_NAME, "button").click()
    assert page.execute_script(column) == falling[::-1]


def test_everything_can_be_done_by_keyboard(page: Any) -> None:
    body = page.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert "dime" in page.switch_to.active_element.text
    page.switch_to.active_element.send_keys(Keys.SPACE)
    assert drawn(page, 0) == 0
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert drawn(page, 0) > 0
    drawing = page.find_element(By.CSS_SELECTOR, "[data-drawing='sample_efficiency-0']")
    page.execute_script("arguments[0].focus()", drawing)
    for _ in range(2):
        drawing.send_keys(Keys.ARROW_RIGHT)
    assert "500,000" in tip(page)
    drawing.send_keys(Keys.ESCAPE)
    assert tip(page) == ""


def test_colours_follow_the_system_until_one_chooses(page: Any) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"

    def system(scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    system("light")
    light = page.execute_script(paper)
    system("dark")
    dark = page.execute_script(paper)
    assert light != dark
    theme = page.find_element(By.ID, "theme")
    theme.click()
    assert (theme.text, page.execute_script(paper)) == ("light", light)
    system("light")
    theme.click()
    assert (theme.text, page.execute_script(paper)) == ("dark", dark)


def test_text_from_files_stays_text(page: Any) -> None:
    assert page.execute_script("return document.querySelectorAll('img').length") == 0
    assert "<img src=x onerror=alert(1)>" in page.find_element(By.TAG_NAME, "main").text
