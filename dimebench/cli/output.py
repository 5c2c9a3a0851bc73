"""The console that commands print to."""

from __future__ import annotations

from rich.console import Console

console = Console(highlight=False)
if not console.is_terminal:
    console = Console(highlight=False, width=max(console.width, 140))  # a pipe has no width to keep to
