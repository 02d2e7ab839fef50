"""Plan: what one platform is to be sent, committed before anything is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as Lookup
from typing import Any

import polars as pl

from concord.assets.changes import changes
from concord.assets.commit import Position
from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.contracts.document import Contract
from concord.contracts.schema import frame_schema as contract_columns
from concord.jobs import CONSENTS, CROSSWALK, GOLDEN
from concord.steps.context import Context, Result
from concord.steps.platforms import Mapping, mapping_for
from concord.steps.positions import positions
from concord.steps.raw_rows import canonical_values, jsonable
from concord.steps.receipts import unsettled
from concord.steps.runs import unread
from concord.steps.tables import frame_schema
from concord.sync.base import Base
from concord.sync.cells import Key, Stamp, cells_of
from concord.sync.gates import hold_mass_changes
from concord.sync.mapped import ClaimColumn
from concord.sync.operations import PlannedOperation
from concord.sync.plan import plan_platform
from concord.sync.settle import approvals
from concord.sync.unique import holders_of
from concord.sync.values import load
from concord.sync.view import KnownRecord, Person, Side, Terms, owners

__all__ = ["plan", "plan_positions", "unready"]


def plan(ctx: Context, *, platform: str) -> Result:
    """Publish the plan of one platform.

    Nothing is planned until golden covers the first complete reading of every platform, nor while
    an operation is unsettled or a receipt unacknowledged, nor after a reading of the platform that
    failed: then nothing is delivered either.
    """
    reason = unready(ctx, platform)
    table = ctx.open(f"sync/{platform}/plan")
    if reason is not None:
        waiting = not unread(ctx, platform) and unsettled(ctx, platform)
        facts = {"chunks": 1 if waiting else 0}
        return Result("plan", platform, notes=(f"{platform}: {reason}",), facts=facts)
    mapping = mapping_for(ctx, platform)
    planned: list[PlannedOperation] = []

    def work(current: Table, _cursors: Lookup[str, int]) -> Change:
        nonlocal planned
        planned = _planned(ctx, platform, mapping, current)
        return _change(ctx, current, planned)

    published = publish(table, work, upto=plan_positions(ctx, platform), run=ctx.run)
    chunks = 1 if unsettled(ctx, platform) else 0
    return Result(
        "plan",
        platform,
        (published,),
        rows_in=len(planned),
        notes=_notes(platform, planned),
        facts={"chunks": chunks},
    )


def _notes(platform: str, planned: list[PlannedOperation]) -> tuple[str, ...]:
    counts = {state: sum(op.state == state for op in planned) for state in ("pending", "held")}
    notes = []
    if counts["pending"]:
        notes.append(
            f"{platform}: {counts['pending']} writes wait for approval; "
            f"`concord sync plan {platform}` shows them"
        )
    if counts["held"]:
        notes.append(f"{platform}: {counts['held']} writes are held; the plan says why")
    return tuple(notes)


def plan_positions(ctx: Context, platform: str) -> dict[str, Position]:
    """How far everything is that a plan follows from; the declaration is part of it."""
    tables = {name: ctx.open(name) for name in ctx.project.job(f"plan.{platform}").reads}
    found = positions(tables)
    declared = ctx.project.platform(platform).model_dump_json() + ctx.project.delivers(platform)
    digest = hashlib.sha256(declared.encode()).digest()
    found["terms"] = Position(int.from_bytes(digest[:8], "big") >> 1)
    return found


def unready(ctx: Context, platform: str) -> str | None:
    """Why nothing may be planned now; None when it may."""
    if unread(ctx, platform):
        return "its last reading failed; nothing is planned before it was read again"
    golden = ctx.open(GOLDEN).newest_record()
    covered = golden.extra.get("covered", {}) if golden else {}
    missing = sorted(set(ctx.project.platforms) - set(covered))
    if missing:
        return f"nothing is planned before {', '.join(missing)} was read once"
    if any(op.kind != "agree" for op in unsettled(ctx, platform)):
        return "operations of an earlier plan have no receipt; the next extract settles them"
    receipts = ctx.open(f"sync/{platform}/receipts")
    upto = positions({receipts.dataset.name: receipts})[receipts.dataset.name]
    for name in (f"sync/{platform}/base", f"raw/{platform}"):
        if upto.is_ahead_of(ctx.open(name).cursor(receipts.dataset.name, receipts.id)):
            return "receipts of an earlier plan are not acknowledged yet"
    return None


def _planned(
    ctx: Context, platform: str, mapping: Mapping, current: Table
) -> list[PlannedOperation]:
    declaration = ctx.project.platform(platform)
    crosswalk = ctx.open(CROSSWALK).frame().collect()
    records = _records(ctx, platform, mapping)
    aliases = {
        row["record_id"]: row["person_id"]
        for row in crosswalk.filter(pl.col("rule") == "alias").to_dicts()
    }
    linked = crosswalk.filter(pl.col("platform") == platform)
    links = dict(linked.select("record_id", "person_id").iter_rows())
    base = [Base.of(row) for row in ctx.open(f"sync/{platform}/base").frame().collect().to_dicts()]
    side = Side(
        records={one.record_id: one for one in records},
        owners=owners(records, links, aliases),
        base={one.record_id: one for one in base},
        behind=_behind(ctx, platform),
        holders=holders_of(records, mapping.mapped),
    )
    terms = Terms(
        plan_no=current.version + 1,
        covered=_covered(ctx),
        status=_status(ctx),
        hashed=lambda text: ctx.hash("operation", text),
        existing=declaration.audience == "existing",
        delivery=ctx.project.delivers(platform),
        direction=declaration.direction,
    )
    old, approved = _old(ctx, platform, current)
    persons = _persons(ctx, platform)
    ops = plan_platform(persons, side, terms, mapping.mapped, old=old, approved=approved)
    live = [one for one in records if one.live]
    copies = sum(one.person_id is not None for one in live)
    return hold_mass_changes(ops, copies=copies, records=len(live))


def _records(ctx: Context, platform: str, mapping: Mapping) -> list[KnownRecord]:
    rows = ctx.open(f"raw/{platform}").frame().collect().to_dicts()
    clean = ctx.open(f"clean/{platform}").frame(columns=["record_id", "_held"]).collect()
    held = {record_id: frozenset(names or ()) for record_id, names in clean.iter_rows()}
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
            cells=cells_of(row["cells"]),
            accepted=row["record_id"] in held,
            held=held.get(row["record_id"], frozenset()),
        )
        for row, value in zip(rows, values, strict=True)
        if row["fault"] not in ("id.missing", "id.duplicate")
    ]


def _behind(ctx: Context, platform: str) -> frozenset[str]:
    """Records that changed in raw after what golden weighed."""
    raw, clean = ctx.open(f"raw/{platform}"), ctx.open(f"clean/{platform}")
    weighed = ctx.open(GOLDEN).cursor(clean.dataset.name, clean.id)
    newest = clean.newest_record()
    record = newest if newest and newest.snapshot <= weighed else clean.newest_record(weighed)
    after = (
        next((one.upto for one in record.inputs if one.dataset == raw.dataset.name), -1)
        if record
        else -1
    )
    moved = changes(raw, after, raw.version, columns=["record_id"])
    return frozenset(moved["record_id"].to_list())


def _covered(ctx: Context) -> frozenset[str]:
    """Columns with which every platform that maps them was completely read."""
    record = ctx.open(GOLDEN).newest_record()
    read: dict[str, list[str]] = record.extra["covered"] if record else {}
    mapped = {
        name: set(one.fields)
        for name, one in ctx.project.platforms.items()
        if one.direction != "out"
    }
    columns = {column for one in ctx.project.platforms.values() for column in one.fields}
    return frozenset(
        column
        for column in columns
        if all(column in read[name] for name, own in mapped.items() if column in own)
    )


def _status(ctx: Context) -> Any:
    rows = ctx.open(CONSENTS).frame(columns=["channel", "address", "purpose", "status"]).collect()
    known = {(channel, address, purpose): said for channel, address, purpose, said in rows.rows()}

    def status(claim: ClaimColumn, address: str) -> str | None:
        return known.get((claim.channel, address, claim.purpose))

    return status


def _old(
    ctx: Context, platform: str, current: Table
) -> tuple[list[PlannedOperation], frozenset[str]]:
    """Operations of the last plan without a receipt, and approvals not used up."""
    rows = current.frame().drop("_row_hash").collect()
    receipts = ctx.open(f"sync/{platform}/receipts").frame(columns=["op_id", "status"])
    done = receipts.filter(pl.col("op_id").is_in(rows["op_id"].implode())).collect()
    statuses: dict[str, str] = dict(done.rows())
    ops = [PlannedOperation.of(row) for row in rows.to_dicts()]
    without = [op for op in ops if op.op_id not in statuses]
    return without, approvals(ops, statuses)


def _persons(ctx: Context, platform: str) -> dict[str, Person]:
    contract = ctx.project.contract(GOLDEN)
    assert contract is not None
    golden = ctx.open(GOLDEN).frame()
    inside = set(golden.filter(_audience(ctx, platform, contract)).collect()["person_id"].to_list())
    flags = {_claim(contract, name): name for name in contract.role("consent")}
    columns = list(contract_columns(contract))
    found = {}
    for row in golden.collect().to_dicts():
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


def _audience(ctx: Context, platform: str, contract: Contract) -> pl.Expr:
    """Who belongs to the platform: its condition, and consent where its purpose rests on it."""
    declaration = ctx.project.platform(platform)
    living = pl.col("deleted_at").is_null()
    if declaration.audience != "existing":
        living &= pl.sql_expr(declaration.audience).fill_null(False)
    purpose = ctx.project.processing.purposes[declaration.purpose]
    if not purpose.needs_consent:
        return living
    for name in contract.role("consent"):
        options = contract.column(name).options
        if (options["channel"], options["purpose"]) == (purpose.channel, declaration.purpose):
            return living & pl.col(name).fill_null(False)
    return pl.lit(False)


def _change(ctx: Context, current: Table, planned: list[PlannedOperation]) -> Change:
    """The new plan in place of the old one; the same decisions are no change."""
    schema = {
        name: kind
        for name, kind in frame_schema(ctx.project, current.dataset.name).items()
        if name != "_row_hash"
    }
    frame = pl.DataFrame([op.row() for op in planned], schema=schema, orient="row")
    known = current.frame(columns=["op_id"]).collect()["op_id"]
    gone = known.filter(~known.is_in(frame["op_id"].implode()))
    if not planned and not len(gone):
        return Change()
    return Change(frame, gone)
