"""A simulated platform as a kind of its own: what the steps see of it, through Source and Sink.

Another package's kind, as far as Concord can tell: it is found by its entry point in ``kind/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from simulated_platform import POISON, Down, Platform, Stored

from concord.errors import PlatformDown
from concord.platforms.base import (
    Capabilities,
    CheckReport,
    CreateKey,
    Delta,
    ListPatch,
    Native,
    Operation,
    Outcome,
    Page,
    Receipt,
    Record,
    Verb,
)
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.natives import native_fields

_FEEDS = {"token": Delta.TOKEN, "watermark": Delta.WATERMARK, "full": Delta.SNAPSHOT}
State = tuple[Stored | None, datetime | None]


class Memory:
    """Source and sink of one simulated platform, which comes in the connection's extra."""

    batch = 100
    multivalued = frozenset({"EMAILS"})

    def __init__(
        self, name: str, declaration: PlatformDeclaration, connection: Connection, *, root: Path
    ) -> None:
        self.name = name
        self._natives = native_fields(declaration)
        self._platform: Platform = connection.extra["platform"]
        self._sending: Callable[[Operation], None] = connection.extra["sending"]
        self._sent: Callable[[], None] = connection.extra["sent"]
        options = self._platform.options
        self.capabilities = Capabilities(
            delta=_FEEDS[options.feed],
            tombstones=options.feed == "token",
            create_key=CreateKey.EXTERNAL_ID if options.external_id else CreateKey.NONE,
            batch=self._platform.batch,
            multivalued=self.multivalued,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""

    def check(self) -> CheckReport:
        sample = [record for page in self.listing() for record in page.records]
        return CheckReport("memory", True, None, sample[:5])

    def changes(self, cursor: str) -> Iterator[Page]:
        self._up()
        if self._platform.options.feed == "full":
            if cursor == self._here():
                yield Page([], cursor, full=False)
            else:
                yield from self.listing()
            return
        states, upto = self._platform.delta(int(cursor))
        yield Page([self._record(n, one) for n, one in states.items()], str(upto), full=False)

    def listing(self) -> Iterator[Page]:
        self._up()
        states = self._platform.listing()
        records = [self._record(name, one) for name, one in states.items()]
        yield Page(records, self._here(), full=True)

    def read(self, remote_ids: Sequence[str]) -> Sequence[Record]:
        self._up()
        return [self._record(one, self._platform.read(one)) for one in remote_ids]

    def find(self, person_ids: Sequence[str]) -> Sequence[Record]:
        self._up()
        found = [self._platform.find(one) for one in person_ids]
        return self.read([one for one in found if one is not None])

    def write(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        self._up()
        assert len(operations) <= self._platform.batch
        self._platform.writes += len(operations)
        for op in operations:
            self._sending(op)
        receipts = [self._one(op) for op in operations]
        self._sent()
        return receipts

    def _up(self) -> None:
        try:
            self._platform.answer()
        except Down:
            raise PlatformDown(self.name, "is down") from None

    def _here(self) -> str:
        return str(len(self._platform.log))

    def _record(self, remote_id: str, state: State) -> Record:
        stored, at = state
        if stored is None:
            return Record(remote_id, modified_at=at, deleted=True)
        return Record(
            remote_id,
            {native: stored.fields[native] for native in self._natives},
            version=at.isoformat() if at else None,
            modified_at=at,
            external_id=stored.person_id,
        )

    def _one(self, op: Operation) -> Receipt:
        if POISON in op.values.values():
            return Receipt(op.op_id, Outcome.REJECTED, None, "poison")
        if op.verb is Verb.CREATE:
            return self._create(op)
        assert op.remote_id is not None
        known = self._platform.records.get(op.remote_id)
        if known is None:
            return Receipt(op.op_id, Outcome.GONE, Record(op.remote_id, deleted=True))
        if op.verb is Verb.DELETE:
            self._platform.delete(op.remote_id)
            return Receipt(op.op_id, Outcome.OK, Record(op.remote_id, deleted=True))
        if any(known.fields[native] != seen for native, seen in op.expect.items()):
            return self._shown(op, Outcome.CONFLICT, op.remote_id)
        self._change(op.remote_id, op.values)
        return self._shown(op, Outcome.OK, op.remote_id)

    def _shown(self, op: Operation, outcome: Outcome, remote_id: str) -> Receipt:
        return Receipt(op.op_id, outcome, self._record(remote_id, self._platform.read(remote_id)))

    def _create(self, op: Operation) -> Receipt:
        there = self._platform.find(op.person_id)
        if there is not None:
            return self._shown(op, Outcome.EXISTS, there)
        texts = {native.lower(): value for native, value in op.values.items()}
        remote_id = self._platform.insert(texts, [], op.person_id)
        lasting = {n: op.values[n] for n in ("EMAILS", "OPT", "OPT_AT") if n in op.values}
        self._change(remote_id, lasting)
        return self._shown(op, Outcome.OK, remote_id)

    def _change(self, remote_id: str, values: Any) -> None:
        """Named fields only; a state of consent gets the platform's own date, not ours."""
        for native, value in values.items():
            if native == "OPT":
                self._platform.set_claim(remote_id, value, "us")
            elif native == "EMAILS":
                self._platform.set_emails(remote_id, self._emails(remote_id, value))
            elif native != "OPT_AT":
                self._platform.set_field(remote_id, native.lower(), value)

    def _emails(self, remote_id: str, value: Native | ListPatch) -> list[str]:
        if isinstance(value, ListPatch):
            before = self._platform.records[remote_id].emails
            kept = [one for one in before if one not in value.remove]
            return [*kept, *(one["value"] for one in value.add)]
        if isinstance(value, list):
            return [one["value"] for one in value]
        return [] if value is None else [value]


class MemorySlot(Memory):
    """The same with room for one e-mail address."""

    multivalued = frozenset()
