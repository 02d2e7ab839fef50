"""A platform in memory, as hostile as real ones: it lags, normalises, refuses, is down."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from concord.sync.cells import Claim
from concord.sync.mapped import ClaimColumn, Mapped
from concord.sync.observe import Reading
from concord.sync.operations import PlannedOperation

BAD, POISON = "BAD", "POISON"  # one breaks the contract, the other a platform refuses on write
MARKETING = "consent/email/marketing"
SCALARS = ("name", "phone", "tier")  # tier is mapped later
CLAIM = ClaimColumn(MARKETING, "email", "marketing", "emails", "OPT")


def canon(text: str | None) -> str | None:
    return None if text is None else text.strip().casefold()


class Clock:
    """Every look at it is a second later."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Down(Exception):
    """The platform does not answer."""


@dataclass(frozen=True)
class Options:
    feed: str = "token"  # token | watermark (no tombstones) | full
    normalises: bool = False
    image: bool = True
    atomic: bool = False
    external_id: bool = True
    many: bool = True  # several e-mails, or one slot
    dated: bool = True
    audience: str = "all"  # all | existing | consent
    approve: bool = False


@dataclass
class Stored:
    """A record on the platform."""

    fields: dict[str, Any]
    made_by: str
    person_id: str | None = None
    made_for: str | None = None
    note: str | None = None
    claimed_by: str | None = None
    modified_at: datetime | None = None

    @property
    def emails(self) -> list[str]:
        mail = self.fields["EMAILS"]
        texts = [one["value"] for one in mail] if isinstance(mail, list) else [mail]
        return [text for text in texts if text is not None]

    @property
    def claim(self) -> Claim | None:
        if self.fields["OPT"] is None:
            return None
        at = self.fields["OPT_AT"]
        return Claim(self.fields["OPT"], datetime.fromisoformat(at) if at else None)


def mapped(platform: str, columns: Iterable[str], options: Options) -> Mapped:
    return Mapped(
        platform=platform,
        natives={column: (column.upper(),) for column in (*columns, "emails")},
        lists={"emails": None if options.many else 1},
        writable=frozenset((*columns, "emails")),
        element_key=lambda _column, value: canon(value) or "",
        claims=(CLAIM,),
    )


def canonical(fields: dict[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    values = {column: fields.get(column.upper()) for column in columns}
    mail = fields.get("EMAILS")
    texts = [one["value"] for one in mail] if isinstance(mail, list) else [mail]
    elements = [_element(canon(text)) for text in texts if text is not None]
    return {**values, "emails": elements or None}


def _element(value: str | None) -> dict[str, Any]:
    return {"value": value, "type": None, "preferred": False}


@dataclass
class Answer:
    status: str
    remote_id: str | None


@dataclass
class Platform:
    """What the connector of a real platform would show."""

    name: str
    options: Options
    clock: Clock
    records: dict[str, Stored] = field(default_factory=dict)
    log: list[tuple[str, Stored | None, datetime]] = field(default_factory=list)
    gone: dict[str, Stored] = field(default_factory=dict)
    lag: int = 0
    down: bool = False
    made: int = 0
    writes: int = 0
    batch: int = 2
    watch: Callable[[Platform, PlannedOperation], None] = lambda _platform, _op: None
    rewrites: Callable[[str | None], str | None] = lambda text: text

    # what people do
    def store(self, text: str | None) -> str | None:
        text = self.rewrites(text)
        return text.strip().lower() if text is not None and self.options.normalises else text

    def insert(self, values: dict[str, Any], emails: Sequence[str], person: str | None) -> str:
        self.made += 1
        remote_id = f"{self.name}{self.made}"
        fields = {column.upper(): self.store(values.get(column)) for column in SCALARS}
        fields |= {"EMAILS": None, "OPT": None, "OPT_AT": None}
        self.records[remote_id] = Stored(
            fields,
            "us" if person else "them",
            person if self.options.external_id else None,
            made_for=person,
        )
        self.set_emails(remote_id, emails)
        return remote_id

    def set_field(self, remote_id: str, column: str, text: str | None) -> None:
        self.records[remote_id].fields[column.upper()] = self.store(text)
        self.touch(remote_id)

    def set_emails(self, remote_id: str, emails: Sequence[str]) -> None:
        stored = [self.store(text) for text in emails]
        many = [_element(text) for text in stored]
        one = stored[0] if stored else None
        self.records[remote_id].fields["EMAILS"] = many if self.options.many else one
        self.touch(remote_id)

    def set_claim(self, remote_id: str, state: str, by: str = "them") -> None:
        record = self.records[remote_id]
        record.fields["OPT"], record.claimed_by = state, by
        record.fields["OPT_AT"] = self.clock.tick().isoformat() if self.options.dated else None
        self.touch(remote_id)

    def set_note(self, remote_id: str, note: str) -> None:
        self.records[remote_id].note = note
        self.touch(remote_id)

    def delete(self, remote_id: str) -> None:
        self.gone[remote_id] = self.records.pop(remote_id)
        self.touch(remote_id)

    def restore(self, remote_id: str) -> None:
        self.records[remote_id] = self.gone.pop(remote_id)
        self.touch(remote_id)

    def touch(self, remote_id: str) -> None:
        now = self.clock.tick()
        record = self.records.get(remote_id)
        if record is not None:
            record.modified_at = now
        self.log.append((remote_id, copy.deepcopy(record), now))

    # what the engine asks
    def listing(self) -> dict[str, tuple[Stored | None, datetime | None]]:
        self.answer()
        return {name: (copy.deepcopy(one), one.modified_at) for name, one in self.records.items()}

    def delta(self, cursor: int) -> tuple[dict[str, tuple[Stored | None, datetime | None]], int]:
        self.answer()
        upto = max(cursor, len(self.log) - self.lag)
        found = {name: (image, at) for name, image, at in self.log[cursor:upto]}
        if self.options.feed == "watermark":
            found = {name: one for name, one in found.items() if one[0] is not None}
        return found, upto

    def read(self, remote_id: str) -> tuple[Stored | None, datetime | None]:
        self.answer()
        record = copy.deepcopy(self.records.get(remote_id))
        return record, record.modified_at if record else None

    def find(self, person_id: str | None) -> str | None:
        self.answer()
        found = (name for name, one in self.records.items() if one.person_id == person_id)
        return next(found, None) if self.options.external_id else None

    def answer(self) -> None:
        if self.down:
            raise Down

    def write(self, ops: Sequence[PlannedOperation]) -> list[Answer]:
        self.answer()
        assert len(ops) <= self.batch
        self.writes += len(ops)
        for op in ops:
            self.watch(self, op)
        poisoned = [_poisoned(op) for op in ops]
        if self.options.atomic and any(poisoned):
            return [Answer("batch_rejected", None)] * len(ops)
        return [self._one(op, bad) for op, bad in zip(ops, poisoned, strict=True)]

    def _one(self, op: PlannedOperation, poisoned: bool) -> Answer:
        if poisoned:
            return Answer("rejected", op.remote_id)
        if op.kind == "create":
            return self._create(op)
        assert op.remote_id is not None
        record = self.records.get(op.remote_id)
        if record is None:
            return Answer("gone", op.remote_id)
        if op.kind == "delete":
            self.delete(op.remote_id)
            return Answer("ok", op.remote_id)
        if any(record.fields[native] != seen for native, seen in op.expect.items()):
            return Answer("conflict", op.remote_id)
        self._change(op.remote_id, op.payload)
        return Answer("ok", op.remote_id)

    def _create(self, op: PlannedOperation) -> Answer:
        there = self.find(op.person_id)
        if there is not None:
            return Answer("exists", there)
        emails = [one["value"] for one in op.payload.get("emails", ())]
        remote_id = self.insert(dict(op.payload), emails, op.person_id)
        if MARKETING in op.payload:
            self.set_claim(remote_id, op.payload[MARKETING], "us")
        return Answer("ok", remote_id)

    def _change(self, remote_id: str, payload: Any) -> None:
        for column, value in payload.items():
            if column == MARKETING:
                self.set_claim(remote_id, value, "us")
            elif column == "emails":
                kept = [
                    x for x in self.records[remote_id].emails if canon(x) not in value["remove"]
                ]
                self.set_emails(remote_id, [*kept, *(one["value"] for one in value["add"])])
            else:
                self.set_field(remote_id, column, value)


def _poisoned(op: PlannedOperation) -> bool:
    return any(value == POISON for value in op.payload.values())


def reading(
    platform: Platform,
    remote_id: str,
    state: tuple[Stored | None, datetime | None],
    known: dict[str, Any] | None,
    columns: Iterable[str],
) -> Reading:
    """What was read, as `observe` takes it; here record and remote id are one."""
    record, at = state
    seen_at = platform.clock.now
    if record is None:
        return Reading(remote_id, remote_id, seen_at, modified_at=at)
    natives = {column.upper() for column in (*columns, "emails")} | {"OPT", "OPT_AT"}
    fields = {native: record.fields[native] for native in natives}
    before = {} if known is None else known
    return Reading(
        record_id=remote_id,
        remote_id=remote_id,
        seen_at=seen_at,
        modified_at=at,
        fields=fields,
        values=canonical(fields, columns),
        before=canonical(before, columns),
        claims={} if record.claim is None else {MARKETING: record.claim},
        person_id=record.person_id,
    )
