"""Text as people meant it: composed, trimmed, without characters that nobody sees."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["line", "text"]

# Controls but tab and line ends, lone surrogates (no UTF-8 holds them), and invisible marks that
# copying leaves behind or that reorder what is shown. Joiners stay: Persian and emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff"
    "\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_LINE_END = re.compile("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def text(value: str) -> str | None:
    """Tidy text that may run over several lines: line ends are ``\\n``, blanks are single."""
    if value.isascii() and value.isprintable():
        return line(value)
    lines = [" ".join(part.split()) for part in _LINE_END.split(_composed(value))]
    return "\n".join(lines).strip("\n") or None


def line(value: str) -> str | None:
    """Tidy text of one line: every run of white space is one blank."""
    if value.isascii() and value.isprintable() and "  " not in value:
        return value.strip() or None
    return " ".join(_composed(value).split()) or None


def _composed(value: str) -> str:
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", value))
