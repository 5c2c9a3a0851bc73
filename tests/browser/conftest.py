"""A real, headless Chromium, or a reason why there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1280,900"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with a profile of its own, that keeps its console and every request."""
    if not CHROMIUM or not DRIVER:
        pytest.skip("no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    try:
        driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    except WebDriverException as error:
        pytest.skip(f"chromium does not start here: {str(error).splitlines()[0]}")
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about three variants on two tasks, with published figures and a failed run."""
    from dimebench.analysis.published import cite, peers
    from dimebench.page.html import write_html
    from tests.analysis.factory import Book
    from tests.analysis.test_summary import of

    book = Book()
    for variant, level in (("dime", 700), ("sac", 400), ("random", 30)):
        for task, ease in (("dm_control/dog-run", 0.7), ("dm_control/dog-walk", 1.2)):
            for seed in range(3):
                finals = [level * ease * share + 9 * seed for share in (0, 0.6, 1)]
                book.add(variant, task, seed, finals, env_steps=(0, 500_000, 1_000_000))
    book.add("sac", "dm_control/dog-run", 9, status="failed", reason="<img src=x onerror=alert(1)>")
    summary = of(book)
    return write_html(cite(summary, peers(summary), asked=False), tmp_path_factory.mktemp("page") / "report.html")
