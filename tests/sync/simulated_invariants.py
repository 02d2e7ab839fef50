"""What must hold once everything is still, by what people did and not by what the code says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from simulated_platform import BAD, MARKETING, Platform, canon
from simulated_world import World

from concord.sync.base import compared
from concord.sync.view import KnownRecord, Person


class Ledger:
    """Holds the last quiet state; `check` compares it with this one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.links: dict[str, str] = {}
        self.golden: dict[str, Person] = {}
        self.had: dict[str, dict[str, Any]] = {}
        self.bad_before: set[str] = set()
        self.withdrawn: dict[str, set[datetime]] = {}
        self.undated: dict[tuple[str, ...], datetime] = {}

    def check(self) -> None:
        self.bad = {
            record
            for platform in self.world.platforms.values()
            for record, stored in platform.records.items()
            if any(stored.fields[column.upper()] == BAD for column in self.world.lake.mapped)
        }
        self.people = self._people()
        self._remote_state()
        self._links()
        self._life()
        for person_id, records in self.people.items():
            if person_id not in self.world.lake.golden.persons:
                assert set(records) <= self.bad, f"{person_id} is not in golden"
                continue
            self._values(person_id, records)
            self._emails(person_id, records)
            for platform in self.world.platforms.values():
                self._converged(platform, person_id)
        self._consent()
        self._next()

    def _people(self) -> dict[str, list[str]]:
        people: dict[str, list[str]] = {}
        for platform in self.world.platforms.values():
            for record in platform.records:
                person = self.world.lake.person(record)
                if person is None:
                    assert record in self.bad, f"{record} is linked to nobody"
                else:
                    people.setdefault(person, []).append(record)
        return people

    def _remote_state(self) -> None:
        for name, platform in self.world.platforms.items():
            ids = [one.person_id for one in platform.records.values() if one.person_id]
            assert len(ids) == len(set(ids)), "one external id twice"
            for record, stored in platform.records.items():
                row = self.world.lake.raw[name].rows[record]
                made = stored.made_by == "us"
                assert (row["person_id"] is not None) == made, f"{record}: copy or original?"
                known = self.world.known(record) or {}
                fields = {native: stored.fields[native] for native in known}
                assert known == fields, f"{record}: raw is not the remote state"

    def _links(self) -> None:
        for record, person in self.links.items():
            root = self.world.lake.links.root(person)
            assert root == self.world.lake.person(record), f"{record}: split or swapped"

    def _life(self) -> None:
        for person_id, person in self.world.lake.golden.persons.items():
            records = self.people.get(person_id, [])
            originals = [r for r in records if self.world.on(r).records[r].made_by == "them"]
            assert person.alive == bool(originals), f"{person_id}: alive or not?"
            if not originals:
                assert not records, f"{person_id}: copies outlive the person"

    def _members(self, person_id: str) -> set[str]:
        lake = self.world.lake
        return {record for record in lake.links.link if lake.person(record) == person_id}

    def _joined(self, person_id: str) -> bool:
        root = self.world.lake.links.root
        return any(root(old) == person_id for old in self.golden if old != person_id)

    def _stirred(self, person_id: str) -> bool:
        news = self.world.stirred | self.bad_before | self.bad
        return bool(self._members(person_id) & news) or self._joined(person_id)

    def _sides(self, person_id: str, records: list[str], *key: str) -> tuple[Any, Any, bool]:
        """Edits of all records, of those that still speak, and whether more is in play."""
        world, members = self.world, self._members(person_id)
        sides = {r: world.edits[r, *key] for r in members if (r, *key) in world.edits}
        speaking = {r: one for r, one in sides.items() if r in records and r not in self.bad}
        fuzzy = any((r, *key) in world.unseen for r in members) or self._joined(person_id)
        fuzzy = fuzzy or any(r in world.died or r in self.bad for r in sides)
        return sides, speaking, fuzzy

    def _values(self, person_id: str, records: list[str]) -> None:
        golden, old = self.world.lake.golden.persons[person_id], self.golden.get(person_id)
        for column in self.world.lake.mapped:
            value = golden.values[column]
            sides, speaking, fuzzy = self._sides(person_id, records, column)
            if speaking and not fuzzy:
                newest = max(epoch for _, epoch in speaking.values())
                seen = {canon(text) for text, epoch in speaking.values() if epoch == newest}
                if not (None in seen and self._stirred(person_id)):
                    assert canon(value) in seen, f"{person_id}.{column}: an edit was lost"
            if old is None or column not in old.values:
                continue
            before = old.values[column]
            had = [self.had.get(record, {}).get(column, 0) for record in records]
            if not sides and not fuzzy and not self._stirred(person_id) and canon(before) in had:
                assert canon(value) == canon(before), f"{person_id}.{column}: nobody edited it"
            if before is not None and value is None and any(h for h in had):
                cleared = {(record, column) for record in self._members(person_id)}
                assert cleared & self.world.cleared, f"{person_id}.{column}: nobody cleared it"

    def _emails(self, person_id: str, records: list[str]) -> None:
        world, old = self.world, self.golden.get(person_id)
        now = set(world.order(world.lake.golden.persons[person_id]))
        was = set(world.order(old)) if old else set()
        edited = {key[2] for key in world.edits if key[1] == "emails"}
        members = self._members(person_id)
        for key in edited | now | was:
            sides, speaking, fuzzy = self._sides(person_id, records, "emails", key)
            if speaking and not fuzzy:
                newest = max(epoch for _, epoch in speaking.values())
                seen = {there for there, epoch in speaking.values() if epoch == newest}
                if not (seen == {False} and self._stirred(person_id)):
                    assert (key in now) in seen, f"{person_id}: an edit of the list was lost"
            holders = [r for r in records if key in self.had.get(r, {}).get("emails", ())]
            if key in was - now and holders:
                removed = any((record, key) in world.removed for record in members)
                assert removed, f"{person_id}: an element nobody removed"
            if key in now - was and old is not None and not sides and not fuzzy:
                assert self._stirred(person_id), f"{person_id}: an element came back"

    def _converged(self, platform: Platform, person_id: str) -> None:
        lake, name = self.world.lake, platform.name
        person, side = lake.golden.persons[person_id], lake.side(name)
        own = [r for r, owner in side.owners.items() if owner == person_id]
        here = [side.records[r] for r in own if side.records[r].live]
        refused = {record for record, base in side.base.items() if base.rejects}
        audience = platform.options.audience
        if audience == "consent" and person.flags.get(MARKETING) is not True:
            return
        if not here:
            deleted = any(side.records[r].deleted_by == "them" for r in own)
            missing = audience != "existing" and f"new:{person_id}" not in refused
            assert not missing or deleted, f"{person_id}: no copy on {name}"
            return
        lead = min(here, key=lambda one: self._rank(name, one))
        if lead.record_id not in refused | self.bad:
            self._agrees(platform, lead, person)

    def _rank(self, name: str, record: KnownRecord) -> tuple[bool, bool, str]:
        base = self.world.lake.base[name].get(record.record_id)
        agreed = base is not None and bool(base.pairs)
        return not agreed, record.person_id is not None, record.record_id

    def _agrees(self, platform: Platform, lead: KnownRecord, person: Person) -> None:
        lake, stored = self.world.lake, platform.records[lead.record_id]
        base, mapping = lake.base[platform.name].get(lead.record_id), lake.mapping(platform.name)
        for column in lake.golden.covered & set(lake.mapped):
            there, value = stored.fields[column.upper()], person.values[column]
            pair = (compared(mapping, column, value), compared(mapping, column, there))
            agreed = base is not None and base.pairs.get(column) == pair
            assert canon(there) == canon(value) or agreed, f"{lead.record_id}.{column}: apart"
        there, golden = {canon(x) for x in stored.emails}, set(self.world.order(person))
        if platform.options.many:
            assert there == golden, f"{lead.record_id}: the list is apart"
        else:
            assert there <= golden, f"{lead.record_id}: the slot is apart"
            assert bool(there) == bool(golden), f"{lead.record_id}: the slot is empty"

    def _claims(self) -> Iterator[tuple[str, Any]]:
        for platform in self.world.platforms.values():
            yield from platform.records.items()

    def _consent(self) -> None:
        self._hear_withdrawals()
        for address, dates in self.withdrawn.items():
            if not self._reopened(address, max(dates)):
                self._withdrawn_everywhere(address)
        for _, stored in self._claims():
            for email in stored.emails:
                if self.world.status(canon(email) or "") == "granted":
                    assert canon(email) in self.world.grants, "granted by nobody"

    def _hear_withdrawals(self) -> None:
        for record, stored in self._claims():
            said = stored.claim
            if said is not None and said.state == "withdrawn" and stored.claimed_by == "them":
                seen = (record, *stored.emails)
                at = said.at or self.undated.setdefault(seen, self.world.clock.now)
                for email in stored.emails:
                    self.withdrawn.setdefault(canon(email) or "", set()).add(at)

    def _reopened(self, address: str, withdrawn_at: datetime) -> bool:
        """A later grant; of an undated withdrawal nobody knows when it was."""
        granted_at = self.world.grants.get(address)
        if granted_at is None:
            return False
        return granted_at >= withdrawn_at or withdrawn_at in self.undated.values()

    def _withdrawn_everywhere(self, address: str) -> None:
        assert self.world.status(address) == "withdrawn", "a withdrawal was undone"
        for record, stored in self._claims():
            if address in map(canon, stored.emails):
                told = stored.claim is not None and stored.claim.state == "withdrawn"
                assert told, f"{record}: the withdrawal did not arrive"

    def _next(self) -> None:
        """What stands in quarantine keeps its history; the rest starts anew."""
        world = self.world
        world.edits = {key: one for key, one in world.edits.items() if key[0] in self.bad}
        world.unseen = {key for key in world.unseen if key[0] in self.bad}
        world.cleared = {key for key in world.cleared if key[0] in self.bad}
        world.removed = {key for key in world.removed if key[0] in self.bad}
        self.bad_before = {r for r in world.stirred | self.bad_before if r in self.bad} | self.bad
        world.stirred, world.died = set(), set()
        self.links = dict(world.lake.links.link)
        self.golden = {q: one for q, one in world.lake.golden.persons.items() if one.alive}
        self.had = world.remembered()
        world.epoch += 1
