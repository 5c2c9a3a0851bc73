"""A small suite of one's own, in a folder of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dimebench.config import ConfigError

SMALL = """\
name: small
tasks:
  - dm_control/walker-run
  - dm_control/dog-run
  - gymnasium/Ant-v5
algorithms: [dime, sac]
budget:
  env_steps: 1000
score:
  tasks:
    gymnasium/Ant-v5: {lower: -70.5, upper: 3942}
settings:
  all: {batch_size: 32}
  dime:
    diffusion_steps: 4
task_settings:
  gymnasium/Ant-v5:
    dime: {v_max: 1600}
"""

Write = Callable[[str], Path]


def one_line(action: Callable[[], object]) -> None:
    """Holds `action` to the promise of this room: it works, or raises a ConfigError of one printable line."""
    try:
        action()
    except ConfigError as error:
        message = str(error)
    else:
        return
    assert message.isprintable()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the working directory's suites/small.yaml (messages name it so) and gives its path."""
    monkeypatch.chdir(tmp_path)

    def write_text(text: str) -> Path:
        path = Path("suites/small.yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


@pytest.fixture
def small(write: Write) -> Path:
    return write(SMALL)
