"""Planning one platform: the tables as values, for those whom a plan must look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from typing import Any

import polars as pl

from concord.assets.table import Table
from concord.contracts.document import Contract
from concord.contracts.schema import frame_schema as contract_columns
from concord.jobs import CONSENTS, CROSSWALK, GOLDEN
from concord.steps.context import Context
from concord.steps.plan_scope import Scope, roots
from concord.steps.plan_screen import AGREED, Screened, claims_in, screened
from concord.steps.planned import Planned, agree_rows
from concord.steps.platforms import Mapping, mapping_for
from concord.steps.raw_rows import canonical_values, jsonable
from concord.sync.base import Base
from concord.sync.cells import Key, Stamp, cells_of
from concord.sync.gates import hold_mass_changes
from concord.sync.mapped import ClaimColumn, Mapped
from concord.sync.operations import PlannedOperation, new_record
from concord.sync.plan import plan_platform
from concord.sync.settle import approvals
from concord.sync.unique import holders_of, values_held
from concord.sync.values import load
from concord.sync.view import KnownRecord, Person, Side, Terms, owners

__all__ = [
    "Planned",
    "Sides",
    "audience",
    "covered",
    "planned_operations",
    "screened_scope",
    "sides",
]

_NOBODYS = ("id.missing", "id.duplicate")
"""Faults of rows that no record can be told by."""


def planned_operations(
    ctx: Context,
    platform: str,
    inputs: Lookup[str, Table],
    current: Table,
    scope: Scope,
    *,
    screen: bool = True,
) -> Planned:
    """The whole plan, given that nobody outside *scope* has an operation.

    Args:
        inputs: what the plan reads, at pinned versions.
        current: the plan as it stands.
        screen: false weighs everybody one by one, which gives the same and takes far longer.
    """
    plan_no = current.version + 1
    old, approved = _old(inputs[f"sync/{platform}/receipts"], current)
    agreed, claims = pl.DataFrame(schema=AGREED), None
    if screen and _sends(ctx, platform):
        found = screened_scope(ctx, platform, inputs, scope)
        scope, agreed, claims = found.scope, found.agreed, found.claims
    known = sides(ctx, platform, inputs, scope, plan_no=plan_no, claims=claims)
    ops = plan_platform(
        known.persons, known.side, known.terms, known.mapped, old=old, approved=approved
    )
    copies, live = _counts(inputs[f"raw/{platform}"])
    return Planned(
        hold_mass_changes(ops, copies=copies, records=live),
        agree_rows(agreed, old, platform, known.terms),
    )


def _sends(ctx: Context, platform: str) -> bool:
    """Whether the platform is written to at all."""
    return (
        ctx.project.platform(platform).direction != "in" and ctx.project.delivers(platform) != "off"
    )


def screened_scope(
    ctx: Context, platform: str, inputs: Lookup[str, Table], scope: Scope
) -> Screened:
    """What of *scope* must be weighed person by person."""
    contract = ctx.project.contract(GOLDEN)
    assert contract is not None
    mapped = mapping_for(ctx, platform).mapped
    return screened(
        inputs,
        scope,
        mapped,
        columns=sorted(set(mapped.natives) & mapped.writable & covered(ctx, inputs)),
        flags={_claim(contract, name): name for name in contract.role("consent")},
        allowed=pl.all_horizontal(audience(ctx, platform, contract)),
        creates=ctx.project.platform(platform).audience != "existing",
    )


@dataclass(frozen=True, slots=True)
class Sides:
    """What a plan of one platform is made from."""

    persons: Lookup[str, Person]
    side: Side
    terms: Terms
    mapped: Mapped


def sides(
    ctx: Context,
    platform: str,
    inputs: Lookup[str, Table],
    scope: Scope,
    *,
    plan_no: int,
    claims: pl.DataFrame | None = None,
) -> Sides:
    """The tables as values, of those in *scope*.

    Args:
        claims: what is claimed on the platform, where it was read already.
    """
    declaration = ctx.project.platform(platform)
    mapping = mapping_for(ctx, platform)
    persons = _persons(ctx, platform, inputs, scope.persons)
    if claims is None:
        claims = claims_in(inputs[f"raw/{platform}"], mapping.mapped)
    records = _records(inputs, platform, mapping, scope.records, claims)
    links = _within(inputs[CROSSWALK], "record_id", scope.records).filter(
        pl.col("platform") == platform
    )
    side = Side(
        records={one.record_id: one for one in records},
        owners=owners(
            records, dict(links.select("record_id", "person_id").iter_rows()), roots(inputs)
        ),
        base=_base(inputs[f"sync/{platform}/base"], scope),
        behind=scope.behind,
        holders=_holders(inputs[f"raw/{platform}"], mapping, persons.values(), records),
    )
    terms = Terms(
        plan_no=plan_no,
        covered=covered(ctx, inputs),
        status=_status(inputs, _addresses(mapping, records, persons.values())),
        hashed=lambda text: ctx.hash("operation", text),
        existing=declaration.audience == "existing",
        delivery=ctx.project.delivers(platform),
        direction=declaration.direction,
    )
    return Sides(persons, side, terms, mapping.mapped)


def covered(ctx: Context, inputs: Lookup[str, Table]) -> frozenset[str]:
    """Columns with which every platform that maps them was completely read."""
    record = inputs[GOLDEN].newest_record()
    read: dict[str, list[str]] = record.extra.get("covered", {}) if record else {}
    mapped = {
        name: set(one.fields)
        for name, one in ctx.project.platforms.items()
        if one.direction != "out"
    }
    columns = {column for one in ctx.project.platforms.values() for column in one.fields}
    return frozenset(
        column
        for column in columns
        if all(column in read.get(name, ()) for name, own in mapped.items() if column in own)
    )


def _within(
    table: Table, column: str, wanted: pl.Series, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """The rows whose *column* is one of *wanted*."""
    keys = pl.LazyFrame({column: wanted.drop_nulls().unique()}, schema={column: pl.String})
    return table.frame(columns=columns).join(keys, on=column, how="semi").collect()


def _records(
    inputs: Lookup[str, Table],
    platform: str,
    mapping: Mapping,
    wanted: pl.Series,
    claims: pl.DataFrame,
) -> list[KnownRecord]:
    raw = inputs[f"raw/{platform}"]
    plain = [name for name in raw.columns if name != "cells"]
    rows = _within(raw, "record_id", wanted, plain).to_dicts()
    clean = _within(inputs[f"clean/{platform}"], "record_id", wanted, ["record_id", "_held"])
    held = {record_id: frozenset(names or ()) for record_id, names in clean.iter_rows()}
    told = claims.filter(pl.col("record_id").is_in(wanted.implode()))
    cells: defaultdict[str, list[Lookup[str, Any]]] = defaultdict(list)
    for cell in told.iter_rows(named=True):
        cells[cell.pop("record_id")].append(cell)
    values = canonical_values(mapping, [row["fields"] for row in rows])
    return [
        KnownRecord(
            record_id=row["record_id"],
            remote_id=row["remote_id"],
            person_id=row["person_id"],
            deleted_by=row["deleted_by"],
            fault=row["fault"],
            fields=load(row["fields"]) or {},
            values=value,
            cells=cells_of(cells[row["record_id"]]),
            accepted=row["record_id"] in held,
            held=held.get(row["record_id"], frozenset()),
        )
        for row, value in zip(rows, values, strict=True)
        if row["fault"] not in _NOBODYS
    ]


def _there(raw: Table) -> pl.LazyFrame:
    """Live records of the platform."""
    nobodys = pl.col("fault").is_in(_NOBODYS).fill_null(False)
    return raw.frame().filter(pl.col("deleted_by").is_null(), ~nobodys)


def _counts(raw: Table) -> tuple[int, int]:
    """Live records that we made, and all live records."""
    found = _there(raw).select(pl.col("person_id").count().alias("copies"), live=pl.len()).collect()
    return int(found["copies"][0]), int(found["live"][0])


def _holders(
    raw: Table, mapping: Mapping, persons: Iterable[Person], records: Sequence[KnownRecord]
) -> dict[tuple[str, str], frozenset[str]]:
    """Who on the whole platform holds a unique value that one of *persons* could be sent."""
    mapped = mapping.mapped
    wanted = values_held((one.values for one in persons), mapped)
    if not wanted:
        return {}
    known = pl.Series([one.record_id for one in records], dtype=pl.String)
    rows = _there(raw).filter(~pl.col("record_id").is_in(known.implode()))
    if mapped.unique <= set(mapped.lists):
        keys = pl.Series([key for _, key in wanted], dtype=pl.String)
        named = pl.element().struct.field("element").is_in(keys.unique().implode())
        rows = rows.filter(pl.col("cells").list.eval(named).list.any())
    found = rows.select("record_id", "fields").collect()
    values = canonical_values(mapping, found["fields"].to_list())
    others = (
        KnownRecord(name, None, values=one)
        for name, one in zip(found["record_id"], values, strict=True)
    )
    every = holders_of([*records, *others], mapped)
    return {key: every[key] for key in wanted & every.keys()}


def _base(table: Table, scope: Scope) -> dict[str, Base]:
    made = (pl.lit(new_record("")) + pl.col("person_id")).alias("record_id")
    new = pl.DataFrame({"person_id": scope.persons}).select(made)["record_id"]
    rows = _within(table, "record_id", pl.concat([scope.records, new])).to_dicts()
    return {row["record_id"]: Base.of(row) for row in rows}


def _addresses(
    mapping: Mapping, records: Iterable[KnownRecord], persons: Iterable[Person]
) -> pl.Series:
    mapped = mapping.mapped
    said = [*(one.values for one in records), *(one.values for one in persons)]
    found = {
        address
        for claim in mapped.claims
        for values in said
        for address in mapped.elements(claim.addresses, values.get(claim.addresses))
    }
    return pl.Series(sorted(found), dtype=pl.String)


def _status(inputs: Lookup[str, Table], addresses: pl.Series) -> Any:
    rows = _within(inputs[CONSENTS], "address", addresses)
    told = rows.select("channel", "address", "purpose", "status").rows()
    known = {(channel, address, purpose): said for channel, address, purpose, said in told}

    def status(claim: ClaimColumn, address: str) -> str | None:
        return known.get((claim.channel, address, claim.purpose))

    return status


def _old(receipts: Table, current: Table) -> tuple[list[PlannedOperation], frozenset[str]]:
    """Operations of the last plan without a receipt, and approvals not used up."""
    rows = current.frame().drop("_row_hash").collect()
    done = receipts.frame(columns=["op_id", "status"]).filter(
        pl.col("op_id").is_in(rows["op_id"].implode())
    )
    statuses: dict[str, str] = dict(done.collect().rows())
    ops = [PlannedOperation.of(row) for row in rows.to_dicts()]
    without = [op for op in ops if op.op_id not in statuses]
    return without, approvals(ops, statuses)


def _persons(
    ctx: Context, platform: str, inputs: Lookup[str, Table], wanted: pl.Series
) -> dict[str, Person]:
    contract = ctx.project.contract(GOLDEN)
    assert contract is not None
    golden = _within(inputs[GOLDEN], "person_id", wanted)
    inside = set(golden.filter(*audience(ctx, platform, contract))["person_id"].to_list())
    flags = {_claim(contract, name): name for name in contract.role("consent")}
    columns = list(contract_columns(contract))
    found = {}
    for row in golden.to_dicts():
        person_id = row["person_id"]
        found[person_id] = Person(
            person_id=person_id,
            alive=row["deleted_at"] is None,
            values={name: jsonable(row[name]) for name in columns},
            stamps=_stamps(row["_sources"] or ()),
            flags={claim: row[name] for claim, name in flags.items()},
            allowed=person_id in inside,
        )
    return found


def _claim(contract: Contract, flag: str) -> str:
    options = contract.column(flag).options
    return f"consent/{options['channel']}/{options['purpose']}"


def _stamps(sources: Any) -> dict[Key, Stamp]:
    return {
        (one["column"], one["element"]): Stamp(
            one["kind"], one["at"], one["dated_at"], one["source"]
        )
        for one in sources
    }


def audience(ctx: Context, platform: str, contract: Contract) -> tuple[pl.Expr, pl.Expr]:
    """Who belongs to the platform: its condition, and consent where its purpose rests on it."""
    declaration = ctx.project.platform(platform)
    living = pl.col("deleted_at").is_null()
    if declaration.audience != "existing":
        living &= pl.sql_expr(declaration.audience).fill_null(False)
    purpose = ctx.project.processing.purposes[declaration.purpose]
    if not purpose.needs_consent:
        return living, pl.lit(True)
    for name in contract.role("consent"):
        options = contract.column(name).options
        if (options["channel"], options["purpose"]) == (purpose.channel, declaration.purpose):
            return living, pl.col(name).fill_null(False)
    return living, pl.lit(False)
