"""The one exception of this room."""

from dimebench.errors import DimebenchError


class StoreError(DimebenchError):
    """A results folder that cannot be read or written as asked. One line that names the file and what is wrong."""
