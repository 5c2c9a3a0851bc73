"""Legends and looks: every name is there, nothing covers a panel, and no library has anything to say."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

from dimebench import own_matplotlib
from dimebench.analysis import summary as summaries
from dimebench.figures.files import FIGURES, PER_TASK, specs, without_runs
from dimebench.figures.look import PAGE, REPORT, Look, paper_looks
from dimebench.figures.marks import Drawing
from dimebench.figures.style import label
from dimebench.papers import PAPERS
from tests.analysis.factory import RUN, WALK, Book
from tests.analysis.test_summary import of

WITH_LEGEND = {PER_TASK, "performance_profile", "sample_efficiency"}
COLUMN = paper_looks(PAPERS["icml"])["-column"]


def many(count: int, long: bool = False) -> summaries.Summary:
    book = Book()
    for k in range(count):
        name = f"dime:diffusion_steps={k},utd=8,lr=0.001" if long and k else f"v{k:02d}"
        for task in (WALK, RUN):
            book.cell(name, task, [600 + k, 620 + 9 * k])
    return of(book, resamples=20)


def drawn(summary: summaries.Summary, look: Look, names: set[str] | None = None) -> Iterator[tuple[str, Drawing]]:
    """Each figure, laid out; a warning of a library is an error."""
    with own_matplotlib.drawing(look.rc(summary)):
        for spec in specs(summary):
            if names is None or spec.name in names:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    drawing = spec.draw(summary, look)
                    FigureCanvasAgg(drawing.figure).draw()
                yield spec.name, drawing


@pytest.mark.parametrize(
    ("count", "long", "look", "names"),
    [
        (3, False, REPORT, None),
        (7, True, REPORT, None),
        (26, True, COLUMN, WITH_LEGEND),
        pytest.param(26, False, REPORT, None, marks=pytest.mark.slow),
        pytest.param(26, True, COLUMN, None, marks=pytest.mark.slow),
    ],
)
def test_legends_name_every_variant_beside_the_panels(
    count: int, long: bool, look: Look, names: set[str] | None
) -> None:
    summary, seen = many(count, long), set()
    for name, drawing in drawn(summary, look, names):
        figure = drawing.figure
        boxes = [axes.get_window_extent() for axes in figure.axes]
        assert min(min(box.width, box.height) for box in boxes) > 0.3 * figure.dpi
        for legend in figure.legends:
            seen.add(name)
            extent = legend.get_window_extent()
            assert not any(extent.overlaps(box) for box in boxes)
            assert extent.x1 <= figure.bbox.width
            shown = [text.get_text() for text in legend.get_texts()]
            assert len(shown) == count
            assert long or shown == [label(variant) for variant in summary.shown]
            handles = legend.legend_handles
            looks = {(h.get_color(), h.get_marker(), str(h._unscaled_dash_pattern)) for h in handles}  # type: ignore
            assert len(looks) == count
    assert seen == WITH_LEGEND


def test_text_of_a_papers_figure_is_as_large_as_its_body_less_two_points() -> None:
    assert [len(paper_looks(paper)) for paper in PAPERS.values()] == [1 + p.two_columns for p in PAPERS.values()]
    for _, drawing in drawn(many(4), COLUMN):
        assert drawing.figure.get_size_inches()[0] <= COLUMN.width + 1e-9
        sizes = {text.get_fontsize() for text in drawing.figure.findobj(Text) if text.get_text()}
        assert PAPERS["icml"].body_pt - 2 <= min(sizes)
        assert max(sizes) <= PAPERS["icml"].body_pt


def test_no_text_is_smaller_than_can_be_read() -> None:
    for _, drawing in drawn(many(14), COLUMN, {"improvement_matrix"}):
        properties = [text.get_fontproperties() for text in drawing.figure.findobj(Text) if text.get_text()]
        assert min(map(FontProperties.get_size_in_points, properties)) >= 6


def test_the_page_has_its_own_legend_and_no_room_is_left_for_one() -> None:
    summary = many(26)
    for (_, alone), (_, whole) in zip(
        drawn(summary, PAGE, {"sample_efficiency"}), drawn(summary, REPORT, {"sample_efficiency"}), strict=True
    ):
        assert not alone.figure.legends
        assert alone.figure.get_figheight() < whole.figure.get_figheight()


def test_a_paper_has_no_lines_of_single_runs() -> None:
    summary = many(3)
    lines = [
        sum(len(axes.lines) for axes in drawing.figure.axes)
        for each in (summary, without_runs(summary))
        for _, drawing in drawn(each, REPORT, {PER_TASK})
    ]
    assert lines == [2 * 3 * 3, 2 * 3]
    caption = next(spec.caption for spec in FIGURES if spec.name == PER_TASK)
    assert "Thin lines are single runs" in caption(summary)
    assert "single runs" not in caption(without_runs(summary))
    assert "too many" not in caption(without_runs(summary))
    crowded = replace(
        summary, cells=tuple(replace(cell, full_run_curves=cell.run_curves * 40) for cell in summary.cells)
    )
    assert "too many runs to draw each" in caption(crowded)
