"""Names of people and organisations."""

from __future__ import annotations

from concord.normalise.text import line

__all__ = ["name"]


def name(value: str) -> str | None:
    """Tidy a name: composed (NFC), on one line, without invisible characters.

    Upper and lower case stay as they came. A repair is right for "ANNA" and wrong for "McDonald",
    "van der Berg" and "DE LA CRUZ", and people notice the wrong ones.
    """
    return line(value)
