"""People who cannot be mistaken for anything else, and the search for them in whatever was written.

Every word of theirs begins with `WORD`, every phone number with `PHONE`; what follows names the
spot they were planted at, so that a find says where it comes from.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PHONE", "WORD", "Canary", "canary", "finds"]

WORD = "qzxvkwjqy"
PHONE = "+436607391846"
_SHOWN = 24


@dataclass(frozen=True)
class Canary:
    """A person at one spot."""

    spot: str
    digits: str

    @property
    def word(self) -> str:
        return WORD + self.spot

    @property
    def given(self) -> str:
        return self.word.capitalize()

    @property
    def family(self) -> str:
        return f"Ž{self.word}ß"

    @property
    def email(self) -> str:
        return f"{self.word}@{self.word}.example"

    @property
    def phone(self) -> str:
        return PHONE + self.digits

    @property
    def text(self) -> str:
        """A sentence as a careless program writes it."""
        return f"row ({self.given} {self.family}, {self.email}, {self.phone}) is not welcome"


def canary(spot: str) -> Canary:
    """The person planted at *spot* (lower-case letters)."""
    assert set(spot) <= set(string.ascii_lowercase)
    return Canary(spot, f"{sum(map(ord, spot)) % 100:02d}")


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """What *raw* looks like inside base64, wherever it begins in its group of three."""
    for skipped in range(3):
        whole = base64.b64encode(b"\0" * skipped + raw)
        first = -(-skipped * 8 // 6)
        last = (skipped + len(raw)) * 8 // 6
        yield whole[first:last]


def _encoded(word: str) -> Iterator[tuple[str, bytes]]:
    """*word* in every way that it may be written; all but base64 in lower case."""
    low = word.lower().encode()
    yield "plain", low
    yield "UTF-16", low.decode().encode("utf-16-le")
    yield "UTF-16, big end first", low.decode().encode("utf-16-be")
    for case in {word.lower(), word.upper(), word.capitalize()}:
        raw = case.encode()
        yield "hexadecimal", raw.hex().encode()
        yield "percent", "".join(f"%{one:02x}" for one in raw).encode()
        yield "quoted-printable", "".join(f"={one:02x}" for one in raw).encode()
        yield "escaped", "".join(f"\\u{one:04x}" for one in raw).encode()
        yield "escaped", "".join(f"\\x{one:02x}" for one in raw).encode()
        yield "entities", "".join(f"&#{one};" for one in raw).encode()


def _encoded_in_base64(word: str) -> Iterator[tuple[str, bytes]]:
    for case in {word.lower(), word.upper(), word.capitalize()}:
        for raw in (case.encode(), case.encode("utf-16-le"), case.encode("utf-16-be")):
            yield from (("base64", one) for one in _in_base64(raw))


def _pattern(needles: list[tuple[str, bytes]]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(sorted({re.escape(one) for _, one in needles})))


_DIGITS = PHONE.lstrip("+").removeprefix("43")
_ANY_CASE = [one for word in (WORD, _DIGITS) for one in _encoded(word)]
_SPACED = re.compile(r"[\s().\-/]{0,3}".join(_DIGITS).encode())
_AS_IS = _pattern([one for word in (WORD, _DIGITS) for one in _encoded_in_base64(word)])
_LOWERED = _pattern(_ANY_CASE)
_SOFT_BREAK = re.compile(rb"=\r?\n")


def finds(data: bytes) -> list[bytes]:
    """What of a canary stands in *data*, with what follows it; empty if nothing does."""
    found = []
    unfolded = _SOFT_BREAK.sub(b"", data)
    for pattern, text in ((_LOWERED, unfolded.lower()), (_SPACED, unfolded), (_AS_IS, data)):
        found += [text[m.start() : m.end() + _SHOWN] for m in pattern.finditer(text)]
    return found
