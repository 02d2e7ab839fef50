"""The blocks of an Avro file, walked once before any of them is decoded.

What they unpack to is counted piece by piece, so that a small file cannot fill the memory; each has
to end with the marker that the file's header names (Avro 1.12, object container files).
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import cramjam
from backports import zstd

from concord.errors import UnreadableInput
from concord.platforms.files_table import MOST_ROWS, MOST_UNPACKED

__all__ = ["CODECS", "walked"]

_MARKER = 16
_MOST_BLOCK = 256 << 20
_PIECE = 1 << 20
_CHECKSUM = 4


def walked(stream: BinaryIO, where: str, codec: str) -> int:
    """Walk over the blocks; returns how many records they say they hold.

    Args:
        stream: at the end of the file's header.

    Raises:
        UnreadableInput: too many records, too large unpacked, a block that is damaged, or of
            another file.
    """
    rows, left = 0, MOST_UNPACKED
    for number, (count, body) in enumerate(_blocks(stream, where), start=1):
        try:
            left -= CODECS[codec](body, left)
        except Exception:  # of the codec's library, whichever that is
            what = f"has a damaged block {number}, after {rows} whole records; export it again"
            raise UnreadableInput(where, what) from None
        rows += count
        if rows > MOST_ROWS:
            raise UnreadableInput(where, f"has more than {MOST_ROWS} records; split it")
        if left < 0:
            what = f"unpacks to more than {MOST_UNPACKED >> 20} MiB by its block {number}; split it"
            raise UnreadableInput(where, what)
    return rows


def _blocks(stream: BinaryIO, where: str) -> Iterator[tuple[int, bytes]]:
    stream.seek(-_MARKER, 1)
    marker = stream.read(_MARKER)
    number = 0
    while (count := _long(stream)) is not None:
        number += 1
        size = _long(stream)
        if count < 0 or size is None or not 0 <= size <= _MOST_BLOCK:
            raise ValueError("a block of no possible size")
        body, end = stream.read(size), stream.read(_MARKER)
        if len(body) < size or len(end) < _MARKER:
            what = f"ends within its block {number}, after whole ones; copy it again"
            raise UnreadableInput(where, what)
        if end != marker:
            what = f"has another marker after its block {number} than its header names, so it is "
            raise UnreadableInput(where, what + "damaged, or two files in one; export it again")
        yield count, body


def _long(stream: BinaryIO) -> int | None:
    """One zig-zag number; None at the end of the file."""
    found = shift = 0
    while True:
        byte = stream.read(1)
        if not byte:
            if shift:
                raise EOFError
            return None
        found |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            return (found >> 1) ^ -(found & 1)
        if shift > 63:
            raise ValueError("a number without an end")


def _plain(body: bytes, most: int) -> int:  # noqa: ARG001 - every codec is asked alike
    return len(body)


def _deflated(body: bytes, most: int) -> int:
    packed, total = zlib.decompressobj(-15), 0
    while not packed.eof and total <= most:
        piece = packed.decompress(body, _PIECE)
        if not piece and not packed.unconsumed_tail:
            break
        total += len(piece)
        body = packed.unconsumed_tail
    return total


def _snappy(body: bytes, most: int) -> int:
    """A block says how long it is unpacked, and cannot be longer; the last bytes are a checksum."""
    packed, checksum = body[:-_CHECKSUM], body[-_CHECKSUM:]
    said = int(cramjam.snappy.decompress_raw_len(packed))
    if said > most:
        return said
    if zlib.crc32(bytes(cramjam.snappy.decompress_raw(packed))).to_bytes(4, "big") != checksum:
        raise ValueError("a checksum of other bytes")
    return said


def _streamed(new: Callable[[], Any]) -> Callable[[bytes, int], int]:
    """Of codecs whose block may be many packed streams, one after the other."""

    def unpacked(body: bytes, most: int) -> int:
        total = 0
        while body and total <= most:
            packed = new()
            total += len(packed.decompress(body, _PIECE))
            while not packed.eof and total <= most:
                if packed.needs_input:
                    raise EOFError
                total += len(packed.decompress(b"", _PIECE))
            body = packed.unused_data if packed.eof else b""
        return total

    return unpacked


CODECS: Mapping[str, Callable[[bytes, int], int]] = {
    "null": _plain,
    "deflate": _deflated,
    "snappy": _snappy,
    "zstandard": _streamed(zstd.ZstdDecompressor),
    "bzip2": _streamed(bz2.BZ2Decompressor),
    "xz": _streamed(lambda: lzma.LZMADecompressor(memlimit=_MOST_BLOCK)),
}
"""Codec to how many bytes a block unpacks to, as far as it is counted: somewhat over *most*."""
