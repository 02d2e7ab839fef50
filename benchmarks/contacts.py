"""A million people at once: the rows of raw that `benchmarks.reference` would give one by one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl
from benchmarks.reference import AT, GIVEN

from concord.assets.snapshot import Change, publish
from concord.steps.context import Context
from concord.steps.platforms import mapping_for
from concord.steps.reading import Readings
from concord.steps.tables import frame_schema

__all__ = ["COLUMNS", "filled", "raw_rows"]

_NUMBER = pl.col("number")
_TEXT = _NUMBER.cast(pl.String)
_LETTERS, _VOWELS = pl.Series(list("bcdfghklmnprstvz")), pl.Series(list("aeiou"))
_AGREED = datetime(2024, 2, 1, tzinfo=UTC)
COLUMNS = {
    "crm": (
        "birth_date country created_at emails family_name given_name job_title language "
        "locality organisation phones postal_code street"
    ).split(),
    "address_book": (
        "birth_date country emails family_name full_name given_name job_title locality "
        "organisation phones postal_code region street"
    ).split(),
}


def filled(ctx: Context, platform: str, people: int) -> None:
    """What `extract` leaves of a first reading: everybody, or nobody."""
    columns = tuple(sorted(mapping_for(ctx, platform).fields.columns))
    extra = Readings("here", "mapping", columns).to_extra()
    schema = frame_schema(ctx.project, f"raw/{platform}")
    plain = {name: kind for name, kind in schema.items() if name != "_row_hash"}
    rows = raw_rows(ctx, platform, people, plain) if people else pl.DataFrame(schema=plain)
    publish(
        ctx.open(f"raw/{platform}"), lambda *_: Change(rows, extra=extra), upto={}, run=ctx.run
    )


def raw_rows(
    ctx: Context, platform: str, people: int, schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """One row a person, as first found."""
    prefix = {"crm": "c", "address_book": "b"}[platform]
    numbers = pl.DataFrame({"number": pl.int_range(people, eager=True)})
    remote = [f"{prefix}{number}" for number in range(people)]
    ids = pl.Series("record_id", [ctx.record_id(platform, one) for one in remote])
    known = {
        "record_id": ids,
        "remote_id": pl.Series(remote, dtype=pl.String),
        "version": pl.lit("1"),
        "modified_at": pl.lit(AT),
        "fields": pl.struct(**dict(sorted(_fields(platform).items()))).struct.json_encode(),
        "cells": pl.concat_list(*_cells(platform, schema["cells"])).list.drop_nulls(),
    }
    return numbers.select(
        (value if isinstance(value := known.get(name, pl.lit(None)), pl.Series) else value)
        .cast(kind)
        .alias(name)
        for name, kind in schema.items()
    )


def _given() -> pl.Expr:
    return pl.lit(pl.Series(GIVEN)).gather(_NUMBER % len(GIVEN))


def _family() -> pl.Expr:
    parts, left = [], _NUMBER
    for _ in range(4):
        parts += [pl.lit(_LETTERS).gather(left % 16), pl.lit(_VOWELS).gather(left // 16 % 5)]
        left = left // 80
    return pl.concat_str(*parts).str.to_titlecase()


def _born() -> pl.Expr:
    day, month = (
        (1 + _NUMBER % most).cast(pl.String).str.zfill(2) for most in (28, 12)
    )
    return pl.concat_str((1950 + _NUMBER % 50).cast(pl.String), month, day, separator="-")


def _email() -> pl.Expr:
    return pl.concat_str(pl.lit("p"), _TEXT, pl.lit("@mail.example"))


def _phone() -> pl.Expr:
    return pl.concat_str(pl.lit("+43660"), _TEXT.str.zfill(7))


def _fields(platform: str) -> dict[str, pl.Expr]:
    company = pl.concat_str(pl.lit("Firma "), (_NUMBER % 500).cast(pl.String))
    street = pl.concat_str(pl.lit("Gasse "), (_NUMBER % 90).cast(pl.String))
    if platform == "crm":
        granted = _NUMBER % 3 == 0
        since = pl.lit(_AGREED.isoformat())
        return {
            "first_name": _given(),
            "last_name": _family(),
            "email": _email(),
            "phone": _phone(),
            "company": company,
            "job_title": pl.lit("Einkauf"),
            "street": street,
            "city": pl.lit("Wien"),
            "zip": pl.lit("1070"),
            "country": pl.lit("AT"),
            "born_on": _born(),
            "language": pl.lit("de"),
            "created_at": pl.lit("2024-01-01T00:00:00+00:00"),
            "opt_in": pl.when(granted).then(pl.lit("true")),
            "opt_in_at": pl.when(granted).then(since),
        }
    return {
        "N.given": _given(),
        "N.family": _family(),
        "FN": pl.concat_str(_given(), _family(), separator=" "),
        "EMAIL": pl.concat_list(_element(_email())),
        "TEL": pl.concat_list(_element(_phone())),
        "ORG": company,
        "TITLE": pl.lit("Einkauf"),
        "ADR.street": street,
        "ADR.locality": pl.lit("Wien"),
        "ADR.region": pl.lit(None, pl.String),
        "ADR.postal_code": pl.lit("1070"),
        "ADR.country": pl.lit("AT"),
        "BDAY": _born(),
    }


def _element(value: pl.Expr) -> pl.Expr:
    return pl.struct(preferred=pl.lit(True), type=pl.lit("work"), value=value)


def _cells(platform: str, kind: pl.DataType) -> list[pl.Expr]:
    assert isinstance(kind, pl.List)
    elements = {"emails": _email(), "phones": _phone()}
    found = [
        (column, _cell(kind, platform, column, element=elements.get(column), dated_at=AT))
        for column in COLUMNS[platform]
    ]
    if platform == "crm":
        claim = _cell(
            kind,
            platform,
            "consent/email/marketing",
            claim="granted",
            claimed_at=_AGREED,
        )
        found.append(("consent/email/marketing", pl.when(_NUMBER % 3 == 0).then(claim)))
    return [cell for _, cell in sorted(found, key=lambda one: one[0])]


def _cell(kind: pl.List, platform: str, column: str, **said: object) -> pl.Expr:
    told = {
        "column": column,
        "removed": False,
        "kind": "found",
        "at": AT,
        "source": platform,
        "since": AT,
        "ours": False,
        **said,
    }
    inner = kind.inner
    assert isinstance(inner, pl.Struct)
    return pl.struct(
        (one if isinstance(one := told.get(leaf.name), pl.Expr) else pl.lit(one))
        .cast(leaf.dtype)
        .alias(leaf.name)
        for leaf in inner.fields
    )
