"""Which encoding a text file has, and the digest of its bytes.

In this order: a byte order mark, the declared encoding, UTF-16 or UTF-32 by where their zero bytes
stand (in the beginning of the file, or in its first headers, which are ASCII also where no name
below them is), UTF-8 if every byte fits or most lines that are not ASCII do (the others are damaged
rows), and at last cp1252, or another code page if the text makes no sense in that one.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO

import charset_normalizer

__all__ = ["Encoding", "Scan", "known_encoding", "scan"]

_BLOCK = 1 << 20
_SAMPLE = 1 << 16
_HEADERS = 16  # bytes
_MARKS = (  # the longer ones first: UTF-16's mark begins UTF-32's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITH_MARK = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_CODE_PAGES = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257"]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How bytes become text.

    Attributes:
        codec: Python's name of it, without a byte order mark.
        mark: the byte order mark, or nothing.
        found: how it was found, in one or two words.
    """

    codec: str
    mark: bytes = b""
    found: str = "declared"

    @property
    def guessed(self) -> bool:
        """Whether nothing but the look of the letters tells it."""
        return self.found.startswith("guessed")

    @property
    def errors(self) -> str:
        """How the codec carries what it cannot read, so that the same bytes can be written."""
        return "surrogatepass" if self.codec.startswith(("utf-16", "utf-32")) else "surrogateescape"


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at all bytes of a file told."""

    encoding: Encoding
    digest: str
    size: int


def known_encoding(name: str) -> bool:
    """Whether Python knows a text encoding of this name."""
    try:
        codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def scan(stream: BinaryIO, declared: str | None) -> Scan:
    """Read all bytes once; the stream is left at its beginning."""
    digest = blake2b(digest_size=16)
    size, head, fits = 0, b"", True
    decoder = codecs.getincrementaldecoder("utf-8")()
    stream.seek(0)
    while block := stream.read(_BLOCK):
        head = head or block[:_SAMPLE]
        size += len(block)
        digest.update(block)
        fits = fits and _fits(decoder, block, final=False)
    fits = fits and _fits(decoder, b"", final=True)
    encoding = _marked(head) or _declared(declared) or _wide(head) or _wide(head[:_HEADERS])
    if encoding is None and fits:
        encoding = Encoding("utf-8", found="detected")
    if encoding is None:
        encoding = _guessed(stream)
    stream.seek(0)
    return Scan(encoding, digest.hexdigest(), size)


def _fits(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _marked(head: bytes) -> Encoding | None:
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return Encoding(codec, mark, "byte order mark")
    return None


def _declared(name: str | None) -> Encoding | None:
    if name is None:
        return None
    codec = codecs.lookup(name).name
    return Encoding(_WITH_MARK.get(codec, codec))


def _wide(head: bytes) -> Encoding | None:
    """UTF-16 or UTF-32 without a mark: CSV is mostly ASCII, whose other bytes are zero there."""
    width = min(len(head), 4096) // 4
    zeros = [head[start : width * 4 : 4].count(0) for start in range(4)]
    often = [width > 0 and count > width * 0.4 for count in zeros]
    codec = {
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
    }.get((often[0], often[1], often[2], often[3]))
    return Encoding(codec, found="detected") if codec else None


def _guessed(stream: BinaryIO) -> Encoding:
    sample, utf8, other = b"", 0, 0
    stream.seek(0)
    while len(sample) < _SAMPLE and (line := stream.readline(_SAMPLE)):
        if line.isascii():
            continue
        sample += line
        if _fits(codecs.getincrementaldecoder("utf-8")(), line, final=True):
            utf8 += 1
        else:
            other += 1
    if utf8 > other:
        return Encoding("utf-8", found="detected; some rows do not fit")
    # Names are too short to tell Latin code pages apart, and a guess that changes from file to file
    # would look like edits: so cp1252 stands, unless the text makes no sense in it.
    possible = charset_normalizer.from_bytes(sample, cp_isolation=_CODE_PAGES)
    named = {name for match in possible for name in match.could_be_from_charset}
    best = possible.best()
    codec = "cp1252" if best is None or "cp1252" in named else best.encoding
    return Encoding(codec, found="guessed; declare `encoding:`")
