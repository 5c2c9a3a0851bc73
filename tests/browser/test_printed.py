"""`report --pdf` with a real browser: the page on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dimebench.analysis.summary import Summary
from dimebench.page import browser, plain_pdf
from dimebench.page.pdf import write_pdf
from tests.analysis.factory import two_variants
from tests.analysis.test_summary import of
from tests.browser.conftest import CHROMIUM

MEDIA_BOX = re.compile(rb"/MediaBox\s*\[([^\]]*)\]")


@pytest.mark.skipif(not CHROMIUM, reason="no chromium here (Debian: apt-get install chromium)")
def test_the_page_is_printed_on_pages_of_one_size(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(browser.VARIABLE, str(CHROMIUM))

    def fail(summary: Summary) -> bytes:
        raise AssertionError("drawn without a browser")

    monkeypatch.setattr(plain_pdf, "plain_pdf", fail)
    said: list[str] = []
    try:
        content = write_pdf(of(two_variants()), tmp_path / "report.pdf", report, said.append).read_bytes()
    except AssertionError:
        pytest.skip(f"chromium does not print here: {said}")
    sizes = MEDIA_BOX.findall(content)
    assert len(sizes) > 3
    assert {tuple(round(float(n)) for n in size.split()) for size in sizes} == {(0, 0, 595, 842)}, "A4"
    assert list(tmp_path.iterdir()) == [tmp_path / "report.pdf"]
