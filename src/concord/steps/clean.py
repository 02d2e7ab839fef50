"""Clean: normalise the records of one platform, then let them through the contract gate.

Clean holds, for every live record, its newest row if that passes, else the row published before if
that still passes, else none. Only a tombstone in raw ends a record; the gate ends nobody.
"""

from __future__ import annotations

from collections.abc import Mapping as Lookup
from dataclasses import dataclass, replace

import polars as pl

from concord.assets.changes import changes
from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.contracts.document import Contract
from concord.contracts.gate import RULES as BROKEN
from concord.contracts.gate import breaker, gate, gate_beside, unique_rules
from concord.contracts.report import Report
from concord.contracts.schema import frame_schema as contract_columns
from concord.normalise.canonical import canonical
from concord.steps.context import Context, Result
from concord.steps.platforms import Mapping, mapping_for
from concord.steps.positions import RULES, positions
from concord.steps.quarantine import judged_rows
from concord.steps.reading import is_news, reading_of
from concord.steps.tables import frame_schema
from concord.sync.last_good import last_good

__all__ = ["clean"]

FAULTS = {
    "id.missing": "remote_id.required",
    "id.duplicate": "remote_id.unique",
}
_DAMAGED = "record.readable"


@dataclass(frozen=True, slots=True)
class _Judged:
    """The verdict on the newest rows of some records.

    Attributes:
        rows: of clean: newest rows that pass, and rows published before of those that do not.
        gone: ids without a clean row.
        refused: rows for quarantine.
        closed: ids whose quarantine is closed.
    """

    rows: pl.DataFrame
    gone: pl.Series
    refused: pl.DataFrame
    closed: pl.Series
    report: Report
    seen: int


def clean(ctx: Context, *, platform: str) -> Result:
    """Publish quarantine, then clean.

    Raises:
        ContractBroken: over maxQuarantineRatio of all live records; quarantine is published, clean
            stays as it is.
    """
    raw, table = ctx.open(f"raw/{platform}"), ctx.open(f"clean/{platform}")
    contract = ctx.project.contract(f"clean/{platform}")
    assert contract is not None
    named = replace(contract, dataset=table.dataset.name)
    upto = positions({raw.dataset.name: raw}, contract)
    done: dict[tuple[tuple[str, int], ...], _Judged] = {}

    def judged(cursors: Lookup[str, int]) -> _Judged:
        place = tuple(sorted(cursors.items()))
        if place not in done:
            done[place] = _judge(ctx, platform, raw, table, contract, cursors)
        return done[place]

    def quarantine(_table: Table, cursors: Lookup[str, int]) -> Change:
        one = judged(cursors)
        return Change(judged_rows(one.refused, ctx.now()), one.closed, rules=one.report.counts)

    held = publish(ctx.open(f"quarantine/{platform}"), quarantine, upto=upto, run=ctx.run)
    table.refresh()

    counted: dict[str, int] = {}

    def work(current: Table, cursors: Lookup[str, int]) -> Change:
        one = judged(cursors)
        counted["live"] = live = _live(raw)
        breaker(one.report, open_rows=held.rows, live_rows=live, contract=named)
        reading = reading_of(raw.newest_record())
        extra = {"columns": list(reading.columns)} if reading else {}
        news = is_news(current, extra)
        return Change(one.rows, one.gone, rules=one.report.counts, extra=extra, force=news)

    published = publish(table, work, upto=upto, run=ctx.run)
    seen = sum(one.seen for one in done.values())
    return Result(
        "clean",
        platform,
        (held, published),
        rows_in=seen,
        quarantined=held.rows,
        facts=counted,
    )


def _live(raw: Table) -> int:
    rows = raw.frame(columns=["deleted_at"]).filter(pl.col("deleted_at").is_null())
    return int(rows.select(pl.len()).collect().item())


def _judge(
    ctx: Context,
    platform: str,
    raw: Table,
    table: Table,
    contract: Contract,
    cursors: Lookup[str, int],
) -> _Judged:
    after = cursors[raw.dataset.name] if cursors[RULES] == contract.fingerprint() else -1
    moved = _with_waiting(ctx, platform, raw, contract, changes(raw, after, raw.version))
    gone = pl.col("_change").eq("delete") | pl.col("deleted_at").is_not_null()
    ended = moved.filter(gone)["record_id"]
    live = moved.filter(~gone)
    faulty = live.filter(pl.col("fault").is_not_null())
    sound = live.filter(pl.col("fault").is_null())
    candidates = _candidates(sound, mapping_for(ctx, platform))
    verdict = gate_beside(candidates, contract, table.frame())
    schema = {
        n: k for n, k in frame_schema(ctx.project, table.dataset.name).items() if n != "_row_hash"
    }
    accepted = verdict.accepted.select(list(schema))
    ids = pl.concat([verdict.quarantined["record_id"], faulty["record_id"]])
    kept = _kept(table, ids, verdict.quarantined, contract, schema)
    refused = _refused(verdict.quarantined, faulty, live)
    lost = ids.filter(~ids.is_in(kept["record_id"].implode()))
    counts = dict(verdict.report.by_rule)
    for fault in faulty["fault"].to_list():
        rule = FAULTS.get(fault, _DAMAGED)
        counts[rule] = counts.get(rule, 0) + 1
    report = Report(live.height, refused.height, counts, verdict.report.warnings)
    return _Judged(
        rows=pl.concat([accepted, kept]),
        gone=pl.concat([ended, lost]),
        refused=refused,
        closed=pl.concat([ended, accepted["record_id"]]),
        report=report,
        seen=moved.height,
    )


def _with_waiting(
    ctx: Context, platform: str, raw: Table, contract: Contract, moved: pl.DataFrame
) -> pl.DataFrame:
    """What moved, and the records that were refused for a value which another one held."""
    rules = list(unique_rules(contract).values())
    if not rules or not moved.height:
        return moved
    waiting = (
        ctx.open(f"quarantine/{platform}")
        .frame(columns=["record_id", BROKEN])
        .filter(pl.col(BROKEN).list.eval(pl.element().is_in(rules)).list.any())
        .collect()["record_id"]
    )
    waiting = waiting.filter(~waiting.is_in(moved["record_id"].implode()))
    rows = raw.frame().filter(pl.col("record_id").is_in(waiting.implode())).collect()
    added = rows.with_columns(pl.lit("upsert").alias("_change")).select(moved.columns)
    return pl.concat([moved, added])


def _candidates(sound: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Canonical rows with their technical columns, to be judged."""
    rows = canonical(
        sound.select("record_id", "remote_id", "fields"), mapping.fields, mapping.contract
    )
    return rows.with_columns(
        sound["cells"].alias("_cells"),
        sound["person_id"].alias("_person_id"),
        pl.Series("_held", [[]] * sound.height, dtype=pl.List(pl.String)),
    )


def _kept(
    table: Table,
    ids: pl.Series,
    refused: pl.DataFrame,
    contract: Contract,
    schema: Lookup[str, pl.DataType],
) -> pl.DataFrame:
    """Rows published before of records whose newest row is refused, if they still pass."""
    before = (
        table.frame().filter(pl.col("record_id").is_in(ids.implode())).drop("_row_hash").collect()
    )
    newest = {row["record_id"]: row for row in refused.to_dicts()}
    columns = [
        name for name in contract_columns(contract) if name not in ("record_id", "remote_id")
    ]
    lists = [name for name in columns if contract.column(name).type == "array"]
    rows = [
        last_good(row, newest[row["record_id"]], columns=columns, lists=lists)
        if row["record_id"] in newest
        else row
        for row in before.to_dicts()
    ]
    frame = pl.DataFrame(rows, schema=dict(schema), orient="row")
    return gate(frame, contract).accepted.select(list(schema))


def _refused(quarantined: pl.DataFrame, faulty: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Record, broken rules and the native fields as received."""
    broken = quarantined.select("record_id", BROKEN).join(
        live.select("record_id", "fields"), on="record_id", how="left", maintain_order="left"
    )
    rule = pl.col("fault").replace_strict(FAULTS, default=_DAMAGED, return_dtype=pl.String)
    damaged = faulty.select("record_id", pl.concat_list(rule).alias(BROKEN), "fields")
    return pl.concat([broken.select("record_id", BROKEN, "fields"), damaged])
