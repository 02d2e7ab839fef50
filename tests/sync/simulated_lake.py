"""The steps over a lake in memory: sync's own functions, with stand-ins for what lies between.

Every assignment to a dataset is one atomic commit; after it the run may be killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from simulated_people import Links, clean_rows, consents, status, survive
from simulated_platform import MARKETING, SCALARS, Clock, Down, Platform, canonical, mapped, reading

from concord.sync.base import Base
from concord.sync.cells import Claim, cells_of
from concord.sync.fold import fold_base, foldings
from concord.sync.mapped import Mapped
from concord.sync.observe import Row, is_older, observe, same_row
from concord.sync.operations import PlannedOperation, StoredReceipt
from concord.sync.plan import plan_platform, unmoved
from concord.sync.settle import approvals, match_created, ops_on, settled, unsettled
from concord.sync.values import load
from concord.sync.view import KnownRecord, Person, Side, Terms, owners


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
class Lake:
    """Datasets, and steps that turn one into the next."""

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

    # raw
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
            if op.kind == "create" and op.op_id not in found or record_id in rows:
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

    # golden
    def cleaned(self, name: str) -> None:
        raw, before = self.raw[name], self.clean[name]
        rows = clean_rows(raw.rows, before.rows, raw.columns)
        columns = raw.columns if raw.cursor is not None else None
        self.clean[name] = Clean(rows, raw.version, columns)
        self.committed(before.rows, rows)

    def consent(self) -> None:
        before = self.consents
        rows = [(name, row) for name, raw in self.raw.items() for row in raw.rows.values()]
        self.consents = consents(rows, before, self.clock.now)
        self.committed(before, self.consents)

    def resolve(self) -> None:
        before = self.links
        rows = {r: row for clean in self.clean.values() for r, row in clean.rows.items()}
        self.links = before.resolve(rows)
        self.committed((before.link, before.alias), (self.links.link, self.links.alias))

    def survivorship(self) -> None:
        before, records, alive = self.golden, {}, set()
        for name, clean in self.clean.items():
            for record_id, row in clean.rows.items():
                person = self.person(record_id)
                raw = self.raw[name].rows[record_id]
                if person is not None and raw["deleted_at"] is None:
                    records.setdefault(person, []).append({**row, "_platform": name})
                    if row["_person_id"] is None:
                        alive.add(person)
        persons = {}
        known = {self.links.root(one) for one in self.links.link.values()} | set(before.persons)
        for person in sorted(known - set(self.links.alias)):
            if person in alive:
                columns = [c for c in SCALARS if c in self.mapped]
                persons[person] = self.survive(person, records[person], columns, self.consents)
            else:
                persons[person] = Person(person, alive=False)
        read = [clean.columns for clean in self.clean.values()]
        covered = frozenset(c for c in (*SCALARS, "emails") if all(_has(c, one) for one in read))
        self.golden = Golden(
            persons,
            {name: clean.upto for name, clean in self.clean.items()},
            covered,
            None not in read,
        )
        self.committed((before.persons, before.covered), (persons, covered))

    # sync
    def side(self, name: str) -> Side:
        raw, clean = self.raw[name], self.clean[name].rows
        records = {r: self._known(row, clean.get(r)) for r, row in raw.rows.items()}
        behind = {r for r, at in raw.changed.items() if at > self.golden.upto.get(name, 0)}
        return Side(
            records,
            owners(records.values(), self.links.link, self.links.alias),
            self.base[name],
            frozenset(behind),
        )

    def _known(self, row: Row, clean: Row | None) -> KnownRecord:
        fields = load(row["fields"])
        return KnownRecord(
            record_id=row["record_id"],
            remote_id=row["record_id"],
            person_id=row["person_id"],
            deleted_by=row["deleted_by"],
            fields=fields,
            values=canonical(fields, self.mapped),
            cells=cells_of(row["cells"]),
            accepted=clean is not None,
            held=frozenset(clean["_held"] if clean else ()),
        )

    def plan(self, name: str) -> None:
        golden, before, receipts = self.golden, self.plans[name], self.receipts[name]
        options = self.platforms[name].options
        folded = min(self.raw[name].folded, self.base_folded[name])
        if not golden.complete or self.pending(name) or folded < len(receipts):
            return
        persons = {
            q: replace(
                one, allowed=options.audience != "consent" or one.flags.get(MARKETING) is True
            )
            for q, one in golden.persons.items()
        }
        terms = Terms(
            plan_no=before.number + 1,
            covered=golden.covered,
            status=lambda _claim, address: status(self.consents, address),
            hashed=lambda text: text,
            existing=options.audience == "existing",
            delivery="approve" if options.approve else "auto",
        )
        statuses = {one.op_id: one.status for one in receipts}
        ops = plan_platform(
            persons,
            self.side(name),
            terms,
            self.mapping(name),
            old=[op for op in before.ops if op.op_id not in statuses],
            approved=approvals(before.ops, statuses),
        )
        self.plans[name] = Plan(terms.plan_no, tuple(ops), self.raw[name].version)
        self.committed({one.content_id for one in before.ops}, {one.content_id for one in ops})

    def approve(self, name: str) -> None:
        self.approving(name)
        plan = self.plans[name]
        ops = (replace(op, state="approved") if op.state == "pending" else op for op in plan.ops)
        self.plans[name] = replace(plan, ops=tuple(ops))

    def deliver(self, name: str) -> None:
        platform, plan, raw = self.platforms[name], self.plans[name], self.raw[name]
        done = {one.op_id for one in self.receipts[name]}
        agreed = [op for op in plan.ops if op.kind == "agree" and op.op_id not in done]
        if agreed:
            self.append(name, [StoredReceipt.to(op, "agree", self.clock.now) for op in agreed])
        moved = {r for r, at in raw.changed.items() if at > plan.raw}
        todo = unmoved(self.pending(name), moved)
        for start in range(0, len(todo), platform.batch):
            self._push(name, todo[start : start + platform.batch])

    def append(self, name: str, receipts: list[StoredReceipt]) -> None:
        self.receipts[name] = [*self.receipts[name], *receipts]
        self.point()

    def _push(self, name: str, ops: list[PlannedOperation]) -> None:
        platform = self.platforms[name]
        self.point()
        answers = platform.write(ops)
        self.point()
        self.doubtful()
        if answers[0].status == "batch_rejected":
            if len(ops) > 1:
                half = len(ops) // 2
                self._push(name, ops[:half])
                self._push(name, ops[half:])
                return
            answers = [replace(answers[0], status="rejected", remote_id=ops[0].remote_id)]
        receipts = []
        for op, answer in zip(ops, answers, strict=True):
            if answer.status not in ("rejected", "gone") and not platform.options.image:
                self.point()
            receipts.append(self._receipt(platform, op, answer.status, answer.remote_id))
        self.append(name, receipts)

    def _receipt(
        self, platform: Platform, op: PlannedOperation, status: str, remote_id: str | None
    ) -> StoredReceipt:
        now = self.clock.tick()
        if status == "rejected" or remote_id is None:
            return StoredReceipt.to(op, status, now)
        state = (platform.records.get(remote_id), None)
        seen = reading(platform, remote_id, state, None, self.mapped)
        record = state[0]
        return StoredReceipt.to(
            op,
            status,
            now,
            record_id=remote_id,
            remote_id=remote_id,
            modified_at=record.modified_at if record else None,
            image=seen.fields,
        )

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

    def run(
        self, sweep: bool = False, approve: bool = True, midway: Callable[[], None] = lambda: None
    ) -> None:
        """Every step once, in the order of the graph."""
        up = []
        for name in self.platforms:
            try:
                self.extract(name, sweep)
                up.append(name)
            except Down:
                continue
        for name in self.platforms:
            self.cleaned(name)
        self.consent()
        self.resolve()
        self.survivorship()
        midway()
        for name in up:
            try:
                self.plan(name)
                if approve and self.platforms[name].options.approve:
                    self.approve(name)
                    self.point()
                self.deliver(name)
                self.acknowledge(name)
            except Down:
                continue


def _has(column: str, read: tuple[str, ...] | None) -> bool:
    return read is not None and (column == "emails" or column in read)


def claims_of(image: Mapping[str, Any]) -> dict[str, Claim]:
    if image.get("OPT") is None:
        return {}
    at = image["OPT_AT"]
    return {MARKETING: Claim(image["OPT"], datetime.fromisoformat(at) if at else None)}
