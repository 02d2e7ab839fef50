"""The whole graph over datasets in memory: the functions of sync, stand-ins for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from simulated_people import clean_rows, consents, status
from simulated_platform import MARKETING, SCALARS, Down, Platform, canonical, reading
from simulated_remote import Clean, Golden, Plan, Remote

from concord.sync.cells import cells_of
from concord.sync.observe import Row
from concord.sync.operations import PlannedOperation, StoredReceipt
from concord.sync.plan import plan_platform, unmoved
from concord.sync.settle import approvals
from concord.sync.values import load
from concord.sync.view import KnownRecord, Person, Side, Terms, owners


class Lake(Remote):
    """Steps from raw to golden, and from golden to the platforms."""

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
        for name, raw in self.raw.items():
            for record_id, row in raw.rows.items():
                person, clean = self.person(record_id), self.clean[name].rows.get(record_id)
                if person is None or row["deleted_at"] is not None:
                    continue
                if row["person_id"] is None:
                    alive.add(person)  # also while no row of it passes: a gate ends nobody
                if clean is not None:
                    records.setdefault(person, []).append({**clean, "_platform": name})
        persons = {}
        known = {self.links.root(one) for one in self.links.link.values()} | set(before.persons)
        for person in sorted(known - set(self.links.alias)):
            said = records.get(person)
            if person not in alive:
                persons[person] = Person(person, alive=False)
            elif said is not None:
                columns = [c for c in SCALARS if c in self.mapped]
                persons[person] = self.survive(person, said, columns, self.consents)
            elif person in before.persons and before.persons[person].alive:
                persons[person] = before.persons[person]
        read = [clean.columns for clean in self.clean.values()]
        covered = frozenset(c for c in (*SCALARS, "emails") if all(_has(c, one) for one in read))
        self.golden = Golden(
            persons,
            {name: clean.upto for name, clean in self.clean.items()},
            covered,
            None not in read,
        )
        self.committed((before.persons, before.covered), (persons, covered))

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
