"""Who is who: records into persons, with links that stay.

A record once linked stays with its person while it exists. Changed keys can join two persons,
never part them; of two that are joined the one linked first survives, and the other id stays as an
alias. Two are not joined when any record of the one names somebody else than a record of the other,
whoever stands between them. Records that Concord made are linked by the person they were made for,
before any key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import Any

import polars as pl

from concord.identity.name_agreement import Agreement, Named, agreement
from concord.identity.partition import Edge, Partition

__all__ = ["Link", "Resolver", "candidate_pairs", "concerned", "root_of", "touched_links"]


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


def concerned(pairs: pl.DataFrame, links: Mapping[str, Link]) -> set[str]:
    """Records whose names have a say: those of *pairs*, and all of the persons they belong to."""
    paired = {*pairs["left"], *pairs["right"]}
    persons = {root_of(links[one].person_id, links) for one in paired if one in links}
    return paired | {
        name
        for name, link in links.items()
        if link.rule != "alias" and link.ended_at is None and link.person_id in persons
    }


def touched_links(
    crosswalk: pl.DataFrame, records: Collection[str], persons: Collection[str]
) -> dict[str, Link]:
    """The links that can change or have a say: aliases, and all of everybody who is touched.

    Args:
        records: changed, ended, returned and paired ones.
        persons: for whom Concord made some of them.
    """
    is_alias = pl.col("rule") == "alias"
    aliases = {row["record_id"]: _link_of(row) for row in crosswalk.filter(is_alias).to_dicts()}
    mine = crosswalk.filter(pl.col("record_id").is_in(list(records)))
    roots = {root_of(person, aliases) for person in (*mine["person_id"], *persons)}
    theirs = crosswalk.filter(pl.col("person_id").is_in(list(roots)), ~is_alias)
    return aliases | {row["record_id"]: _link_of(row) for row in theirs.to_dicts()}


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
        self._of_person: defaultdict[str, set[str]] = defaultdict(set)
        for name, link in self._links.items():
            self._of_person[link.person_id].add(name)

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
            named: names of the records `concerned`.
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
                self._put(Link(record_id, person, platform, "own", self._now))
        edges = self._edges(pairs, named)
        for group in self._partition(edges, named, records):
            self._settle_group(group, records)
        return sorted(
            (link for name, link in self._links.items() if self._before.get(name) != link),
            key=lambda link: link.record_id,
        )

    def _set(self, link: Link, *, ended_at: datetime | None) -> None:
        self._put(replace(link, ended_at=ended_at))

    def _put(self, link: Link) -> None:
        before = self._links.get(link.record_id)
        if before is not None:
            self._of_person[before.person_id].discard(link.record_id)
        self._links[link.record_id] = link
        self._of_person[link.person_id].add(link.record_id)

    def _node(self, record_id: str) -> str:
        link = self._links.get(record_id)
        return f"person:{root_of(link.person_id, self._links)}" if link else f"record:{record_id}"

    def _edges(
        self, pairs: Iterable[tuple[str, str, bool]], named: Mapping[str, Named]
    ) -> list[Edge]:
        edges = []
        for left, right, by_email in pairs:
            strength = Agreement.SAME
            if self._name_check:
                strength = agreement(named[left], named[right])
            one, other = self._node(left), self._node(right)
            if one != other and strength >= (Agreement.MAILBOX if by_email else Agreement.INITIAL):
                edges.append(Edge(one, other, strength))
        return edges

    def _partition(
        self, edges: list[Edge], named: Mapping[str, Named], records: Iterable[str]
    ) -> list[list[str]]:
        def against(one: str, other: str) -> bool:
            if not self._name_check:
                return False
            pairs = product(self._members(one, named), self._members(other, named))
            return any(agreement(a, b) is Agreement.AGAINST for a, b in pairs)

        partition = Partition(against)
        for node in sorted({self._node(record_id) for record_id in records}):
            partition.add(node)
        partition.join(edges)
        return partition.groups()

    def _members(self, node: str, named: Mapping[str, Named]) -> set[Named]:
        kind, _, name = node.partition(":")
        records = {name} if kind == "record" else self._of_person[name]
        return {named[record] for record in records if record in named}

    def _settle_group(self, group: list[str], records: Mapping[str, str]) -> None:
        persons = [node.removeprefix("person:") for node in group if node.startswith("person:")]
        fresh = [node.removeprefix("record:") for node in group if node.startswith("record:")]
        survivor = min(persons, key=self._age) if persons else self._new_person_id(min(fresh))
        first = True
        for record_id in sorted(fresh):
            rule = "new" if first and not persons else "key"
            platform = records[record_id]
            self._put(Link(record_id, survivor, platform, rule, self._now))
            first = False
        for person in persons:
            if person != survivor:
                self._rename(person, survivor)

    def _age(self, person: str) -> tuple[datetime, str]:
        since = (self._links[name].linked_at for name in self._of_person[person])
        return min(since, default=self._now), person

    def _rename(self, former: str, survivor: str) -> None:
        for name in sorted(self._of_person[former]):
            self._put(replace(self._links[name], person_id=survivor))
        self._put(Link(former, survivor, None, "alias", self._now))


def _link_of(row: Mapping[str, Any]) -> Link:
    """A crosswalk row as a value."""
    return Link(
        row["record_id"],
        row["person_id"],
        row["platform"],
        row["rule"],
        row["linked_at"],
        row["ended_at"],
    )
