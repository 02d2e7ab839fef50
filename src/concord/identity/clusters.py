"""Who is who: records into persons, with links that stay.

A record once linked stays with its person while it exists. Changed keys can join two persons,
never part them; of two that are joined the one linked first survives, and the other id stays as an
alias. Records that Concord made are linked by the person they were made for, before any key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from concord.identity.name_agreement import Named, agree

__all__ = ["Link", "Resolver", "candidate_pairs", "link_of", "root_of"]


@dataclass(frozen=True, slots=True)
class Link:
    """One row of the crosswalk.

    Attributes:
        record_id: of an alias, the former person id.
        platform: None for an alias.
        rule: ``new``, ``key``, ``own`` (Concord made the record) or ``alias``.
        ended_at: when the record was deleted.
    """

    record_id: str
    person_id: str
    platform: str | None
    rule: str
    linked_at: datetime
    ended_at: datetime | None = None


def root_of(person_id: str, links: Mapping[str, Link]) -> str:
    """The person that *person_id* became."""
    while person_id in links and links[person_id].rule == "alias":
        person_id = links[person_id].person_id
    return person_id


def candidate_pairs(keys: pl.DataFrame, changed: Collection[str]) -> pl.DataFrame:
    """Pairs of records that share a key, at least one of them changed.

    Args:
        keys: record_id, role, key of all records.

    Returns:
        left, right (left < right) and by_email; one row a pair.
    """
    new = keys.filter(pl.col("record_id").is_in(list(changed)))
    pairs = new.join(keys, on=["role", "key"], suffix="_other").filter(
        pl.col("record_id") != pl.col("record_id_other")
    )
    return (
        pairs.select(
            pl.min_horizontal("record_id", "record_id_other").alias("left"),
            pl.max_horizontal("record_id", "record_id_other").alias("right"),
            (pl.col("role") == "email").alias("by_email"),
        )
        .group_by("left", "right")
        .agg(pl.col("by_email").any())
        .sort("left", "right")
    )


class Resolver:
    """One pass over the changed records; a value in, changed links out."""

    def __init__(
        self,
        links: Mapping[str, Link],
        *,
        now: datetime,
        new_person_id: Callable[[str], str],
        name_check: bool = True,
    ) -> None:
        self._links = dict(links)
        self._before = dict(links)
        self._now = now
        self._new_person_id = new_person_id
        self._name_check = name_check
        self._parent: dict[str, str] = {}

    def resolve(
        self,
        changed: Iterable[tuple[str, str, str | None]],
        ended: Collection[str],
        pairs: Iterable[tuple[str, str, bool]],
        named: Mapping[str, Named],
        returned: Collection[str] = (),
    ) -> list[Link]:
        """The links that change.

        Args:
            changed: record, platform, and the person it was made for if Concord made it.
            ended: records that were deleted.
            pairs: candidates: two records, and whether an e-mail address is shared.
            named: names of every record in *pairs*.
            returned: records that live again, though no row of theirs passed the gate.
        """
        for record_id in sorted(ended):
            link = self._links.get(record_id)
            if link is not None and link.ended_at is None:
                self._set(link, ended_at=self._now)
        for record_id in sorted(returned):
            link = self._links.get(record_id)
            if link is not None and link.ended_at is not None:
                self._set(link, ended_at=None)
        records = {record_id: platform for record_id, platform, _ in changed}
        for record_id, platform, made_for in sorted(changed):
            link = self._links.get(record_id)
            if link is not None and link.ended_at is not None:
                self._set(link, ended_at=None)
            elif link is None and made_for is not None:
                person = root_of(made_for, self._links)
                self._links[record_id] = Link(record_id, person, platform, "own", self._now)
        self._join(
            (left, right)
            for left, right, by_email in pairs
            if not self._name_check or agree(named[left], named[right], by_email=by_email)
        )
        self._settle(records)
        return sorted(
            (link for name, link in self._links.items() if self._before.get(name) != link),
            key=lambda link: link.record_id,
        )

    def _set(self, link: Link, *, ended_at: datetime | None) -> None:
        self._links[link.record_id] = Link(
            link.record_id, link.person_id, link.platform, link.rule, link.linked_at, ended_at
        )

    def _node(self, record_id: str) -> str:
        link = self._links.get(record_id)
        return f"person:{root_of(link.person_id, self._links)}" if link else f"record:{record_id}"

    def _find(self, node: str) -> str:
        while self._parent.setdefault(node, node) != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node

    def _join(self, edges: Iterable[tuple[str, str]]) -> None:
        for left, right in edges:
            one, other = sorted((self._find(self._node(left)), self._find(self._node(right))))
            self._parent[other] = one

    def _settle(self, records: Mapping[str, str]) -> None:
        members: dict[str, list[str]] = {}
        nodes = {*self._parent, *(self._node(record_id) for record_id in records)}
        for node in sorted(nodes):
            members.setdefault(self._find(node), []).append(node)
        for group in members.values():
            self._settle_group(group, records)

    def _settle_group(self, group: list[str], records: Mapping[str, str]) -> None:
        persons = [node.removeprefix("person:") for node in group if node.startswith("person:")]
        fresh = [node.removeprefix("record:") for node in group if node.startswith("record:")]
        survivor = min(persons, key=self._age) if persons else self._new_person_id(min(fresh))
        first = True
        for record_id in sorted(fresh):
            rule = "new" if first and not persons else "key"
            platform = records[record_id]
            self._links[record_id] = Link(record_id, survivor, platform, rule, self._now)
            first = False
        for person in persons:
            if person != survivor:
                self._rename(person, survivor)

    def _age(self, person: str) -> tuple[datetime, str]:
        since = [link.linked_at for link in self._links.values() if link.person_id == person]
        return min(since, default=self._now), person

    def _rename(self, former: str, survivor: str) -> None:
        for name, link in list(self._links.items()):
            if link.person_id == former:
                self._links[name] = Link(
                    name, survivor, link.platform, link.rule, link.linked_at, link.ended_at
                )
        self._links[former] = Link(former, survivor, None, "alias", self._now)


def link_of(row: Mapping[str, Any]) -> Link:
    """A crosswalk row as a value."""
    return Link(
        row["record_id"],
        row["person_id"],
        row["platform"],
        row["rule"],
        row["linked_at"],
        row["ended_at"],
    )
