"""Writing into an address book: read the card, change its mapped properties, put it back.

Every write is conditional: If-None-Match for a new card, the ETag of the reading for any other.
What the server stored is read back, since a server may rewrite a card and still answer an ETag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from concord.errors import PlatformDown, PlatformRefused
from concord.platforms.base import Native, Operation, Outcome, Receipt, Record, Verb
from concord.platforms.carddav_book import DAMAGED, PERSON, Book, Stored, name_of
from concord.platforms.dav import Answer
from concord.platforms.dav_xml import error_code
from concord.platforms.natives import same_native
from concord.platforms.vcard import edited, native_fields, new_card
from concord.platforms.vcard_lines import DamagedCardError

__all__ = ["Writer"]

_UNWRITABLE = "value.unwritable"
_CONTENT = {"Content-Type": "text/vcard; charset=utf-8"}
_READ_ONLY = (405, 501)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A card that the server took, not yet read back."""

    op_id: str
    name: str
    stored: Stored


class Writer:
    """Carries out operations on one address book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._dav = book.dav

    def carry_out(self, operations: Sequence[Operation]) -> list[Receipt]:
        """One receipt for each operation, in their order."""
        act = {Verb.CREATE: self._create, Verb.UPDATE: self._change, Verb.DELETE: self._change}
        done = [act[operation.verb](operation) for operation in operations]
        sent = [one for one in done if isinstance(one, _Sent)]
        names = list(dict.fromkeys(one.name for one in sent))
        there = dict(zip(names, self._book.fetch(names), strict=True)) if names else {}
        return [
            self._receipt(one, there[one.name]) if isinstance(one, _Sent) else one for one in done
        ]

    def _receipt(self, sent: _Sent, found: Record) -> Receipt:
        """What we sent, as stored; not what somebody else made of it since."""
        ours = sent.stored.etag in (None, found.version) and not found.deleted
        record = found if ours else self._book.record(sent.name, sent.stored)
        return Receipt(sent.op_id, Outcome.OK, record)

    def _create(self, operation: Operation) -> Receipt | _Sent:
        name = name_of(operation.person_id)
        uid = name.removesuffix(".vcf")
        try:
            text = new_card(uid, {**operation.values, PERSON: operation.person_id})
        except ValueError:
            return Receipt(operation.op_id, Outcome.REJECTED, None, _UNWRITABLE)
        answer = self._put(name, text, {"If-None-Match": "*"})
        if answer.status == 412:
            return self._refused_create(operation, name)
        return self._sent(operation, name, text, answer)

    def _refused_create(self, operation: Operation, name: str) -> Receipt:
        found = self._book.get(name)
        if found is None:
            return Receipt(operation.op_id, Outcome.REJECTED, None, "412")
        record = replace(self._book.record(name, found), external_id=operation.person_id)
        return Receipt(operation.op_id, Outcome.EXISTS, record)

    def _change(self, operation: Operation) -> Receipt | _Sent:
        """Update or delete; read again once when somebody else was quicker."""
        name = operation.remote_id or ""
        tried: Stored | None = None
        for _ in range(2):
            card = self._book.get(name)
            if card is None:
                return _gone(operation)
            if tried is not None and card.etag == tried.etag:
                return Receipt(operation.op_id, Outcome.REJECTED, None, "412")
            if not _stands(card, operation.expect):
                break
            done = self._attempt(operation, name, card)
            if done is not None:
                return done
            tried = card
        else:
            card = self._book.get(name)
            if card is None:
                return _gone(operation)
        record = self._book.record(name, card)
        return Receipt(operation.op_id, Outcome.CONFLICT, record, record.fault or "")

    def _attempt(self, operation: Operation, name: str, card: Stored) -> Receipt | _Sent | None:
        """Write once; None when the card is not any more what was read."""
        if operation.verb is Verb.DELETE:
            return self._delete(operation, name, card)
        try:
            text = edited(card.text or "", operation.values)
        except DamagedCardError:
            record = self._book.record(name, card)
            return Receipt(operation.op_id, Outcome.CONFLICT, record, DAMAGED)
        except ValueError:
            return Receipt(operation.op_id, Outcome.REJECTED, None, _UNWRITABLE)
        if text == card.text:
            return Receipt(operation.op_id, Outcome.OK, self._book.record(name, card))
        answer = self._put(name, text, {"If-Match": self._etag(card)})
        if answer.status in (404, 410):
            return _gone(operation)
        return None if answer.status == 412 else self._sent(operation, name, text, answer)

    def _delete(self, operation: Operation, name: str, card: Stored) -> Receipt | None:
        headers = {"If-Match": self._etag(card)}
        answer = self._dav.write("DELETE", self._book.address(name), None, headers)
        if answer.status in (404, 410):
            return _gone(operation)
        if answer.status == 412:
            return None
        if 200 <= answer.status < 300:
            return Receipt(operation.op_id, Outcome.OK, Record(name, deleted=True))
        return self._refused(operation, answer)

    def _put(self, name: str, text: str, condition: Mapping[str, str]) -> Answer:
        address = self._book.address(name)
        return self._dav.write("PUT", address, text.encode(), {**_CONTENT, **condition})

    def _sent(self, operation: Operation, name: str, text: str, answer: Answer) -> Receipt | _Sent:
        if 200 <= answer.status < 300:
            return _Sent(operation.op_id, name, Stored(answer.etag, text))
        return self._refused(operation, answer)

    def _refused(self, operation: Operation, answer: Answer) -> Receipt:
        code = error_code(answer.body)
        if answer.status in _READ_ONLY or code == "need-privileges":
            raise PlatformRefused(
                self._dav.platform,
                "the address book is not for writing",
                code or str(answer.status),
            )
        if answer.status == 409 and not code:  # RFC 4918 9.7.1: also when the collection is missing
            self._book.insist()
        if answer.status == 423:
            raise PlatformDown(self._dav.platform, "a card is locked", "423")
        if answer.status in (404, 410):
            raise PlatformRefused(
                self._dav.platform, "there is no address book at this path", str(answer.status)
            )
        return Receipt(operation.op_id, Outcome.REJECTED, None, code or str(answer.status))

    def _etag(self, card: Stored) -> str:
        if card.etag is None:
            raise PlatformRefused(
                self._dav.platform, "gives no ETags; without them a write could undo another's"
            )
        return card.etag


def _gone(operation: Operation) -> Receipt:
    record = Record(operation.remote_id, deleted=True)
    return Receipt(operation.op_id, Outcome.GONE, record)


def _stands(card: Stored, expect: Mapping[str, Native]) -> bool:
    """Whether the mapped values are still what the plan saw."""
    if not expect:
        return True
    try:
        found = native_fields(card.text or "", expect.keys())
    except DamagedCardError:
        return False
    return all(same_native(found[native], value) for native, value in expect.items())
