"""Match keys: normalised values that make two records candidates for one person."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from concord.contracts.document import Contract
from concord.identity.declaration import Matching

__all__ = ["match_keys"]

_ROLE_MAILBOXES = (
    "info office contact kontakt mail email hello hallo admin administration support service "
    "sales verkauf vertrieb marketing billing invoice rechnung buchhaltung accounting hr jobs "
    "team noreply no-reply donotreply webmaster postmaster reception rezeption empfang praxis "
    "kanzlei ordination shop order bestellung none noemail nobody test unknown na"
).split()
_SAME_DIGIT = "|".join(f"{digit}{{6,}}" for digit in range(10))
_PLACEHOLDER_PHONE = rf"^\+[0-9]{{1,3}}0*({_SAME_DIGIT})$|1234567"


def match_keys(rows: pl.DataFrame, contract: Contract, match: Matching) -> pl.DataFrame:
    """One row for every key of every record.

    Role mailboxes, placeholders, blocked values and keys that more records share than
    ``max_records`` are no evidence and are left out.

    Args:
        rows: clean rows of all records.

    Returns:
        record_id, role (``email`` or ``phone``) and key.
    """
    parts = [
        rows.select("record_id", pl.col(column).list.eval(pl.element().struct.field("value")))
        .rename({column: "key"})
        .explode("key")
        .drop_nulls("key")
        .with_columns(pl.lit(role).alias("role"))
        for role in match.keys
        for column in contract.role(role)
    ]
    empty = pl.DataFrame(schema={"record_id": pl.String, "key": pl.String, "role": pl.String})
    found = pl.concat([empty, *parts]).unique(maintain_order=True)
    found = found.filter(~_no_evidence(match.blocked))
    shared = found.group_by("role", "key").len().filter(pl.col("len") > match.max_records)
    return found.join(shared, on=["role", "key"], how="anti").select("record_id", "role", "key")


def _no_evidence(blocked: Collection[str]) -> pl.Expr:
    local = pl.col("key").str.split("@").list.first().str.split("+").list.first()
    is_email = pl.col("role") == "email"
    placeholder = pl.col("key").str.contains(_PLACEHOLDER_PHONE)
    return (
        (is_email & (local.is_in(_ROLE_MAILBOXES) | ~pl.col("key").str.contains("@", literal=True)))
        | (~is_email & (placeholder | ~pl.col("key").str.starts_with("+")))
        | pl.col("key").is_in(list(blocked))
    )
