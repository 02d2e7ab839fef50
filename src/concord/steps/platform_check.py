"""Try one platform: the connection, the rights, and a few records as they are mapped."""

from __future__ import annotations

from typing import Any

import polars as pl

from concord.normalise.canonical import canonical
from concord.steps.context import Context
from concord.steps.masking import masked
from concord.steps.platforms import mapping_for, opened
from concord.steps.raw_rows import fields_text

__all__ = ["checked"]


def checked(ctx: Context, platform: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Facts about the connection, and at most five mapped records with masked values."""
    with opened(ctx, platform, slots=()) as source:
        report = source.check()
    facts: dict[str, Any] = {
        "platform": platform,
        "server": report.server,
        "readable": report.readable,
        "writable": report.writable,
        "notes": list(report.notes),
    }
    frame = pl.DataFrame(
        {"fields": [fields_text(one.fields) for one in report.sample]},
        schema={"fields": pl.String},
    )
    mapping = mapping_for(ctx, platform)
    rows = canonical(frame, mapping.fields, mapping.contract).select(mapping.fields.columns)
    return facts, masked(rows, mapping.contract)
