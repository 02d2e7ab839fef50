"""Kind *files*: CSV, Parquet, Avro or vCard; the newest file of a folder is the full listing.

Of vCards every file counts (`files_cards`).

The newest is the one modified last (of two at one instant, the one whose name sorts last): a name
can be anything, while whoever puts a file there makes it the newest. Concord writes by putting a
complete new file in that one's place: every row and column it did not mean to change stays as it
was, byte by byte.

The cursor begins with the digest of the content, so a file that is sent again unchanged is no news;
the columns follow, to tell which of them the next file changes (`files_drift`). An empty cell is
null. A row that Concord makes has the id ``concord-<person_id>``, whether or not a column
for the person_id is declared, so making it twice is found out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from concord.errors import ConcordError, PlatformRefused, UnreadableInput
from concord.platforms.base import (
    Capabilities,
    CheckReport,
    CreateKey,
    Delta,
    Operation,
    Page,
    Receipt,
    Record,
)
from concord.platforms.connection import Connection
from concord.platforms.csv_encoding import known_encoding
from concord.platforms.declaration import FilesOptions, PlatformDeclaration
from concord.platforms.effort import Effort
from concord.platforms.files_drift import Seen, chain_notes, cursor_of, digest_in, seen_in
from concord.platforms.files_folder import Folder, Found
from concord.platforms.files_formats import Content, columns_of, opened_content
from concord.platforms.natives import native_fields
from concord.platforms.vcard import MULTIVALUED, is_native

__all__ = ["Files"]

_PAGE = 500
_BATCH = 5_000
_SAMPLE = 5


class Files:
    """Source and sink of one folder."""

    batch = _BATCH

    @staticmethod
    def multivalued(declaration: PlatformDeclaration) -> frozenset[str]:
        """Native fields that hold a list: a card's, and none elsewhere."""
        return MULTIVALUED if declaration.options.written_as == "vcard" else frozenset()

    capabilities = Capabilities(
        delta=Delta.SNAPSHOT,
        tombstones=False,
        create_key=CreateKey.CLIENT_ID,
        batch=batch,
        page=_PAGE,
    )

    def __init__(
        self, name: str, declaration: PlatformDeclaration, connection: Connection, *, root: Path
    ) -> None:
        """Args: root: what a relative folder of the connection is relative to."""
        options = declaration.options
        if not isinstance(options, FilesOptions):
            raise PlatformRefused(name, "its declaration is not of kind files")
        if options.encoding is not None and not known_encoding(options.encoding):
            raise PlatformRefused(name, f"no text encoding is called {options.encoding!r}")
        self.name = name
        self.effort = Effort()
        self._options = options
        self._natives = native_fields(declaration)
        cards = options.written_as == "vcard"
        if cards:
            self.capabilities = replace(self.capabilities, multivalued=MULTIVALUED)
            unknown = [native for native in self._natives if not is_native(native)]
            if unknown:
                raise PlatformRefused(name, f"no field of a vCard: {', '.join(unknown)}")
        base = root / _place(connection)
        self._folder = Folder(name, base, options.path, options.pattern, root, every=cards)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def tidy(self) -> None:
        """Remove the half file that a killed writer left.

        Raises:
            PlatformDown: somebody writes just now.
        """
        with self._folder.locked():
            pass  # being the only writer is enough to have it removed

    def close(self) -> None:
        """Nothing stays open between calls."""

    def check(self) -> CheckReport:
        """See `Source.check`."""
        with self._sheet() as (found, sheet):
            sound = (record for record in sheet.records() if record.fault is None)
            sample = list(islice(sound, _SAMPLE))
            notes = (*_notes(found, sheet, self._options, sample), *self._drift(found, sheet))
        return CheckReport(f"{sheet.said} files", True, self._folder.writable(), sample, notes)

    def changes(self, cursor: str) -> Iterator[Page]:
        """See `Source.changes`."""
        with self._sheet() as (found, sheet):
            if sheet.digest == digest_in(cursor):
                yield Page([], cursor, full=False)
            else:
                notes = self._drift(found, sheet, seen_in(cursor))
                yield from _pages(sheet, _cursor(found, sheet), notes)

    def listing(self) -> Iterator[Page]:
        """See `Source.listing`."""
        with self._sheet() as (found, sheet):
            yield from _pages(sheet, _cursor(found, sheet), self._drift(found, sheet))

    def read(self, remote_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.read`; one pass over the file."""
        if not remote_ids:
            return []
        wanted = set(remote_ids)
        found: dict[str, Record] = {}
        with self._sheet() as (_, sheet):
            for record in sheet.records():
                if record.remote_id in wanted and record.fault != "id.duplicate":
                    found[record.remote_id] = record
        return [found.get(one, Record(one, deleted=True)) for one in remote_ids]

    def find(self, person_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.find`; one pass over the file."""
        if not person_ids:
            return []
        wanted = set(person_ids)
        found: dict[str, Record] = {}
        with self._sheet() as (_, sheet):
            for record in sheet.records():
                if record.external_id in wanted and record.fault is None:
                    found.setdefault(record.external_id, record)
        return [found[one] for one in person_ids if one in found]

    def write(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        """See `Sink.write`."""
        if not operations:
            return []
        with self._folder.locked(), self._sheet() as (found, sheet):
            return sheet.write(self._folder, found, operations)

    @contextmanager
    def _sheet(self) -> Iterator[tuple[Found, Content]]:
        with self._folder.newest() as found:
            self.effort.calls += 1
            self.effort.bytes_in += found.stat.st_size
            try:
                content = opened_content(found, self._options, self._natives, self._folder)
            except UnreadableInput as error:
                raise self._compared(found, error) from None
            yield found, content

    def _drift(self, found: Found, content: Content, last: Seen | None = None) -> tuple[str, ...]:
        """How columns changed from file to file, since the last one read if it is known."""
        if not content.columns:
            return ()
        since = last.modified_ns if last else 0
        earlier = [one for one in found.earlier if one[0] > since]
        chain = [last] if last else []
        for modified_ns, name in reversed(earlier):
            # An older file that cannot be read says nothing of the newest.
            with suppress(ConcordError), self._folder.file(name) as other:
                chain.append(Seen(other.shown, columns_of(other, self._options), modified_ns))
        return chain_notes([*chain, _seen(found, content)])

    def _compared(self, found: Found, error: UnreadableInput) -> UnreadableInput:
        """The error of the newest file, and which file before it would do."""
        for place, (_, name) in enumerate(found.earlier, start=1):
            with suppress(ConcordError), self._folder.file(name) as other:
                opened_content(other, self._options, self._natives, self._folder)
                back = "the file" if place == 1 else f"{place} files"
                what = f"{error.what}; {other.shown}, {back} before it, can be read"
                return UnreadableInput(error.where, what, error.row)
        return error


def _seen(found: Found, content: Content) -> Seen:
    return Seen(found.shown, content.columns, found.stat.st_mtime_ns)


def _cursor(found: Found, content: Content) -> str:
    return cursor_of(content.digest, _seen(found, content))


def _place(connection: Connection) -> str:
    """The folder a connection means; of ``fs:///srv/exports`` Airflow keeps the path as schema."""
    host, path = connection.host, connection.schema.lstrip("/")
    return str(connection.extra.get("path") or (f"{host}/{path}" if path else host))


def _pages(sheet: Content, cursor: str, notes: Sequence[str]) -> Iterator[Page]:
    records = sheet.records()
    calls = 1  # one file was opened, however many pages it fills
    page = list(islice(records, _PAGE))
    while True:
        following = list(islice(records, _PAGE))
        yield Page(page, cursor, full=True, calls=calls, notes=notes)
        if not following:
            return
        page, calls, notes = following, 0, ()


def _notes(
    found: Found, sheet: Content, options: FilesOptions, sample: Sequence[Record]
) -> Iterator[str]:
    if options.written_as != "vcard":
        yield f"The newest file is {found.shown}; {found.older} older ones are not read."
    yield from sheet.notes()
    updated_at = options.updated_at
    if updated_at and sample and not any(record.modified_at for record in sample):
        yield f"{updated_at} holds no instant with a zone in the sample, so it dates nothing."
