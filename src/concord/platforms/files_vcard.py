"""One file of vCards: its cards, and what stands between them.

A card's id is its UID, unless another property is declared. A card that never ends, that is no
UTF-8, or that cannot be read whole, is a damaged record; the next ``BEGIN:VCARD`` begins a new one.
What stands between the cards stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import BinaryIO

from concord.errors import UnreadableInput
from concord.platforms.base import Native, Operation, Record
from concord.platforms.csv_sheet import OWN
from concord.platforms.declaration import FilesOptions
from concord.platforms.files_batch import UnfitError, Values
from concord.platforms.files_damage import cards_damage
from concord.platforms.files_table import digest_of
from concord.platforms.vcard import edited, modified_at, native_fields, new_card
from concord.platforms.vcard_lines import DamagedCardError

__all__ = ["CardFile", "Piece", "changed_piece", "new_piece"]

_PERSON = "X-CONCORD-PERSON"
_UNWRITABLE = "value.unwritable"
_MOST_BYTES = 256 << 20
_LONGEST_LINE = 16 << 20
_MOST_CARDS = 1_000_000
_UID = re.compile(r"^(?:[\w-]+\.)?UID(?:;[^:\r\n]*)?:([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Piece:
    """A card, or what stands between two.

    Attributes:
        number: 1-based, of a card; 0 between them.
        whole: it has its END.
        name: its id, of a card that Concord made.
    """

    raw: bytes
    number: int = 0
    whole: bool = True
    name: str = ""

    @property
    def text(self) -> str:
        """Its text; bytes that are no UTF-8 make it none that a card can hold."""
        return self.raw.decode("utf-8", "surrogateescape")


class CardFile:
    """One file of cards; the stream stays open while it is read."""

    def __init__(
        self,
        stream: BinaryIO,
        where: str,
        options: FilesOptions,
        natives: tuple[str, ...],
        *,
        before: int = 0,
    ) -> None:
        """Look at the file's size.

        Args:
            before: cards of the files before this one.

        Raises:
            UnreadableInput: it is too large, or text in another encoding.
        """
        if stream.seek(0, 2) > _MOST_BYTES:
            raise UnreadableInput(where, f"is larger than {_MOST_BYTES >> 20} MiB; split it")
        damage = cards_damage(stream)
        if damage is not None:
            raise UnreadableInput(where, damage)
        self.digest = digest_of(stream)
        self.options = options
        self._where = where
        self._before = before
        self._natives = natives
        self._stream = stream
        own = (options.id, options.updated_at or "REV", options.external_id or _PERSON)
        self._asked = tuple(dict.fromkeys([*own, *natives]))

    def pieces(self) -> Iterator[Piece]:
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
                    yield Piece(b"".join(lines), number if depth else 0, whole=False)
                number, depth, lines = number + 1, 1, [line]
                if number > _MOST_CARDS:
                    raise UnreadableInput(self._where, f"has more than {_MOST_CARDS} cards")
            else:
                lines.append(line)
                depth += said == b"BEGIN:VCARD"
                if depth and said == b"END:VCARD":
                    depth -= 1
                    if not depth:
                        yield Piece(b"".join(lines), number)
                        lines = []
            before = said
        if lines and not number and b"".join(lines).strip():
            what = "holds no card, though it is not empty; export it again, or take it away"
            raise UnreadableInput(self._where, what)
        if lines:
            yield Piece(b"".join(lines), number if depth else 0, whole=False)

    def record(self, piece: Piece, seen: set[bytes] | None = None) -> Record:
        """One card as a record.

        Args:
            seen: digests of the ids before it, to which its own is added; None asks for no check.
        """
        place = f"{self._where}:{self._before + piece.number}"
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

    def _id_in_damage(self, piece: Piece) -> str | None:
        """The id of a card that cannot be read whole, so that it is not taken for deleted."""
        found = _UID.search(piece.text) if self.options.id.upper() == "UID" else None
        return found[1].strip() or None if found and found[1].isprintable() else None


def new_piece(options: FilesOptions, operation: Operation) -> Piece:
    """The card of a create.

    Raises:
        UnfitError: a value that no card can hold.
    """
    uid = OWN + operation.person_id
    values = {**operation.values, (options.external_id or _PERSON): operation.person_id}
    if options.id.upper() != "UID":
        values[options.id] = uid
    try:
        return Piece(new_card(uid, values).encode(), 1, name=uid)
    except ValueError:
        raise UnfitError(_UNWRITABLE) from None


def changed_piece(piece: Piece, values: Values) -> Piece:
    """A card with other values; the very piece when it has them already.

    Raises:
        UnfitError: a value that no card can hold.
    """
    try:
        raw = edited(piece.text, values).encode()
    except ValueError:
        raise UnfitError(_UNWRITABLE) from None
    return piece if raw == piece.raw else replace(piece, raw=raw)


def _text(value: Native) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _own(remote_id: str | None) -> str | None:
    """The person_id in an id that Concord chose."""
    if remote_id is None or not remote_id.startswith(OWN):
        return None
    return remote_id.removeprefix(OWN) or None
