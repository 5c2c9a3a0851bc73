"""Packages of other authors, as an installer would leave them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(site: Path, name: str, module: str, group: str, points: Mapping[str, str]) -> Path:
    """The folder, for sys.path or PYTHONPATH, with a package of one module in it, and its entry points."""
    facts = site / f"{name}-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / f"{name}.py").write_text(module)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
    lines = "\n".join(f"{point} = {value}" for point, value in points.items())
    (facts / "entry_points.txt").write_text(f"[{group}]\n{lines}\n")
    return site
