"""Names from elsewhere, written in one way, so that two that look alike are one and every reader takes them."""

from __future__ import annotations

import unicodedata

from dimebench.errors import printable, shorten
from dimebench.store.errors import StoreError

LONGEST = 200  # characters


def tidy(name: str, what: str) -> str:
    """The name in NFKC, without invisible characters, stripped, inner white space as single spaces.

    what: "algorithm", "source", ... for the message. Raises StoreError for what no terminal can show, and for a name
    of more than LONGEST characters.
    """
    plain = " ".join(unicodedata.normalize("NFKC", name).split())  # tabs and line ends are white space
    plain = "".join(char for char in plain if unicodedata.category(char) != "Cf")  # joiners, soft hyphens, marks
    plain = " ".join(plain.split())
    if not plain.isprintable():
        raise StoreError(f"{what} '{shorten(printable(name))}' holds characters that cannot be shown")
    if len(plain) > LONGEST:
        raise StoreError(f"{what} '{shorten(plain)}' is longer than {LONGEST} characters")
    return plain
