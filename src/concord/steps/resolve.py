"""Resolve: which records are one person."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

import polars as pl

from concord.assets.changes import changes
from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.contracts.document import Contract
from concord.identity.clusters import (
    Link,
    Resolver,
    candidate_pairs,
    concerned,
    touched_links,
)
from concord.identity.keys import match_keys
from concord.identity.name_agreement import Named
from concord.jobs import CROSSWALK
from concord.steps.context import Context, Result
from concord.steps.positions import positions
from concord.steps.tables import frame_schema

__all__ = ["resolve"]


def resolve(ctx: Context) -> Result:
    """Link new and changed records; publish the crosswalk."""
    clean = {name: ctx.open(name) for name in ctx.project.job("resolve").reads}
    raw = {name: ctx.open(name.replace("clean/", "raw/", 1)) for name in clean}
    seen = 0

    def work(table: Table, cursors: Mapping[str, int]) -> Change | None:
        nonlocal seen
        moved = {name: changes(one, cursors[name], one.version) for name, one in clean.items()}
        seen = sum(frame.height for frame in moved.values())
        links = _resolved(ctx, table, clean, raw, moved)
        return Change(upserts=_frame(ctx, links)) if links else None

    published = publish(ctx.open(CROSSWALK), work, upto=positions(clean), run=ctx.run)
    return Result("resolve", None, (published,), rows_in=seen)


def _resolved(
    ctx: Context,
    table: Table,
    clean: Mapping[str, Table],
    raw: Mapping[str, Table],
    moved: Mapping[str, pl.DataFrame],
) -> list[Link]:
    changed: list[tuple[str, str, str | None]] = []
    ended: list[str] = []
    for name, frame in moved.items():
        platform = name.split("/", 1)[1]
        upserts = frame.filter(pl.col("_change") == "upsert")
        linked = upserts.select("record_id", "_person_id").iter_rows()
        changed += [(record_id, platform, made_for) for record_id, made_for in linked]
        gone = frame.filter(pl.col("_change") == "delete")["record_id"]
        ended += _deleted(raw[name], gone)
    people = ctx.project.people.match
    contract = ctx.project.contract(next(iter(clean)))
    assert contract is not None
    rows = pl.concat([_names_and_keys(one, contract) for one in clean.values()])
    keys = match_keys(rows, contract, people)
    pairs = candidate_pairs(keys, [record_id for record_id, _, _ in changed])
    crosswalk = table.frame().collect()
    returned = _returned(raw, crosswalk)
    touched = [*(record_id for record_id, _, _ in changed), *ended, *returned]
    touched += [*pairs["left"], *pairs["right"]]
    known = touched_links(crosswalk, touched, [one for _, _, one in changed if one is not None])
    named = _named(rows, contract, concerned(pairs, known))
    resolver = Resolver(
        known,
        now=ctx.now(),
        new_person_id=lambda record_id: ctx.hash("person", record_id),
        name_check=people.name_check,
    )
    return resolver.resolve(changed, ended, pairs.iter_rows(), named, returned)


def _returned(raw: Mapping[str, Table], crosswalk: pl.DataFrame) -> list[str]:
    """Records whose link has ended and that their platform has again, perhaps in quarantine."""
    ended = crosswalk.filter(pl.col("ended_at").is_not_null())["record_id"]
    if not len(ended):
        return []
    found = [
        one.frame(columns=["record_id", "deleted_at"])
        .filter(pl.col("record_id").is_in(ended.implode()), pl.col("deleted_at").is_null())
        .collect()["record_id"]
        for one in raw.values()
    ]
    return pl.concat(found).to_list()


def _deleted(raw: Table, gone: pl.Series) -> list[str]:
    """Those of the records without a clean row that the platform deleted; a gate ends nobody."""
    if not len(gone):
        return []
    rows = raw.frame(columns=["record_id", "deleted_at"])
    found = rows.filter(
        pl.col("record_id").is_in(gone.implode()), pl.col("deleted_at").is_not_null()
    )
    return found.collect()["record_id"].to_list()


def _names_and_keys(table: Table, contract: Contract) -> pl.DataFrame:
    roles = ("given_name", "family_name", "full_name", "birth_date", "email", "phone")
    columns = [column for role in roles for column in contract.role(role)]
    return table.frame(columns=["record_id", *columns]).collect()


def _named(rows: pl.DataFrame, contract: Contract, records: Collection[str]) -> dict[str, Named]:
    wanted = pl.Series(list(records), dtype=pl.String)
    columns = {
        role: next(iter(contract.role(role)), None)
        for role in ("given_name", "family_name", "full_name", "birth_date")
    }
    found: dict[str, Named] = {}
    for row in rows.filter(pl.col("record_id").is_in(wanted.implode())).to_dicts():
        said: dict[str, Any] = {role: row.get(column or "") for role, column in columns.items()}
        born: date | None = said["birth_date"]
        found[row["record_id"]] = Named(
            said["given_name"], said["family_name"], said["full_name"], born
        )
    return found


def _frame(ctx: Context, links: list[Link]) -> pl.DataFrame:
    schema = {n: k for n, k in frame_schema(ctx.project, CROSSWALK).items() if n != "_row_hash"}
    rows = [
        {
            "record_id": link.record_id,
            "person_id": link.person_id,
            "platform": link.platform,
            "rule": link.rule,
            "linked_at": link.linked_at,
            "ended_at": link.ended_at,
        }
        for link in links
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")
