"""Rooms stay small: a file is read in one sitting, a folder is seen at a glance."""

from __future__ import annotations

from pathlib import Path

import pytest

import dimebench

PACKAGE = Path(dimebench.__file__).parent
LONGEST, MOST = 300, 14
EXCEPTIONS = {"cli": 18}  # one file per command


def test_no_file_is_longer_than_a_sitting() -> None:
    lengths = {str(file.relative_to(PACKAGE)): file.read_text().count("\n") for file in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


FOLDERS = sorted({file.parent for file in PACKAGE.rglob("*.py")})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_folder_has_more_modules_than_one_sees_at_a_glance(folder: Path) -> None:
    modules = [file.name for file in folder.glob("*.py") if file.name != "__init__.py"]
    assert len(modules) <= EXCEPTIONS.get(folder.name, MOST), modules
