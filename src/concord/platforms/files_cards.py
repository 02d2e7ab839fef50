"""A folder of vCard files, with one card or many in each: every file that matches counts.

Cards are counted through all files in the order of their names; that count is what errors tell,
since such a file's name may be a person's. A file that lost its last card is taken away. A new card
goes to the newest file, or into a file of its own where every file holds one card; that one is
named after the person_id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from secrets import token_hex
from typing import IO

from concord.errors import UnreadableInput
from concord.platforms.base import ListPatch, Native, Operation, Receipt, Record
from concord.platforms.declaration import FilesOptions
from concord.platforms.files_batch import Batch, Values
from concord.platforms.files_folder import Folder, Found
from concord.platforms.files_vcard import CardFile, Piece, changed_piece, new_piece
from concord.platforms.natives import same_native

__all__ = ["CardFolder"]


@dataclass(frozen=True, slots=True)
class CardFolder:
    """All cards of a folder."""

    folder: Folder
    options: FilesOptions
    natives: tuple[str, ...]
    said: str = "vCard"
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of the bytes of all files, whatever they are called."""
        digests = []
        for name in self.folder.names():
            with self._file(name, 0) as (_, file):
                digests.append(file.digest)
        return blake2b("".join(sorted(digests)).encode(), digest_size=16).hexdigest()

    def records(self) -> Iterator[Record]:
        """Every card; one with an id already seen, in whichever file, has a fault."""
        seen: set[bytes] = set()
        before = 0
        for name in sorted(self.folder.names()):
            with self._file(name, before) as (_, file):
                for piece in file.pieces():
                    if piece.number:
                        before += 1
                        yield file.record(piece, seen)

    def notes(self) -> Iterator[str]:
        """What was found, one sentence each."""
        yield f"Every file counts; there are {len(self.folder.names())}."

    def write(
        self,
        folder: Folder,  # noqa: ARG002 - every format is asked alike
        found: Found,  # noqa: ARG002
        operations: Sequence[Operation],
    ) -> Sequence[Receipt]:
        """Rewrite every file with a card that is meant, then add what is new."""
        rewrite = _Rewrite(self, operations)
        names = self.folder.names()
        counts = [self._rewritten(name, rewrite) for name in sorted(names)]
        made = rewrite.created()
        if made and len(counts) > 1 and max(counts) < 2:
            self._added_apart(made, names[0])
        elif made:
            self._added_to(made, self.folder.names()[0])
        return rewrite.batch.receipts()

    def _rewritten(self, name: str, rewrite: _Rewrite) -> int:
        """Rewrite one file; returns how many cards it held."""
        with self._file(name, rewrite.before) as (found, file):
            rewrite.start(file)
            self.folder.replace(found, rewrite.fill)
        if rewrite.emptied and len(self.folder.names()) > 1:
            self.folder.remove(name)
        return rewrite.count

    def _added_to(self, made: Sequence[Piece], name: str) -> None:
        with self._file(name, 0) as (found, file):

            def fill(stream: IO[bytes]) -> bool:
                last = b""
                for piece in file.pieces():
                    stream.write(piece.raw)
                    last = piece.raw
                if last and not last.endswith(b"\n"):
                    stream.write(b"\r\n")
                for piece in made:
                    stream.write(piece.raw)
                return True

            self.folder.replace(found, fill)

    def _added_apart(self, made: Sequence[Piece], like: str) -> None:
        names = self.folder.names()
        with self.folder.file(like if like in names else names[0]) as found:
            ending = found.name.rpartition(".")[2]
            for piece in made:
                name = f"{piece.name}-{token_hex(4)}.{ending}"
                self.folder.add(name, piece.raw, found.stat)

    @contextmanager
    def _file(self, name: str, before: int) -> Iterator[tuple[Found, CardFile]]:
        try:
            with self.folder.file(name) as found:
                yield (
                    found,
                    CardFile(found.stream, found.shown, self.options, self.natives, before=before),
                )
        except UnreadableInput as error:
            names = sorted(self.folder.names())
            where = f"{error.where}, number {names.index(name) + 1} of {len(names)} by name"
            raise UnreadableInput(where, error.what, error.row) from None


class _Rewrite:
    """One batch against file after file.

    Attributes:
        before: cards of the files that were done.
        count: cards of the file that was done last.
        emptied: whether that one lost them all.
    """

    def __init__(self, cards: CardFolder, operations: Sequence[Operation]) -> None:
        self.batch: Batch[Piece] = Batch(
            operations, change=self._changed, unfit=lambda _: "", same=_same
        )
        self.before = self.count = 0
        self.emptied = False
        self._options = cards.options
        self._seen: set[bytes] = set()
        self._file: CardFile | None = None

    def start(self, file: CardFile) -> None:
        """Go on with this file."""
        self._file = file

    def fill(self, stream: IO[bytes]) -> bool:
        """Write the file anew; false when it would be the old one."""
        assert self._file is not None
        changed = False
        self.count = left = 0
        for piece in self._file.pieces():
            kept: Piece | None = piece
            if piece.number:
                self.count += 1
                kept = self.batch.applied(piece, self._file.record(piece, self._seen))
                left += kept is not None
            changed = changed or kept is not piece
            stream.write(kept.raw if kept is not None else b"")
        self.before += self.count
        self.emptied = changed and not left
        return changed

    def created(self) -> list[Piece]:
        """The cards to add."""

        def made(operation: Operation) -> tuple[Piece, Record]:
            piece = new_piece(self._options, operation)
            assert self._file is not None
            return piece, self._file.record(piece)

        return self.batch.created(made)

    def _changed(self, piece: Piece, record: Record, values: Values) -> tuple[Piece, Record]:
        new = changed_piece(piece, values)
        assert self._file is not None
        return (piece, record) if new is piece else (new, self._file.record(new))


def _same(wanted: Mapping[str, Native | ListPatch], found: Mapping[str, Native]) -> bool:
    return all(
        not isinstance(value, ListPatch) and same_native(found.get(name), value)
        for name, value in wanted.items()
    )
