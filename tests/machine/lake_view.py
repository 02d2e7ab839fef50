"""What stands in the lake, in the words of the simulation, for its invariants to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulated_people import Links
from simulated_platform import MARKETING
from simulated_remote import Clean, Golden, Plan, Raw

from concord.steps.context import Context
from concord.steps.platforms import mapping_for
from concord.steps.raw_rows import canonical_values
from concord.steps.reading import reading_of
from concord.sync.base import Base
from concord.sync.cells import cells_of
from concord.sync.mapped import Mapped
from concord.sync.operations import PlannedOperation
from concord.sync.values import load
from concord.sync.view import KnownRecord, Person, Side, owners

Row = dict[str, Any]


@dataclass
class LakeView:
    """Every dataset as it is now; what was read stays until `forget`."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        self._known: dict[str, tuple[list[Row], Any]] = {}

    @property
    def ctx(self) -> Context:
        raise NotImplementedError

    def forget(self) -> None:
        self._known.clear()

    def rows(self, dataset: str) -> list[Row]:
        return self._read(dataset)[0]

    def _read(self, dataset: str) -> tuple[list[Row], Any]:
        if dataset not in self._known:
            table = self.ctx.open(dataset)
            self._known[dataset] = table.frame().collect().to_dicts(), table.newest_record()
        return self._known[dataset]

    @property
    def raw(self) -> Mapping[str, Raw]:
        return {name: self._raw(name) for name in self.names}

    def _raw(self, name: str) -> Raw:
        rows, record = self._read(f"raw/{name}")
        reading = reading_of(record)
        return Raw(
            {row["record_id"]: row for row in rows},
            cursor=0 if reading else None,
            columns=reading.columns if reading else (),
        )

    @property
    def clean(self) -> Mapping[str, Clean]:
        return {
            name: Clean({row["record_id"]: row for row in self.rows(f"clean/{name}")})
            for name in self.names
        }

    @property
    def links(self) -> Links:
        rows = self.rows("people/crosswalk")
        link = {row["record_id"]: row["person_id"] for row in rows if row["rule"] != "alias"}
        alias = {row["record_id"]: row["person_id"] for row in rows if row["rule"] == "alias"}
        return Links(link, alias)

    def person(self, record_id: str) -> str | None:
        links = self.links
        person = links.link.get(record_id)
        return person and links.root(person)

    @property
    def consents(self) -> Mapping[str, Row]:
        return {row["address"]: row for row in self.rows("people/consents")}

    @property
    def golden(self) -> Golden:
        rows, record = self._read("golden/contacts")
        read = [set(one) for one in (record.extra.get("covered", {}) if record else {}).values()]
        covered = (
            frozenset(set.intersection(*read)) if len(read) == len(self.names) else frozenset()
        )
        persons = {row["person_id"]: _person(row) for row in rows}
        return Golden(persons, {}, covered, len(read) == len(self.names))

    @property
    def base(self) -> Mapping[str, Mapping[str, Base]]:
        return {
            name: {row["record_id"]: Base.of(row) for row in self.rows(f"sync/{name}/base")}
            for name in self.names
        }

    @property
    def plans(self) -> Mapping[str, Plan]:
        return {
            name: Plan(0, tuple(map(_operation, self.rows(f"sync/{name}/plan"))))
            for name in self.names
        }

    def planned(self, name: str, op_id: str) -> PlannedOperation:
        return next(op for op in self.plans[name].ops if op.op_id == op_id)

    def mapping(self, name: str) -> Mapped:
        return mapping_for(self.ctx, name).mapped

    def side(self, name: str) -> Side:
        rows, links = self.rows(f"raw/{name}"), self.links
        values = canonical_values(mapping_for(self.ctx, name), [row["fields"] for row in rows])
        accepted = self.clean[name].rows
        records = {
            row["record_id"]: KnownRecord(
                record_id=row["record_id"],
                remote_id=row["remote_id"],
                person_id=row["person_id"],
                deleted_by=row["deleted_by"],
                fault=row["fault"],
                fields=load(row["fields"]),
                values=value,
                cells=cells_of(row["cells"]),
                accepted=row["record_id"] in accepted,
            )
            for row, value in zip(rows, values, strict=True)
        }
        owned = owners(records.values(), links.link, links.alias)
        return Side(records, owned, self.base[name])


def _person(row: Row) -> Person:
    columns = ("name", "phone", "tier", "emails")
    return Person(
        row["person_id"],
        row["deleted_at"] is None,
        {column: row[column] for column in columns},
        flags={MARKETING: row["email_marketing"]},
    )


def _operation(row: Row) -> PlannedOperation:
    return PlannedOperation.of({name: one for name, one in row.items() if name != "_row_hash"})
