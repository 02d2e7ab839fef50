"""One address book as it is read: what changed, and the cards themselves as records."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from concord.errors import CursorExpired, PlatformRefused, UnreadableInput
from concord.platforms.base import Record
from concord.platforms.dav import Dav
from concord.platforms.dav_xml import (
    CARD,
    DAV,
    Response,
    error_code,
    multiget,
    multistatus,
    propfind,
    sync_collection,
)
from concord.platforms.vcard import modified_at, native_fields
from concord.platforms.vcard_lines import DamagedCardError, card_text

__all__ = ["DAMAGED", "PERSON", "Book", "Changed", "Stored", "name_of"]

PERSON = "X-CONCORD-PERSON"
DAMAGED = "record.damaged"

_FOUND = (None, 200)
_GONE = (404, 410)
_TRUNCATED = 507  # RFC 6578 3.6: more to come
_MOST_ROUNDS = 10_000
_MOST_CARDS = 1_000_000
_PREFIX, _SUFFIX = "concord-", ".vcf"
_SAFE = re.compile(r"[A-Za-z0-9_-]{1,80}")
_TEXT = f"{CARD}address-data"
_ETAG = f"{DAV}getetag"


def name_of(person_id: str) -> str:
    """The name under which Concord makes the card of a person."""
    if not _SAFE.fullmatch(person_id):
        person_id = "." + hashlib.blake2s(person_id.encode()).hexdigest()
    return f"{_PREFIX}{person_id}{_SUFFIX}"


@dataclass(frozen=True, slots=True)
class Changed:
    """What a sync report told: names of cards, and the token to ask with next."""

    present: Sequence[str]
    gone: Sequence[str]
    token: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One card as the server has it; *text* is None when its bytes are no text."""

    etag: str | None
    text: str | None


class Book:
    """The address book at *path*, read for *natives*."""

    def __init__(self, dav: Dav, path: str, natives: Collection[str]) -> None:
        self.dav = dav
        self.path = path if path.endswith("/") else f"{path}/"
        self._natives = tuple(natives)
        self._asked = tuple({*natives, PERSON, "REV"})
        self._there = False

    @property
    def digest(self) -> str:
        """Names the address book in a cursor without telling its path, which may hold a login."""
        return hashlib.blake2s(unquote(self.path).encode(), digest_size=4).hexdigest()

    def address(self, name: str) -> str:
        """The path of one card."""
        return self.path + quote(name, safe="")

    def changed(self, token: str) -> Changed:
        """What changed since *token*; every card when it is empty.

        Raises:
            CursorExpired: the server forgot the token.
            PlatformRefused: no address book, no rights, or no sync-collection (RFC 6578).
        """
        seen: dict[str, bool] = {}
        tokens = {token}
        for _ in range(_MOST_ROUNDS):
            answer = self.dav.read("REPORT", self.path, sync_collection(token), depth="0")
            if answer.status != 207:
                raise self._refusal(answer.status, error_code(answer.body), token)
            told = multistatus(answer.body, self.dav.platform)
            if told.token is None:
                raise UnreadableInput(self.dav.platform, "the server's answer has no sync token")
            truncated = any(response.status == _TRUNCATED for response in told.responses)
            seen |= self._told(told.responses)
            if not truncated or told.token == token:
                self._there = True
                present = [name for name, there in seen.items() if there]
                gone = [name for name, there in seen.items() if not there]
                return Changed(present, gone, told.token)
            token = told.token
            if token in tokens or len(seen) > _MOST_CARDS:
                break
            tokens.add(token)
        raise UnreadableInput(self.dav.platform, "the server never finishes its list of changes")

    def fetch(self, names: Sequence[str]) -> list[Record]:
        """These cards as records, in this order; a tombstone for each that is not there."""
        stored = self._stored(list(dict.fromkeys(names)))
        return [
            Record(name, deleted=True)
            if (card := stored[name]) is None
            else self.record(name, card, place=place)
            for place, name in enumerate(names, start=1)
        ]

    def get(self, name: str) -> Stored | None:
        """One card byte for byte; None when it is not there."""
        if not _is_name(name):
            return None
        try:
            answer = self.dav.read("GET", self.address(name))
        except UnreadableInput:
            return Stored(None, None)
        if answer.status in _GONE:
            self.insist()
            return None
        if answer.status != 200:
            return Stored(answer.etag, None)
        try:
            return Stored(answer.etag, card_text(answer.body))
        except DamagedCardError:
            return Stored(answer.etag, None)

    def record(self, name: str, card: Stored, *, place: int = 1) -> Record:
        """A card as a record; one that cannot be read whole has a fault and no fields."""
        try:
            if card.text is None:
                raise DamagedCardError("not a text")
            found = native_fields(card.text, self._asked)
        except DamagedCardError:
            where = f"{self.dav.platform}, card {place} of its page"
            record = Record(name, version=card.etag, fault=DAMAGED, place=where)
            return replace(record, external_id=_person_in(name))
        person = found[PERSON]
        return Record(
            name,
            fields={native: found[native] for native in self._natives},
            version=card.etag,
            modified_at=modified_at(found["REV"]),
            external_id=person if isinstance(person, str) else _person_in(name),
        )

    def insist(self) -> None:
        """Make sure that the address book is there: only then is a missing card a deleted one.

        Raises:
            PlatformRefused: it is not.
        """
        if not self._there:
            asked = propfind("D:resourcetype")
            answer = self.dav.read("PROPFIND", self.path, asked, depth="0")
            if answer.status != 207:
                raise self._refusal(answer.status, "", "")
            self._there = True

    def _stored(self, names: list[str]) -> Mapping[str, Stored | None]:
        """Cards by name: many in one call; where an answer cannot be read, fewer, then each alone.

        A card may hold what XML cannot (control characters), or be larger than an answer may be:
        that must not take its neighbours with it.
        """
        asked = [name for name in names if _is_name(name)]
        found: dict[str, Stored | None] = {name: None for name in names if name not in asked}
        if asked:
            try:
                found |= self._multiget(asked)
            except UnreadableInput:
                if len(asked) > 1:
                    middle = len(asked) // 2
                    found |= self._stored(asked[:middle])
                    found |= self._stored(asked[middle:])
        return found | {name: self.get(name) for name in asked if name not in found}

    def _multiget(self, names: list[str]) -> dict[str, Stored | None]:
        body = multiget(self.address(name) for name in names)
        answer = self.dav.read("REPORT", self.path, body, depth="0")
        if answer.status != 207:
            raise self._refusal(answer.status, error_code(answer.body), "")
        found: dict[str, Stored | None] = {}
        for response in multistatus(answer.body, self.dav.platform).responses:
            name = self._name(response.href)
            if name in names:
                self._there = True
                found |= _card_of(name, response)
        return found

    def _told(self, responses: Sequence[Response]) -> dict[str, bool]:
        """Whether each card is there; one that is called both is, since it is read then."""
        there: dict[str, bool] = {}
        for response in responses:
            name = self._name(response.href)
            if name is not None and response.status in (*_FOUND, *_GONE):
                there[name] = there.get(name, False) or response.status in _FOUND
        return there

    def _name(self, href: str) -> str | None:
        """The last part of an address directly in this book; None for anything else."""
        path = self.dav.path(href, self.path)
        if path is None:
            return None
        parent, _, last = path.rpartition("/")
        name = unquote(last)
        return name if unquote(f"{parent}/") == unquote(self.path) and _is_name(name) else None

    def _refusal(self, status: int, code: str, token: str) -> Exception:
        if code == "valid-sync-token" and token:
            return CursorExpired(self.dav.platform, "the server forgot the sync token", code)
        what = {
            403: "the address book may not be read, or its server cannot list changes (RFC 6578)",
            404: "there is no address book at this path; check `path:` and the connection",
            410: "there is no address book at this path; check `path:` and the connection",
        }.get(status, "the server does not answer as a CardDAV address book does")
        return PlatformRefused(self.dav.platform, what, code or str(status))


def _card_of(name: str, response: Response) -> dict[str, Stored | None]:
    if response.status in _GONE:
        return {name: None}
    text = response.text(_TEXT)
    return {} if text is None else {name: Stored(response.text(_ETAG), text)}


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..")


def _person_in(name: str) -> str | None:
    person = name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    return person if name_of(person) == name else None
