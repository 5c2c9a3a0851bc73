"""The user's environment changes no byte of a figure and breaks none: matplotlibrc, styles, variables, callers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRAW = """
import hashlib, pathlib, sys
from dimebench.figures.files import draw_aggregates, draw_learning_curves, render
from dimebench.page.pdf import write_pdf
from tests.analysis.factory import two_variants
from tests.analysis.test_summary import of
summary = of(two_variants())
for draw in (draw_aggregates, draw_learning_curves):
    for form, content in render(draw, summary).items():
        print(draw.__name__, form, hashlib.md5(content).hexdigest())
print("report", hashlib.md5(write_pdf(summary, pathlib.Path("report.pdf")).read_bytes()).hexdigest())
"""
# Each of them changes, or breaks, what is drawn.
HOSTILE = """
text.usetex: True
savefig.bbox: tight
savefig.pad_inches: 2
savefig.facecolor: black
savefig.edgecolor: red
savefig.transparent: True
savefig.dpi: 50
savefig.orientation: landscape
figure.autolayout: True
figure.dpi: 33
figure.figsize: 3, 3
figure.edgecolor: red
axes.prop_cycle: cycler('color', ['k'])
axes.formatter.use_locale: True
axes.formatter.limits: -1, 1
axes.formatter.useoffset: True
axes.xmargin: 0.4
axes.titlepad: 30
axes.labelpad: 20
axes.grid.axis: x
lines.marker: x
lines.linestyle: --
lines.dash_capstyle: round
lines.solid_capstyle: round
lines.antialiased: False
markers.fillstyle: none
patch.edgecolor: red
patch.force_edgecolor: True
font.family: serif
font.weight: bold
font.style: italic
font.sans-serif: Nonesuch
mathtext.fontset: stix
text.hinting: none
text.antialiased: False
text.kerning_factor: 6
path.sketch: 5, 100, 2
path.simplify: False
path.snap: False
agg.path.chunksize: 7
xtick.direction: in
xtick.minor.visible: True
xtick.top: True
ytick.right: True
legend.loc: lower left
legend.borderpad: 3
pdf.compression: 0
pdf.use14corefonts: True
svg.image_inline: False
svg.id: mine
image.composite_image: False
timezone: Asia/Tokyo
backend: tkagg
"""
BROKEN = "no.such.key: 1\nlines.linewidth: wide\nthis is no line\nbackend: nonesuch\nfont.size: 9\nfont.size: 10\n"
CALLER = """
import matplotlib
matplotlib.rcParams.update({"savefig.bbox": "tight", "lines.linewidth": 9, "font.size": 30, "text.usetex": True})
"""


def draw(cwd: Path, before: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MPL", "MATPLOTLIB"))}
    return subprocess.run(
        [sys.executable, "-c", before + DRAW],
        cwd=cwd,
        env={**inherited, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is drawn with nothing set."""
    done = draw(tmp_path_factory.mktemp("plain"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 7
    return done.stdout


def write(folder: Path, text: str | bytes, name: str = "matplotlibrc") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


TEXTS = {"hostile": HOSTILE, "broken": BROKEN, "no text": b"\xff\xfe\x00lines"}
WAYS = ("cwd", "MATPLOTLIBRC", "MPLCONFIGDIR", "HOME")
ALWAYS = (("hostile", "cwd"), ("broken", "MATPLOTLIBRC"))


@pytest.mark.parametrize(
    ("text", "way"),
    [
        pytest.param(TEXTS[text], way, id=f"{way}-{text}", marks=() if (text, way) in ALWAYS else pytest.mark.slow)
        for text in TEXTS
        for way in WAYS
    ],
)
def test_a_matplotlibrc_changes_nothing(tmp_path: Path, plain: str, text: str | bytes, way: str) -> None:
    place = {"cwd": "work", "HOME": "home/.config/matplotlib"}.get(way, "rc")
    folder = write(tmp_path / place, text)
    (tmp_path / "work").mkdir(exist_ok=True)
    variables = {
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "MPLCONFIGDIR": str(folder),
        "HOME": str(tmp_path / "home"),
    }
    if way == "MPLCONFIGDIR":
        write(folder / "stylelib", "no.such.key: 1\n", "mine.mplstyle")
    done = draw(tmp_path / "work", **({way: variables[way]} if way in variables else {}))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", plain)


VARIABLES = {
    "a notebook": {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
    "no backend": {"MPLBACKEND": "nonesuch"},
    "a window": {"MPLBACKEND": "tkagg", "DISPLAY": ":99"},
    "a missing file": {"MATPLOTLIBRC": "/no/such/file"},
    "no place for a cache": {"MPLCONFIGDIR": "/dev/null/cache"},
    "no home": {"HOME": "/dev/null", "XDG_CONFIG_HOME": "/dev/null/a", "XDG_CACHE_HOME": "/dev/null/b"},
    "language and date": {
        "LC_ALL": "de_DE.UTF-8",
        "LANG": "de_DE.UTF-8",
        "SOURCE_DATE_EPOCH": "1",
        "TZ": "Asia/Tokyo",
    },
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "warnings": {"PYTHONWARNINGS": "default"},
}


QUICK = ("a notebook", "language and date")  # the others take as long and find less


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param(each, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, each in VARIABLES.items()
    ],
)
def test_a_variable_changes_nothing(tmp_path: Path, plain: str, variables: dict[str, str]) -> None:
    done = draw(tmp_path, **variables)
    assert (done.returncode, done.stdout) == (0, plain), done.stderr
    if variables != VARIABLES["warnings"]:
        assert done.stderr == ""


def test_a_caller_who_has_changed_matplotlib_finds_it_as_he_left_it(tmp_path: Path, plain: str) -> None:
    done = draw(tmp_path, CALLER)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", plain)


def test_what_a_caller_draws_himself_looks_as_his_settings_say(tmp_path: Path) -> None:
    write(tmp_path, "lines.linewidth: 7\n")
    script = "import os, dimebench.figures.files, matplotlib as m; print(m.rcParams['lines.linewidth'], m.rcParams['backend'], os.environ['MPLBACKEND'])"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "svg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("7.0 svg svg\n", "")


def test_rliables_engine_minds_no_backend(tmp_path: Path) -> None:
    estimate = "RliableEngine(50).estimates([[1.0, 2], [3, 4]], ['iqm'])['iqm'].point"
    script = f"from dimebench.stats import RliableEngine; print({estimate})"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=write(tmp_path, b"\xff"),
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "nonesuch"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("2.5\n", "")
