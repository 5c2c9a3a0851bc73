"""Figure files: present, not empty, the same every time, with captions that say what they show."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

import dimebench
from dimebench.figures.files import FORMATS, draw_aggregates, render, specs, write_figures
from dimebench.figures.style import FLOOR, label, styles
from tests.analysis.factory import RUN, Book, two_variants
from tests.analysis.test_summary import of

COMPARED = {"improvement_matrix", "probability_of_improvement"}
NAMES = {"learning_curves", "sample_efficiency", "aggregates", "performance_profile", "cost", *COMPARED}
MAGIC = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


def test_every_figure_is_written_in_every_format(tmp_path: Path) -> None:
    paths = write_figures(of(two_variants()), tmp_path)
    assert {p.name for p in paths} == {f"{name}.{form}" for name in NAMES for form in FORMATS}
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in paths}
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(MAGIC[path.suffix[1:]])
        assert len(content) > 2000


def test_figures_are_the_same_bytes_every_time() -> None:
    summary = of(two_variants())
    assert render(draw_aggregates, summary) == render(draw_aggregates, summary)


def test_a_figure_is_the_same_whichever_other_formats_are_asked_for() -> None:
    summary = of(two_variants())
    together = render(draw_aggregates, summary)
    for form in FORMATS:
        assert render(draw_aggregates, summary, [form]) == {form: together[form]}


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown figure format 'gif' \(known: svg, png, pdf\)"):
        write_figures(of(two_variants()), tmp_path, ["gif"])
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_compare_means_no_comparison_figure() -> None:
    assert {spec.name for spec in specs(of(Book().cell("dime", RUN, [1, 2])))} == NAMES - COMPARED


def test_one_seed_is_drawn_without_bands(tmp_path: Path) -> None:
    summary = of(Book().cell("dime", RUN, [700]).cell("sac", RUN, [300]))
    assert len(write_figures(summary, tmp_path, ["svg"])) == len(NAMES)
    captions = {spec.name: spec.caption(summary) for spec in specs(summary)}
    assert captions["learning_curves"].endswith("One seed per task: no bands.")
    assert "no intervals" in captions["aggregates"]


def test_captions_state_seeds_and_intervals_and_axes_their_units() -> None:
    summary = of(two_variants())
    for spec in specs(summary):
        if spec.name in ("improvement_matrix", "cost"):  # points alone; the page tells the matrix's intervals
            continue
        assert "3 seeds" in spec.caption(summary)
        assert "95% intervals" in spec.caption(summary)
    curves = next(spec for spec in specs(summary) if spec.name == "learning_curves")
    text = render(curves.draw, summary, ["svg"], **{"svg.fonttype": "none"})["svg"].decode()
    assert ">env steps<" in text
    assert ">return<" in text


def test_names_are_drawn_as_they_are_and_not_read_as_formulas() -> None:
    name = "dime:x=$\\frac{$<b>&"
    summary = of(Book().cell(name, RUN, [1, 2]).cell("sac", RUN, [1, 2]))
    for spec in specs(summary):
        svg = render(spec.draw, summary, ["svg"], **{"svg.fonttype": "none"})["svg"]
        assert any(name in (element.text or "") for element in ElementTree.fromstring(svg).iter())


def test_a_variants_look_does_not_depend_on_its_company() -> None:
    alone = styles(["sac"], None)
    among = styles(["dime", "sac", "crossq", "random"], "random")
    assert alone["sac"] == among["sac"]
    assert among["random"] == FLOOR


def test_long_names_are_shortened_in_figures() -> None:
    assert label("x" * 50, 10) == "xxxxxxxxx…"
    assert label("a\nb") == "a\\nb"


def test_nothing_that_draws_imports_pyplot() -> None:
    rooms = ("analysis", "wording", "figures", "tables", "page", "export", "cli")
    sources = [source for room in rooms for source in (Path(dimebench.__file__).parent / room).rglob("*.py")]
    assert any("matplotlib" in source.read_text(encoding="utf-8") for source in sources)
    assert not [source for source in sources if "matplotlib.pyplot" in source.read_text(encoding="utf-8")]
