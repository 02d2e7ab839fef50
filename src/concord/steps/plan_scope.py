"""Whom a plan must look at: people and records to whom something happened since the last one.

A plan holds every operation that is open. Who has none there, and to whom nothing has happened
since, has none now either: what one person is sent depends on others only where two are sent one
unique value, and then both have operations. So a plan's cost follows what changed and what is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from concord.assets.changes import CHANGE, changes
from concord.assets.table import Table
from concord.errors import UsageError
from concord.jobs import CONSENTS, CROSSWALK, GOLDEN
from concord.sync.operations import new_record

__all__ = [
    "COVERED",
    "TERMS",
    "WEIGHED",
    "Scope",
    "concerned",
    "owned",
    "roots",
    "scope_of",
    "weighed",
]

TERMS = "terms"
"""The cursor on everything declared that a plan depends on."""

COVERED = "covered"
"""The cursor on the columns that were completely read everywhere."""

WEIGHED = "weighed"
"""The cursor on the version of raw that golden had weighed; people with later records waited."""

_NEW = new_record("")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom to plan.

    Attributes:
        persons: their ids, former ones too.
        records: theirs, and those of nobody.
        behind: records whose newest row golden has not weighed; not only of these people.
    """

    persons: pl.Series
    records: pl.Series
    behind: frozenset[str]


def weighed(inputs: Mapping[str, Table], platform: str) -> int:
    """The version of raw that golden has weighed; -1 for none."""
    raw, clean = inputs[f"raw/{platform}"], inputs[f"clean/{platform}"]
    seen = inputs[GOLDEN].cursor(clean.dataset.name, clean.id)
    newest = clean.newest_record()
    record = newest if newest and newest.snapshot <= seen else clean.newest_record(seen)
    found = record.inputs if record else ()
    return next((one.upto for one in found if one.dataset == raw.dataset.name), -1)


def concerned(
    inputs: Mapping[str, Table],
    current: Table,
    cursors: Mapping[str, int],
    *,
    platform: str,
    whole: bool,
) -> Scope:
    """The people and records to plan.

    Args:
        inputs: what the plan reads, at pinned versions.
        current: the plan as it stands.
        cursors: how far the plan in *current* had weighed everything.
        whole: everybody.
    """
    raw = inputs[f"raw/{platform}"]
    behind = _ids(raw, weighed(inputs, platform), raw.version)
    moved = None if whole else _moved(inputs, current, cursors, platform)
    held = owned(inputs, platform)
    if moved is None:
        persons = inputs[GOLDEN].frame(columns=["person_id"]).collect()["person_id"]
        return Scope(persons, held["record_id"], frozenset(behind))
    persons, records = moved
    persons = pl.concat([persons, _renamed(inputs, persons)])
    records = pl.concat([records, behind])
    theirs = held.filter(pl.col("record_id").is_in(records.implode()))["owner"].drop_nulls()
    persons = pl.concat([persons, theirs]).unique()
    every = held.filter(pl.col("owner").is_in(persons.implode()))["record_id"]
    records = pl.concat([records, every]).unique()
    return Scope(persons, records, frozenset(behind))


def scope_of(inputs: Mapping[str, Table], platform: str, persons: pl.Series) -> Scope:
    """These people and their records, whatever happened since the last plan."""
    raw = inputs[f"raw/{platform}"]
    behind = _ids(raw, weighed(inputs, platform), raw.version)
    held = owned(inputs, platform)
    records = held.filter(pl.col("owner").is_in(persons.implode()))["record_id"]
    return Scope(persons, records, frozenset(behind))


def owned(inputs: Mapping[str, Table], platform: str) -> pl.DataFrame:
    """record_id and owner of every record of the platform, as `concord.sync.view.owners` says."""
    links = (
        inputs[CROSSWALK]
        .frame(columns=["record_id", "person_id", "platform"])
        .filter(pl.col("platform") == platform)
        .select("record_id", linked="person_id")
    )
    known = roots(inputs)
    owner = pl.coalesce("linked", "person_id")
    return (
        inputs[f"raw/{platform}"]
        .frame(columns=["record_id", "person_id"])
        .join(links, on="record_id", how="left")
        .select("record_id", owner.replace(known).alias("owner"))
        .collect()
    )


def roots(inputs: Mapping[str, Table]) -> dict[str, str]:
    """Former person to the one that she became in the end."""
    rows = inputs[CROSSWALK].frame(columns=["record_id", "person_id", "rule"])
    former = rows.filter(pl.col("rule") == "alias").select("record_id", "person_id").collect()
    aliases: dict[str, str] = dict(former.iter_rows())
    found = {}
    for one in aliases:
        person = one
        while person in aliases:
            person = aliases[person]
        found[one] = person
    return found


def _renamed(inputs: Mapping[str, Table], persons: pl.Series) -> pl.Series:
    return persons.replace(roots(inputs))


def _moved(
    inputs: Mapping[str, Table], current: Table, cursors: Mapping[str, int], platform: str
) -> tuple[pl.Series, pl.Series] | None:
    """Persons and records that a change or an open operation names; None means everybody."""
    raw, clean = inputs[f"raw/{platform}"], inputs[f"clean/{platform}"]
    golden, links, base = inputs[GOLDEN], inputs[CROSSWALK], inputs[f"sync/{platform}/base"]

    def since(table: Table, *columns: str) -> pl.DataFrame:
        name = table.dataset.name
        return changes(table, cursors[name], table.version, columns=[table.dataset.key, *columns])

    try:
        people = since(golden)["person_id"]
        linked = since(links, "person_id")
        agreed = since(base)["record_id"]
        records = [since(raw)["record_id"], since(clean)["record_id"], agreed]
        records.append(_ids(raw, cursors[WEIGHED], cursors[raw.dataset.name]))
        told = since(inputs[CONSENTS], "address")
    except UsageError:
        return None
    addresses = told["address"]
    if (told[CHANGE] == "delete").any():
        return None
    ops = current.frame(columns=["person_id", "record_id"]).collect()
    records += [linked["record_id"], ops["record_id"], _holding(raw, addresses)]
    made = agreed.filter(agreed.str.starts_with(_NEW)).str.strip_prefix(_NEW)
    persons = [people, linked["person_id"], linked["record_id"], ops["person_id"], made]
    return pl.concat(persons).drop_nulls(), pl.concat(records)


def _ids(raw: Table, after: int, upto: int) -> pl.Series:
    return changes(raw, after, upto, columns=["record_id"])["record_id"]


def _holding(raw: Table, addresses: pl.Series) -> pl.Series:
    """Records with one of *addresses*, whoever they belong to."""
    if not len(addresses):
        return pl.Series("record_id", [], dtype=pl.String)
    named = pl.element().struct.field("element").is_in(addresses.unique().implode())
    rows = raw.frame(columns=["record_id", "cells"])
    return rows.filter(pl.col("cells").list.eval(named).list.any()).collect()["record_id"]
