"""vCard files: many cards in one file, each edited by itself, all else copied byte by byte.

A card's id is its UID, unless another property is declared. A card that never ends, that is no
UTF-8, or that cannot be read whole, is a damaged record; the next ``BEGIN:VCARD`` begins a new one.
What stands between the cards stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import IO, BinaryIO

from concord.errors import UnreadableInput
from concord.platforms.base import ListPatch, Native, Operation, Receipt, Record
from concord.platforms.csv_sheet import OWN
from concord.platforms.declaration import FilesOptions
from concord.platforms.files_batch import Batch, UnfitError, Values
from concord.platforms.files_table import digest_of
from concord.platforms.natives import same_native
from concord.platforms.vcard import edited, modified_at, native_fields, new_card
from concord.platforms.vcard_lines import DamagedCardError

__all__ = ["CardFile"]

_PERSON = "X-CONCORD-PERSON"
_UNWRITABLE = "value.unwritable"
_MOST_BYTES = 256 << 20
_LONGEST_LINE = 16 << 20
_MOST_CARDS = 1_000_000
_UID = re.compile(r"^(?:[\w-]+\.)?UID(?:;[^:\r\n]*)?:([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A card, or what stands between two.

    Attributes:
        number: 1-based, of a card; 0 between them.
        whole: it has its END.
    """

    raw: bytes
    number: int = 0
    whole: bool = True

    @property
    def text(self) -> str:
        """Its text; bytes that are no UTF-8 make it none that a card can hold."""
        return self.raw.decode("utf-8", "surrogateescape")


class CardFile:
    """One file of cards; the stream stays open while it is read."""

    said = "vCard"
    columns: Sequence[str] = ()

    def __init__(
        self, stream: BinaryIO, where: str, options: FilesOptions, natives: tuple[str, ...]
    ) -> None:
        """Look at the file's size.

        Raises:
            UnreadableInput: it is too large.
        """
        if stream.seek(0, 2) > _MOST_BYTES:
            raise UnreadableInput(where, f"is larger than {_MOST_BYTES >> 20} MiB; split it")
        self.digest = digest_of(stream)
        self.options = options
        self._where = where
        self._natives = natives
        self._stream = stream
        own = (options.id, options.updated_at or "REV", options.external_id or _PERSON)
        self._asked = tuple(dict.fromkeys([*own, *natives]))

    def records(self) -> Iterator[Record]:
        """Every card; one with an id already seen has a fault."""
        seen: set[bytes] = set()
        return (self.record(piece, seen) for piece in self.pieces() if piece.number)

    def notes(self) -> Iterator[str]:
        """What was found, one sentence each."""
        count = sum(1 for piece in self.pieces() if piece.number)
        yield "It holds 1 card." if count == 1 else f"It holds {count} cards."

    def rewriting(self, platform: str, operations: Sequence[Operation]) -> _Rewrite:  # noqa: ARG002
        """Begin to write the file anew."""
        return _Rewrite(self, operations)

    def pieces(self) -> Iterator[_Piece]:
        """The whole file, cards and what stands between them."""
        self._stream.seek(0)
        number, depth, before = 0, 0, b""
        lines: list[bytes] = []
        while line := self._stream.readline(_LONGEST_LINE + 1):
            if len(line) > _LONGEST_LINE:
                what = f"has a line of more than {_LONGEST_LINE >> 20} MiB"
                raise UnreadableInput(self._where, what, number or None)
            said = line.removeprefix(b"\xef\xbb\xbf").strip().upper()
            if said == b"BEGIN:VCARD" and not (depth and before.startswith(b"AGENT")):
                if lines:
                    yield _Piece(b"".join(lines), number if depth else 0, whole=False)
                number, depth, lines = number + 1, 1, [line]
                if number > _MOST_CARDS:
                    raise UnreadableInput(self._where, f"has more than {_MOST_CARDS} cards")
            else:
                lines.append(line)
                depth += said == b"BEGIN:VCARD"
                if depth and said == b"END:VCARD":
                    depth -= 1
                    if not depth:
                        yield _Piece(b"".join(lines), number)
                        lines = []
            before = said
        if lines:
            yield _Piece(b"".join(lines), number if depth else 0, whole=False)

    def record(self, piece: _Piece, seen: set[bytes] | None = None) -> Record:
        """One card as a record.

        Args:
            seen: digests of the ids before it, to which its own is added; None asks for no check.
        """
        place = f"{self._where}:{piece.number}"
        try:
            found = native_fields(piece.text if piece.whole else "", self._asked)
        except DamagedCardError:
            remote_id = self._id_in_damage(piece)
            external = _own(remote_id)
            return Record(remote_id, external_id=external, fault="record.damaged", place=place)
        remote_id = _text(found[self.options.id])
        fault = None if remote_id is not None else "id.missing"
        if remote_id is not None and seen is not None:
            key = blake2b(remote_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            fault = "id.duplicate" if key in seen else None
            seen.add(key)
        external = _text(found[self.options.external_id or _PERSON])
        return Record(
            remote_id,
            {native: found[native] for native in self._natives},
            version=blake2b(piece.raw.rstrip(b"\r\n"), digest_size=8).hexdigest(),
            modified_at=modified_at(found[self.options.updated_at or "REV"]),
            external_id=external or _own(remote_id),
            fault=fault,
            place=place if fault else None,
        )

    def _id_in_damage(self, piece: _Piece) -> str | None:
        """The id of a card that cannot be read whole, so that it is not taken for deleted."""
        found = _UID.search(piece.text) if self.options.id.upper() == "UID" else None
        return found[1].strip() or None if found and found[1].isprintable() else None


class _Rewrite:
    """One batch against one file; `fill` once, then `receipts`."""

    def __init__(self, file: CardFile, operations: Sequence[Operation]) -> None:
        self._file = file
        self._batch: Batch[_Piece] = Batch(
            operations, change=self._changed, unfit=lambda _: "", same=_same
        )

    def fill(self, stream: IO[bytes]) -> bool:
        """Write the new file; false when it would be the old one."""
        seen: set[bytes] = set()
        last = b""
        for piece in self._file.pieces():
            kept: _Piece | None = piece
            if piece.number:
                kept = self._batch.applied(piece, self._file.record(piece, seen))
            raw = kept.raw if kept is not None else b""
            stream.write(raw)
            last = raw or last
        made = self._batch.created(self._made)
        if made and last and not last.endswith(b"\n"):
            stream.write(b"\r\n")
        for piece in made:
            stream.write(piece.raw)
        return self._batch.changed

    def receipts(self) -> list[Receipt]:
        """One receipt each, in the order of the operations."""
        return self._batch.receipts()

    def _changed(self, piece: _Piece, record: Record, values: Values) -> tuple[_Piece, Record]:
        try:
            raw = edited(piece.text, values).encode()
        except ValueError:
            raise UnfitError(_UNWRITABLE) from None
        if raw == piece.raw:
            return piece, record
        piece = replace(piece, raw=raw)
        return piece, self._file.record(piece)

    def _made(self, operation: Operation) -> tuple[_Piece, Record]:
        options = self._file.options
        uid = OWN + operation.person_id
        values = {**operation.values, (options.external_id or _PERSON): operation.person_id}
        if options.id.upper() != "UID":
            values[options.id] = uid
        try:
            piece = _Piece(new_card(uid, values).encode(), 1)
        except ValueError:
            raise UnfitError(_UNWRITABLE) from None
        return piece, self._file.record(piece)


def _text(value: Native) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _own(remote_id: str | None) -> str | None:
    """The person_id in an id that Concord chose."""
    if remote_id is None or not remote_id.startswith(OWN):
        return None
    return remote_id.removeprefix(OWN) or None


def _same(wanted: Mapping[str, Native | ListPatch], found: Mapping[str, Native]) -> bool:
    return all(
        not isinstance(value, ListPatch) and same_native(found.get(name), value)
        for name, value in wanted.items()
    )
