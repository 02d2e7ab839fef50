"""The contract gate on a million rows, against one Polars select written by hand."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime

import polars as pl
import pycountry
from benchmarks.measure import measured, said
from benchmarks.reference import GIVEN, project

from concord.contracts.document import Contract
from concord.contracts.gate import gate
from concord.contracts.rules import row_rules
from concord.contracts.schema import frame_schema

ROWS = 1_000_000
_TEXT = r"^[^\s\x00-\x1F\x7F]([^\x00-\x1F\x7F]*[^\s\x00-\x1F\x7F])?$"
_PART = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_EMAIL = rf"^[^@\s\x00-\x1F\x7F]{{1,64}}@{_PART}(\.{_PART})*\.[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$"


def main(rows: int) -> None:
    """Args: rows: two of a hundred of them are bad."""
    contract = project().contract("clean/crm")
    assert contract is not None
    frame = clean_rows(rows, contract)
    row_rules(contract)
    kept = measured("one select, written by hand", lambda: by_hand(frame))
    verdict = measured(
        "the gate: sides, reasons, counts",
        lambda: gate(frame, contract),
        against="one select, written by hand",
    )
    assert verdict.accepted.height == kept.height
    said("rows", rows=rows, rejected=verdict.report.rejected, rules=len(contract.rules))


def clean_rows(rows: int, contract: Contract) -> pl.DataFrame:
    """Canonical rows; every fiftieth has an e-mail address that is none."""
    number = pl.int_range(rows, eager=True).alias("number").to_frame()
    text = pl.col("number").cast(pl.String)
    bad = pl.col("number") % 50 == 0
    email = pl.when(bad).then(pl.lit("no address")).otherwise("p" + text + pl.lit("@x.example"))
    given = pl.lit(pl.Series(GIVEN)).gather(pl.col("number") % len(GIVEN))
    values = {
        "record_id": text,
        "remote_id": "c" + text,
        "given_name": given,
        "family_name": "Familie" + text,
        "emails": pl.concat_list(_element(email)),
        "phones": pl.concat_list(_element("+43660" + text.str.zfill(7))),
        "organisation": pl.lit("Firma"),
        "street": "Gasse " + text,
        "country": pl.lit("AT"),
        "language": pl.lit("de"),
        "created_at": pl.lit(datetime(2024, 1, 1, tzinfo=UTC)),
    }
    return number.select(
        values.get(name, pl.lit(None)).cast(kind).alias(name)
        for name, kind in frame_schema(contract).items()
    )


def _element(value: pl.Expr) -> pl.Expr:
    return pl.struct(
        value.alias("value"), pl.lit("work").alias("type"), pl.lit(True).alias("preferred")
    )


def by_hand(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows that keep the reference contract's rules, as somebody would write it once."""
    texts = {"given_name": 100, "family_name": 100, "full_name": 200, "organisation": 200}
    texts |= {"job_title": 120, "locality": 120, "region": 120, "postal_code": 16}
    born, made, updated = (pl.col(n) for n in ("birth_date", "created_at", "updated_at"))
    named = pl.any_horizontal(pl.col(n).is_not_null() for n in (*list(texts)[:3], "organisation"))
    rules = [
        pl.col("record_id").is_not_null() & pl.col("record_id").is_unique(),
        pl.col("remote_id").is_not_null() & pl.col("remote_id").str.len_chars().is_between(1, 1000),
        *(_text(pl.col(name), longest) for name, longest in texts.items()),
        _text(pl.col("street"), 200, r"\S"),
        pl.col("country").is_in([one.alpha_2 for one in pycountry.countries]),
        pl.col("language").str.contains("^[a-z]{2,3}$"),
        _elements("emails", 254, _EMAIL),
        _elements("phones", 16, r"^\+[1-9][0-9]{6,14}$"),
        born.is_between(date(1900, 1, 2), date(2035, 12, 31)),
        *(one >= datetime(1970, 1, 2, tzinfo=UTC) for one in (made, updated)),
        updated >= made,
        named | (pl.col("emails").list.len() > 0) | (pl.col("phones").list.len() > 0),
    ]
    fine = pl.all_horizontal(one.fill_null(True) for one in rules)
    return frame.filter(frame.select(fine.alias("fine"))["fine"])


def _text(value: pl.Expr, longest: int, pattern: str = _TEXT) -> pl.Expr:
    return value.str.contains(pattern) & (value.str.len_chars() <= longest)


def _elements(name: str, longest: int, pattern: str) -> pl.Expr:
    value, kind = (pl.element().struct.field(leaf) for leaf in ("value", "type"))
    fine = value.is_not_null() & _text(value, longest, pattern) & _text(kind, 40).fill_null(True)
    preferred = pl.element().struct.field("preferred").fill_null(False)
    return pl.col(name).list.eval(fine).list.all() & (
        pl.col(name).list.eval(preferred).list.sum() <= 1
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
