"""What is wrong with a file that cannot be read, told from its first and last bytes.

Libraries say it too, in words that may quote a record; of theirs none is passed on.
"""

from __future__ import annotations

from typing import BinaryIO

__all__ = ["AVRO", "avro_damage", "cards_damage", "parquet_damage"]

_PARQUET = b"PAR1"
_ENCRYPTED = b"PARE"
AVRO = b"Obj\x01"
"""How every Avro file begins; fastavro reads others too."""
_EMPTY = "is empty, it has 0 bytes; export it again"
_ANOTHER = (
    "is no {kind} file, its first bytes say so; export it again, or name its `format:` in the "
    "platform's file"
)
_WIDE = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_HEAD = 4096


def parquet_damage(stream: BinaryIO, error: Exception, rows: int | None) -> str:
    """Of a Parquet file: https://parquet.apache.org/docs/file-format/.

    Args:
        error: what the library raised.
        rows: how many rows the file says it has; None where not even that could be read.
    """
    first, last, size = _ends(stream)
    if size == 0:
        return _EMPTY
    if last == _ENCRYPTED or "crypt" in str(error).casefold():
        return "is encrypted, the whole of it or a column; export it without"
    if first != _PARQUET:
        return _ANOTHER.format(kind="Parquet")
    if last != _PARQUET:
        return f"was cut off, it ends after {size} bytes without its list of columns; copy it again"
    if rows is None:
        return "is a damaged Parquet file, its list of columns cannot be read; export it again"
    return f"is a damaged Parquet file, of its {rows} rows none was taken; export it again"


def avro_damage(stream: BinaryIO, rows: int | None) -> str:
    """Of an Avro file: https://avro.apache.org/docs/1.12.0/specification/.

    Args:
        rows: how many records the file says it has; None where not even that could be read.
    """
    first, _, size = _ends(stream)
    if size == 0:
        return _EMPTY
    if first != AVRO:
        return _ANOTHER.format(kind="Avro")
    if rows is None:
        return "is a damaged Avro file, its schema or a block cannot be read; export it again"
    return f"is a damaged Avro file, of its {rows} records none was taken; export it again"


def cards_damage(stream: BinaryIO) -> str | None:
    """Of a file of cards that is text in another encoding; None when it is none of those.

    Read as UTF-8 it would hold no card at all, and all its people would be taken for deleted.
    """
    stream.seek(0)
    head = stream.read(_HEAD)
    for mark, encoding in _WIDE:
        if head.startswith(mark):
            return f"is {encoding}, not UTF-8; export it as UTF-8"
    if b"\0" in head and b"BEGIN:VCARD" in head.replace(b"\0", b"").upper():
        return "is UTF-16 or UTF-32, not UTF-8; export it as UTF-8"
    return None


def _ends(stream: BinaryIO) -> tuple[bytes, bytes, int]:
    """The first and the last four bytes, and how many there are."""
    size = stream.seek(0, 2)
    stream.seek(0)
    first = stream.read(4)
    stream.seek(max(size - 4, 0))
    return first, stream.read(4), size
