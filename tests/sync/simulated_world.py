"""Three platforms, people who use them, and the engine between; every write is watched."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from simulated_lake import Lake
from simulated_people import status, survive
from simulated_platform import MARKETING, SCALARS, Clock, Options, Platform, canon
from simulated_remote import Killed

from concord.sync.operations import PlannedOperation
from concord.sync.view import Person


class World:
    """What happened so far, and what must hold of it.

    Attributes:
        edits: (record, column) to the value and epoch of an edit the engine must see;
            (record, "emails", element) to whether the element is there.
        unseen: the same keys, where the value was back before anybody looked.
        epoch: complete runs so far.
        stirred: records that are new to the engine, or came back.
    """

    survivor: Callable[..., Person] = staticmethod(survive)
    runs_to_rest = 3

    def __init__(self, **options: dict[str, Any]) -> None:
        self.clock = Clock()
        self.platforms = {
            name: Platform(name, Options(**options.get(name, {})), self.clock) for name in "ABC"
        }
        self.lake = self.furnished()
        self.lake.approving = self.approving
        for platform in self.platforms.values():
            platform.watch = self.watch
        self.edits: dict[tuple[str, ...], tuple[Any, int]] = {}
        self.unseen: set[tuple[str, ...]] = set()
        self.cleared: set[tuple[str, str]] = set()
        self.removed: set[tuple[str, str]] = set()
        self.stirred: set[str] = set()
        self.died: set[str] = set()
        self.deleted_copies: set[tuple[str, str | None]] = set()
        self.grants: dict[str, datetime] = {}
        self.approved: set[str] = set()
        self.epoch = 0

    def furnished(self) -> Any:
        """What lies between the platforms."""
        return Lake(self.platforms, self.clock, survive=self.survivor)

    # what people do
    def create(
        self,
        on: str,
        email: str = "a@x",
        name: str = "ann",
        phone: str | None = "1",
        claim: str | None = None,
        tier: str | None = None,
    ) -> str:
        values = {"name": name, "phone": phone, "tier": tier}
        record = self.platforms[on].insert(values, [email], None)
        self.stirred.add(record)
        if claim:
            self.claim(record, claim)
        return record

    def claim(self, record: str, state: str) -> None:
        platform = self.on(record)
        said = platform.records[record].claim
        if said is not None and said.state == state and said.at is None:
            return  # nobody can see this
        platform.set_claim(record, state)
        if state == "granted" and platform.options.dated:
            for email in platform.records[record].emails:
                self.grants[canon(email) or ""] = self.claimed_at(record)

    def claimed_at(self, record: str) -> datetime:
        said = self.on(record).records[record].claim
        assert said is not None
        assert said.at is not None
        return said.at

    def edit(self, record: str, column: str, text: str | None) -> None:
        platform = self.on(record)
        new = platform.store(text)
        if platform.records[record].fields[column.upper()] == new:
            return
        platform.set_field(record, column, text)
        if new is None:
            self.cleared.add((record, column))
        known = self.known(record)
        if known is None or column.upper() not in known:
            self.stirred.add(record)
        elif known[column.upper()] == new:
            self.edits.pop((record, column), None)
            self.unseen.add((record, column))
        else:
            self.edits[record, column] = (new, self.epoch)

    def mail(self, record: str, email: str, add: bool = True) -> None:
        platform = self.on(record)
        before = platform.records[record].emails
        there = canon(email) in map(canon, before)
        if not platform.options.many:
            if there:
                return
            platform.set_emails(record, [email])
        elif add and not there:
            platform.set_emails(record, [*before, email])
        elif not add and there and len(before) > 1:
            platform.set_emails(record, [x for x in before if canon(x) != canon(email)])
        else:
            return
        self._mailed(record, before)

    def _mailed(self, record: str, before: list[str]) -> None:
        stored = self.on(record).records[record]
        now = {canon(x) or "" for x in stored.emails}
        was = {canon(x) or "" for x in before}
        self.removed |= {(record, key) for key in was - now}
        row = self.lake.raw[record[0]].rows.get(record)
        cells = {(c["column"], c["element"]): c for c in (row["cells"] if row else ())}
        claim, seen = stored.claim, cells.get((MARKETING, None))
        read = (
            seen is not None
            and claim is not None
            and (seen["claim"], seen["claimed_at"])
            == (
                claim.state,
                claim.at,
            )
        )
        by_them = claim is not None and stored.claimed_by == "them" and not read
        if by_them and claim is not None and claim.state == "granted" and claim.at is not None:
            for key in now - was:  # the claim is first read beside the new address
                self.grants[key] = max(self.grants.get(key, claim.at), claim.at)
        for key in was ^ now:
            cell = cells.get(("emails", key))
            if self.known(record) is None:
                self.stirred.add(record)
            elif (cell is not None and not cell["removed"]) == (key in now):
                self.edits.pop((record, "emails", key), None)
                self.unseen.add((record, "emails", key))
            else:
                self.edits[record, "emails", key] = (key in now, self.epoch)

    def delete(self, record: str) -> None:
        stored = self.on(record).records[record]
        if stored.made_by == "us" and self.known(record) is not None:
            self.deleted_copies.add((record[0], stored.made_for))
        self.on(record).delete(record)
        self.died.add(record)

    def restore(self, record: str) -> None:
        self.on(record).restore(record)
        self.stirred.add(record)
        stored = self.on(record).records[record]
        said = stored.claim
        if said and said.state == "granted" and said.at and stored.claimed_by == "them":
            for email in stored.emails:  # read anew, the claim stands beside these
                key = canon(email) or ""
                self.grants[key] = max(self.grants.get(key, said.at), said.at)

    def known(self, record: str) -> dict[str, Any] | None:
        """The record's native fields as raw has them, while raw has it alive."""
        row = self.lake.raw[record[0]].rows.get(record)
        return None if row is None or row["deleted_at"] else dict(json.loads(row["fields"]))

    def on(self, record: str) -> Platform:
        return self.platforms[record[0]]

    # what the engine does
    def run(
        self,
        *,
        killed_after: int | None = None,
        doubt_after: int | None = None,
        midway: Callable[[], None] = lambda: None,
        approve: bool = True,
        sweep: bool = False,
    ) -> bool:
        """Every step once; false when the process was killed on the way."""
        lake = self.lake
        lake.killed_after, lake.doubt_after = killed_after, doubt_after
        try:
            lake.run(sweep=sweep, approve=approve, midway=midway)
            done = True
        except Killed:
            done = False
        lake.killed_after = lake.doubt_after = None
        calm = not any(one.down or one.lag for one in self.platforms.values())
        self.epoch += done and approve and calm
        return done

    def approving(self, name: str) -> None:
        self.approved |= {op.content_id for op in self.lake.plans[name].ops}

    def approve(self, name: str) -> None:
        self.lake.approve(name)

    def quiesce(self) -> None:
        """All up, and so many runs that the next does nothing."""
        for platform in self.platforms.values():
            platform.lag, platform.down = 0, False
        for _ in range(self.runs_to_rest):
            self.run(sweep=True)
        writes, snapshots = self.writes, self.lake.snapshots
        self.run(sweep=True)
        assert self.writes == writes, "a further run writes"
        assert self.lake.snapshots == snapshots, "a further run makes a snapshot"

    @property
    def writes(self) -> int:
        return sum(platform.writes for platform in self.platforms.values())

    # what is looked at
    def values(self, on: str, column: str) -> list[Any]:
        records = sorted(self.platforms[on].records.items())
        if column == "emails":
            return [one.emails for _, one in records]
        return [one.fields[column.upper()] for _, one in records]

    def claims(self, on: str) -> list[str | None]:
        return [one.fields["OPT"] for _, one in sorted(self.platforms[on].records.items())]

    def golden(self) -> Person:
        return self.lake.golden.persons[min(self.lake.golden.persons)]

    def order(self, person: Person) -> list[str]:
        return [one["value"] for one in person.values.get("emails") or ()]

    def status(self, address: str) -> str | None:
        return status(self.lake.consents, address)

    # what must hold at every write
    def watch(self, platform: Platform, op: PlannedOperation) -> None:
        lake = self.lake
        assert all(one.cursor is not None for one in lake.raw.values()), "from a partial golden"
        if "tier" in op.payload:
            assert all("tier" in one.columns for one in lake.raw.values()), "tier sent too early"
        if platform.options.approve and op.kind != "withdraw":
            assert op.content_id in self.approved, "sent before it was approved"
        if platform.options.audience == "existing":
            assert op.kind != "create", "a create outside the audience"
        if platform.options.audience == "consent":
            self._watch_consent(op)
        if op.kind == "delete":
            self._watch_delete(platform, op)
        if op.kind == "create":
            self._watch_create(platform, op)

    def _watch_consent(self, op: PlannedOperation) -> None:
        sent = op.payload.get("emails") or ()
        added = sent["add"] if isinstance(sent, dict) else sent
        person = self.lake.golden.persons.get(op.person_id or "")
        first = self.order(person)[:1] if person else []
        for element in added:
            known = element["value"] in self.grants or any(key in self.grants for key in first)
            assert known, "an address outside the audience"

    def _watch_delete(self, platform: Platform, op: PlannedOperation) -> None:
        stored = platform.records.get(op.record_id)
        assert stored is None or stored.made_by == "us", "deleted what we did not make"
        for record, person in self.lake.links.link.items():
            there = self.on(record).records.get(record)
            if there and there.made_by == "them" and self.lake.links.root(person) == op.person_id:
                row = self.lake.raw[record[0]].rows.get(record)
                assert row is None or row["deleted_at"], "a delete nobody asked for"

    def _watch_create(self, platform: Platform, op: PlannedOperation) -> None:
        assert (platform.name, op.person_id) not in self.deleted_copies, "made again"
        for record in platform.records:
            if self.known(record) is not None:
                assert self.lake.person(record) != op.person_id, "a duplicate"

    # for the next interval
    def remembered(self) -> dict[str, dict[str, Any]]:
        return {
            record: {
                **{column: canon(stored.fields[column.upper()]) for column in self.lake.mapped},
                "emails": {canon(email) for email in stored.emails},
            }
            for platform in self.platforms.values()
            for record, stored in copy.deepcopy(platform.records).items()
        }


__all__ = ["SCALARS", "World"]
