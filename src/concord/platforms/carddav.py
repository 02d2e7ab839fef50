"""Kind *carddav*: one address book of a CardDAV server (RFC 6352, RFC 6578).

A record's remote_id is the last part of its address, percent-decoded: the server guarantees that
it is unique, while a UID may be missing or repeated. Its version is the ETag. A card that Concord
makes is named after its person_id, so that making it twice is refused, and carries the person_id
in X-CONCORD-PERSON, so that it is known again when a client moves or copies it.

A cursor is a short digest of the address book's path and the server's sync token: a token is never
shown to another address book than the one it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from concord.errors import CursorExpired, PlatformRefused
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
from concord.platforms.carddav_book import Book, name_of
from concord.platforms.carddav_discovery import discovered
from concord.platforms.carddav_write import Writer
from concord.platforms.connection import Connection
from concord.platforms.dav import Dav
from concord.platforms.dav_xml import DAV, multistatus, propfind
from concord.platforms.declaration import CardDavOptions, PlatformDeclaration
from concord.platforms.effort import Effort
from concord.platforms.natives import native_fields
from concord.platforms.vcard import MULTIVALUED, is_native
from concord.platforms.vcard_names import native_fault

__all__ = ["CardDav"]

_PAGE = 100
_SAMPLE = 5
_WRITABLE = ("write", "write-content", "bind", "all")


class CardDav:
    """Source and sink of one address book."""

    multivalued = MULTIVALUED
    native_fault = staticmethod(native_fault)
    batch = 25
    capabilities = Capabilities(
        delta=Delta.TOKEN,
        tombstones=True,
        create_key=CreateKey.CLIENT_ID,
        batch=batch,
        page=_PAGE,
        multivalued=MULTIVALUED,
    )

    def __init__(
        self,
        name: str,
        declaration: PlatformDeclaration,
        connection: Connection,
        *,
        root: Path | None = None,  # noqa: ARG002 - every kind is made alike
    ) -> None:
        self.name = name
        self._natives = _natives(name, declaration)
        options = declaration.options
        self._path = options.path if isinstance(options, CardDavOptions) else None
        self._dav = Dav(name, connection)
        self._found: Book | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def effort(self) -> Effort:
        """See `Platform.effort`."""
        return self._dav.effort

    def close(self) -> None:
        """Close the connections."""
        self._dav.close()

    def check(self) -> CheckReport:
        """See `Source.check`."""
        book = self._book()
        asked = propfind("D:resourcetype", "D:current-user-privilege-set")
        answer = self._dav.read("PROPFIND", book.path, asked, depth="0")
        writable = None
        if answer.status == 207:
            for response in multistatus(answer.body, self.name).responses:
                granted = response.props.get(f"{DAV}current-user-privilege-set")
                if granted is not None:
                    writable = any(granted.find(f".//{DAV}{one}") is not None for one in _WRITABLE)
        present = book.changed("").present
        sample = book.fetch(present[:_SAMPLE])
        cards = "1 card" if len(present) == 1 else f"{len(present)} cards"
        return CheckReport(
            answer.server, True, writable, sample, (f"The address book has {cards}.",)
        )

    def changes(self, cursor: str) -> Iterator[Page]:
        """See `Source.changes`."""
        digest, _, token = cursor.partition(":")
        book = self._book(digest)
        if digest != book.digest or not token:
            raise CursorExpired(self.name, "the cursor belongs to another address book")
        yield from self._pages(book, token)

    def listing(self) -> Iterator[Page]:
        """See `Source.listing`."""
        yield from self._pages(self._book(), "")

    def read(self, remote_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.read`."""
        book = self._book()
        return [record for part in _parts(remote_ids) for record in book.fetch(part)]

    def find(self, person_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.find`."""
        found = self.read([name_of(person_id) for person_id in person_ids])
        return [record for record in found if not record.deleted]

    def write(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        """See `Sink.write`; one PUT or DELETE each, then one reading of what is stored."""
        return Writer(self._book()).carry_out(operations) if operations else []

    def _pages(self, book: Book, token: str) -> Iterator[Page]:
        before = self._dav.calls
        told = book.changed(token)
        cursor = f"{book.digest}:{told.token}"
        full = not token
        first = [] if full else [Record(name, deleted=True) for name in told.gone]
        for part in _parts(told.present) or [[]]:
            records = first + book.fetch(part)
            yield Page(records, cursor, full, self._dav.calls - before)
            before, first = self._dav.calls, []

    def _book(self, digest: str = "") -> Book:
        """The address book; needs no call when it is declared or *digest* vouches for it."""
        if self._found is None:
            book = Book(self._dav, self._declared() or self._dav.start, self._natives)
            if self._path is None and book.digest != digest:
                book = Book(self._dav, discovered(self._dav), self._natives)
            self._found = book
        return self._found

    def _declared(self) -> str | None:
        if self._path is None:
            return None
        path = self._dav.path(self._path)
        if path is None:
            raise PlatformRefused(self.name, "`path:` names another host than the connection")
        return path


def _natives(name: str, declaration: PlatformDeclaration) -> tuple[str, ...]:
    natives = native_fields(declaration)
    unknown = [native for native in natives if not is_native(native)]
    if unknown:
        raise PlatformRefused(name, f"no field of a vCard: {', '.join(unknown)}")
    return natives


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _PAGE] for start in range(0, len(names), _PAGE)]
