"""How variants are told apart: by colour under the colour-vision deficiencies, and by marker and dashes in grey."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from matplotlib.markers import MarkerStyle

from dimebench.figures.keys import key_svg
from dimebench.figures.style import DOTTED, FIRST, FLOOR, PAGE_COLOURS, SERIES, VariantStyle, series_index, styles

# Machado, Oliveira and Fernandes (2009), severity 1.0; on linear RGB.
SEEN = {
    "fully": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# Least distance in OKLab (0.02 can just be seen side by side); below it, that of two of the four fixed colours: dime
# and crossq as a tritan sees them, and crossq and the floor.
LEAST = {"fully": 0.12, "protan": 0.08, "deutan": 0.08, "tritan": 0.08}
LEAST_FIXED = {"fully": 0.12, "protan": 0.07, "deutan": 0.07, "tritan": 0.045}
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(colour: str) -> np.ndarray:
    """Linear RGB [3] of "#rrggbb"."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    return TO_LAB @ np.cbrt(TO_LMS @ np.clip(rgb, 0, 1))


def contrast(one: str, other: str) -> float:
    """Of WCAG 2."""
    dark, bright = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("column", ["light", "dark"])
def test_colours_are_told_apart_and_stand_out_from_the_paper_however_one_sees(column: str) -> None:
    paper = PAGE_COLOURS["paper"][column == "dark"]
    colours = [getattr(style, column) for style in (*SERIES, FLOOR)]
    assert min(contrast(colour, paper) for colour in colours) >= 3
    fixed = {*colours[: len(FIRST)], colours[-1]}
    for sight, matrix in SEEN.items():
        for one, other in itertools.combinations(colours, 2):
            least = (LEAST_FIXED if {one, other} <= fixed else LEAST)[sight]
            assert np.linalg.norm(oklab(matrix @ linear(one)) - oklab(matrix @ linear(other))) >= least


def unlike(one: VariantStyle, other: VariantStyle) -> int:
    return (one.light != other.light) + (one.marker != other.marker) + (one.dashes != other.dashes)


def test_any_two_of_many_variants_differ_in_two_ways_and_in_grey_in_one() -> None:
    found = list(styles([*FIRST, *(f"v{k:02d}" for k in range(26)), "random"], "random").values())
    for one, other in itertools.combinations(found, 2):
        assert unlike(one, other) >= 2
        assert (one.marker, one.dashes) != (other.marker, other.dashes)
    assert len(set(styles([f"v{k}" for k in range(200)], None).values())) == 200


def test_published_references_are_dotted_and_told_apart_too() -> None:
    names = ["paper:DIME", "paper:SAC@simba", *(f"paper:{k}" for k in range(12))]
    found = styles(["dime", "sac", "x"], None, names)
    assert [found["paper:DIME"].light, found["paper:SAC@simba"].light] == [found["dime"].light, found["sac"].light]
    assert all((found[name].dashes == DOTTED) == (name in names) for name in found)
    assert all(unlike(found[a], found[b]) for a, b in itertools.combinations(names, 2))
    assert found["x"].light not in {found[name].light for name in names[:5]}


def test_a_key_shows_the_colour_the_dashes_and_the_marker_of_its_style() -> None:
    found = styles([f"v{k:02d}" for k in range(26)], "random")
    assert len({key_svg(style) for style in found.values()}) == len(found)
    for style in found.values():
        key = key_svg(style)
        line, marker = re.findall(r"<path [^>]*>", key)
        assert f"var(--series-{series_index(style)})" in line
        assert f"var(--series-{series_index(style)})" in marker
        dashes = re.search(r'dasharray="([\d. ]+)"', line)
        lengths = [float(length) for length in dashes.group(1).split()] if dashes else []
        assert np.allclose(np.array(lengths) / 1.3, style.dashes, atol=1e-3)
        segments = [s for s in MarkerStyle(style.marker).get_path().iter_segments() if s[1] != 79]
        assert len(re.findall(r"[MLC]", re.findall(r' d="([^"]*)"', marker)[0])) == len(segments)
    assert 'fill="var(--paper)"' in key_svg(SERIES[0], open=True)
    assert 'fill="var(--paper)"' not in key_svg(SERIES[0])
    assert 'aria-hidden="true"' in key_svg(SERIES[0])
