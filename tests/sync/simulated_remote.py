"""Datasets in memory, and the steps that read platforms: settle, extract, acknowledge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from simulated_people import Links, survive
from simulated_platform import MARKETING, Clock, Platform, canonical, mapped, reading

from concord.sync.base import Base
from concord.sync.cells import Claim
from concord.sync.fold import fold_base, foldings
from concord.sync.mapped import Mapped
from concord.sync.observe import Reading, Row, observe, same_row
from concord.sync.operations import PlannedOperation, StoredReceipt
from concord.sync.settle import match_created, ops_on, settled, unsettled
from concord.sync.values import load
from concord.sync.view import Person


class Killed(Exception):
    """The process is gone."""


@dataclass(frozen=True)
class Raw:
    rows: Mapping[str, Row] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)  # version of each row's last change
    version: int = 0
    cursor: int | None = None
    columns: tuple[str, ...] = ()
    folded: int = 0  # receipts taken in


@dataclass(frozen=True)
class Clean:
    rows: Mapping[str, Row] = field(default_factory=dict)
    upto: int = 0
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Golden:
    persons: Mapping[str, Person] = field(default_factory=dict)
    upto: Mapping[str, int] = field(default_factory=dict)
    covered: frozenset[str] = frozenset()
    complete: bool = False


@dataclass(frozen=True)
class Plan:
    number: int = 0
    ops: tuple[PlannedOperation, ...] = ()
    raw: int = 0  # version of raw it was made from


@dataclass
class Datasets:
    """All datasets; every commit is atomic, and after it the process may be killed."""

    platforms: Mapping[str, Platform]
    clock: Clock
    mapped: list[str] = field(default_factory=lambda: ["name", "phone"])
    survive: Callable[..., Person] = survive
    snapshots: int = 0
    killed_after: int | None = None  # commits until the process is killed
    approving: Callable[[str], None] = lambda _name: None
    doubt_after: int | None = None  # batches until it is killed between answer and receipt

    def __post_init__(self) -> None:
        self.raw = {name: Raw() for name in self.platforms}
        self.clean = {name: Clean() for name in self.platforms}
        self.plans = {name: Plan() for name in self.platforms}
        self.receipts: dict[str, list[StoredReceipt]] = {name: [] for name in self.platforms}
        self.base: dict[str, dict[str, Base]] = {name: {} for name in self.platforms}
        self.base_folded = dict.fromkeys(self.platforms, 0)
        self.consents: dict[str, Row] = {}
        self.links = Links({}, {})
        self.golden = Golden()

    def point(self) -> None:
        if self.killed_after is not None:
            self.killed_after -= 1
            if self.killed_after <= 0:
                self.killed_after = None
                raise Killed

    def doubtful(self) -> None:
        if self.doubt_after is not None:
            self.doubt_after -= 1
            if self.doubt_after <= 0:
                self.doubt_after = None
                raise Killed

    def committed(self, before: Any, after: Any) -> None:
        self.snapshots += before != after
        self.point()

    def mapping(self, name: str) -> Mapped:
        return mapped(name, self.mapped, self.platforms[name].options)

    def person(self, record_id: str) -> str | None:
        person = self.links.link.get(record_id)
        return person and self.links.root(person)


class Remote(Datasets):
    """Steps that fold what platforms show into raw and base."""

    def put_raw(self, name: str, rows: Mapping[str, Row | None], **position: Any) -> None:
        raw = self.raw[name]
        new = {r: row for r, row in rows.items() if not same_row(raw.rows.get(r), row)}
        version = raw.version + bool(new)
        self.raw[name] = replace(
            raw,
            rows={**raw.rows, **new},
            changed={**raw.changed, **dict.fromkeys(new, version)},
            version=version,
            **position,
        )
        self.committed(bool(new), False)

    def observed(
        self, name: str, remote_id: str, state: Any, row: Row | None, ops: Any
    ) -> Row | None:
        seen = reading(
            self.platforms[name], remote_id, state, row and load(row["fields"]), self.mapped
        )
        return observe(row, seen, self.mapping(name), ops=ops)

    def settle(self, name: str) -> None:
        self.acknowledge(name)
        raw, platform = self.raw[name], self.platforms[name]
        todo = self.pending(name)
        if not todo:
            return
        found = self._made(name, [op for op in todo if op.kind == "create"])
        rows: dict[str, Row | None] = {}
        for op in todo:
            record_id = found.get(op.op_id, op.record_id)
            if (op.kind == "create" and op.op_id not in found) or record_id in rows:
                continue
            self.clock.tick()
            state = platform.read(record_id)
            row = raw.rows.get(record_id)
            new = self.observed(name, record_id, state, row, ops_on(record_id, todo, found))
            if new is not None:
                rows[record_id] = new
        self.put_raw(name, rows)
        remote_ids = {record_id: record_id for record_id in found.values()}
        self.receipts[name] = [
            *self.receipts[name],
            *settled(todo, found, remote_ids, self.clock.now),
        ]
        self.point()
        self.acknowledge(name)

    def _made(self, name: str, creates: list[PlannedOperation]) -> dict[str, str]:
        """The records that creates in doubt made."""
        platform, raw = self.platforms[name], self.raw[name]
        if platform.options.external_id:
            answers = {op.op_id: platform.find(op.person_id) for op in creates}
            return {op_id: one for op_id, one in answers.items() if one is not None}
        found: dict[str, str] = {}
        for op in creates:
            unknown = {
                name: canonical(one.fields, self.mapped)
                for name, (one, _) in platform.listing().items()
                if one is not None and name not in raw.rows and name not in found.values()
            }
            match = match_created(op, unknown, self.mapping(name))
            if match is not None:
                found[op.op_id] = match
        return found

    def pending(self, name: str) -> list[PlannedOperation]:
        return unsettled(self.plans[name].ops, {one.op_id for one in self.receipts[name]})

    def extract(self, name: str, sweep: bool = False) -> None:
        platform = self.platforms[name]
        platform.answer()
        self.settle(name)
        raw, columns = self.raw[name], tuple(self.mapped)
        self.clock.tick()
        full = sweep or platform.options.feed == "full" or raw.cursor is None
        full = full or raw.columns != columns
        cursor = len(platform.log)
        if full:
            states: Any = platform.listing()
            gone = [r for r, row in raw.rows.items() if r not in states and not row["deleted_at"]]
            states |= dict.fromkeys(gone, (None, None))
        else:
            states, cursor = platform.delta(raw.cursor or 0)
        rows = {}
        for record_id, state in states.items():
            row = raw.rows.get(record_id)
            seen = reading(platform, record_id, state, row and load(row["fields"]), self.mapped)
            if full or not is_older(row, seen):
                new = observe(row, seen, self.mapping(name))
                if new is not None:
                    rows[record_id] = new
        self.put_raw(name, rows, cursor=cursor, columns=columns)

    def acknowledge(self, name: str) -> None:
        receipts, columns = self.receipts[name], self.mapped
        if self.base_folded[name] < len(receipts):
            new = receipts[self.base_folded[name] :]
            stored = {one.op_id: canonical(dict(one.image or {}), columns) for one in new}
            moved = fold_base(self.base[name], new, stored, self.mapping(name))
            self.base[name] = {**self.base[name], **moved}
            self.base_folded[name] = len(receipts)
            self.committed(bool(moved), False)
        raw = self.raw[name]
        if raw.folded < len(receipts):
            rows = {}
            for folding in foldings(receipts[raw.folded :]):
                row = self._folded(name, folding)
                if row is not None:
                    rows[folding.record_id] = row
            self.put_raw(name, rows, folded=len(receipts))

    def _folded(self, name: str, folding: Any) -> Row | None:
        row = self.raw[name].rows.get(folding.record_id)
        image = dict(folding.last.image or {})
        seen = folding.reading(
            values=canonical(image, self.mapped),
            before=canonical(load(row["fields"]) if row else {}, self.mapped),
            claims=claims_of(image),
        )
        return observe(row, seen, self.mapping(name), ops=folding.ops)


def is_older(row: Row | None, reading: Reading) -> bool:
    """Whether a delta of a lagging replica shows a state from before the one we know (rule 7)."""
    if row is None or row["modified_at"] is None or reading.modified_at is None:
        return False
    return bool(reading.modified_at < row["modified_at"])


def claims_of(image: Mapping[str, Any]) -> dict[str, Claim]:
    if image.get("OPT") is None:
        return {}
    at = image["OPT_AT"]
    return {MARKETING: Claim(image["OPT"], datetime.fromisoformat(at) if at else None)}
