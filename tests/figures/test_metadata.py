"""What a figure's file says of itself: title, suite, budget and version, and no date."""

from __future__ import annotations

import io

from PIL import Image

import dimebench
from dimebench.figures.files import FIGURES, render
from dimebench.page.svg import inline
from tests.analysis.factory import RUN, Book
from tests.analysis.test_summary import of


def test_every_format_names_title_suite_budget_and_version() -> None:
    summary = of(Book().cell("a <b> & 名", RUN, [1, 2]).cell("sac", RUN, [1, 2]))
    spec = FIGURES[0]
    made = render(spec.draw, summary, title=spec.title)
    assert made == render(spec.draw, summary, title=spec.title)
    said = f"suite quick, matched at 300 env steps, by dimebench {dimebench.__version__}"
    text = Image.open(io.BytesIO(made["png"])).text  # type: ignore[attr-defined]
    assert (text["Title"], text["Description"]) == (spec.title, said)
    for name, value in (("Title", spec.title), ("Subject", said)):
        assert f"/{name} ({value})".encode() in made["pdf"]
    assert b"/Keywords" in made["pdf"]
    svg = made["svg"].decode()
    assert f"<dc:title>{spec.title}</dc:title>" in svg
    assert f"<dc:description>{said}</dc:description>" in svg
    assert "<rdf:li>a &lt;b&gt; &amp; 名</rdf:li>" in svg
    assert not [word for word in (b"<dc:date", b"/CreationDate", b"/ModDate") if word in made["svg"] + made["pdf"]]
    page = inline(svg, "a", spec.title)
    assert "metadata" not in page
    assert "rdf" not in page
