"""Readings into rows of raw: canonical values before and after, then `observe`."""

from __future__ import annotations

from collections.abc import Mapping as Lookup
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from concord.assets.table import Table
from concord.normalise.canonical import canonical
from concord.normalise.claims import claim_column, read_claim
from concord.platforms.base import Native, Record
from concord.steps.context import Context
from concord.steps.platforms import Mapping
from concord.steps.tables import frame_schema
from concord.sync.cells import Claim
from concord.sync.observe import Reading, Row, Sent, observe, same_row
from concord.sync.values import dump

__all__ = [
    "Seen",
    "canonical_values",
    "claims_of",
    "fields_text",
    "jsonable",
    "known_rows",
    "raw_frame",
    "seen_rows",
]


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading of one record, and our unacknowledged operations on it."""

    record_id: str
    record: Record
    seen_at: datetime
    ops: Sequence[Sent] = ()


def fields_text(fields: Lookup[str, Native]) -> str:
    """Native fields as JSON text, as raw keeps them."""
    return dump(dict(fields))


def jsonable(value: Any) -> Any:
    """A canonical value as JSON: instants and dates as ISO text, no empty lists."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, list):
        return [jsonable(one) for one in value] or None
    if isinstance(value, dict):
        return {key: jsonable(one) for key, one in value.items()}
    return value


def canonical_values(mapping: Mapping, fields: Sequence[str | None]) -> list[dict[str, Any]]:
    """Canonical values, as JSON, of records given by their native fields as JSON text."""
    frame = pl.DataFrame({"fields": pl.Series(list(fields), dtype=pl.String)})
    rows = canonical(frame, mapping.fields, mapping.contract).select(mapping.fields.columns)
    return [{name: jsonable(value) for name, value in row.items()} for row in rows.to_dicts()]


def claims_of(mapping: Mapping, fields: Lookup[str, Native]) -> dict[str, Claim]:
    """What native fields say of consent, by claim column."""
    found: dict[str, Claim] = {}
    for one in mapping.fields.claims:
        said = read_claim(one, fields)
        if said is not None:
            state, at = said
            found[claim_column(one)] = Claim(state, datetime.fromisoformat(at) if at else None)
    return found


def known_rows(table: Table, record_ids: Sequence[str]) -> dict[str, Row]:
    """Rows of raw, or of another table of records, by record id."""
    wanted = pl.Series(list(record_ids), dtype=pl.String)
    rows = table.frame().filter(pl.col("record_id").is_in(wanted.implode())).collect()
    return {row["record_id"]: row for row in rows.to_dicts()}


def seen_rows(mapping: Mapping, known: Lookup[str, Row], seen: Sequence[Seen]) -> list[Row]:
    """The rows of raw that readings change."""
    live = [one for one in seen if not one.record.deleted and one.record.fault is None]
    after = canonical_values(mapping, [fields_text(one.record.fields) for one in live])
    before = canonical_values(
        mapping, [(known.get(one.record_id) or {}).get("fields") for one in live]
    )
    values = {one.record_id: (new, old) for one, new, old in zip(live, after, before, strict=True)}
    rows = []
    for one in seen:
        new, old = values.get(one.record_id, ({}, {}))
        row = observe(
            known.get(one.record_id), _reading(mapping, one, new, old), mapping.mapped, ops=one.ops
        )
        if row is not None and one.record.fault is not None and one.record_id not in known:
            row = {**row, "fields": fields_text(one.record.fields)}
        if row is not None and not same_row(known.get(one.record_id), row):
            rows.append(row)
    return rows


def _reading(
    mapping: Mapping, one: Seen, values: Lookup[str, Any], before: Lookup[str, Any]
) -> Reading:
    record = one.record
    return Reading(
        record_id=one.record_id,
        remote_id=record.remote_id,
        seen_at=one.seen_at,
        version=record.version,
        modified_at=record.modified_at,
        fields=None if record.deleted else record.fields,
        values=values,
        before=before,
        claims={} if record.deleted else claims_of(mapping, record.fields),
        fault=record.fault,
    )


def raw_frame(ctx: Context, platform: str, rows: Sequence[Lookup[str, Any]]) -> pl.DataFrame:
    """Rows as a frame of raw, without its hash."""
    schema = {
        name: kind
        for name, kind in frame_schema(ctx.project, f"raw/{platform}").items()
        if name != "_row_hash"
    }
    plain = [{name: row[name] for name in schema} for row in rows]
    return pl.DataFrame(plain, schema=schema, orient="row")
