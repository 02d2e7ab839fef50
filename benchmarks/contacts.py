"""A million people at once: what raw, clean, crosswalk and golden hold of them, made from columns.

The rows of raw are those that `benchmarks.reference` would give one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
from benchmarks.reference import AT, GIVEN

from concord.assets.snapshot import Change, publish
from concord.steps.context import Context
from concord.steps.platforms import mapping_for
from concord.steps.reading import Readings
from concord.steps.tables import frame_schema

__all__ = ["canonical_rows", "filled", "links", "raw_rows", "record_ids"]

_NUMBER = pl.col("number")
_TEXT = _NUMBER.cast(pl.String)
_LETTERS, _VOWELS = pl.Series(list("bcdfghklmnprstvz")), pl.Series(list("aeiou"))
_AGREED = datetime(2024, 2, 1, tzinfo=UTC)
_COLUMNS = {
    "crm": (
        "birth_date country created_at emails family_name given_name job_title language "
        "locality organisation phones postal_code street"
    ).split(),
    "address_book": (
        "birth_date country emails family_name full_name given_name job_title locality "
        "organisation phones postal_code region street"
    ).split(),
}


_CANONICAL = {
    "crm": {
        "given_name": "first_name",
        "family_name": "last_name",
        "organisation": "company",
        "job_title": "job_title",
        "street": "street",
        "locality": "city",
        "postal_code": "zip",
        "country": "country",
        "language": "language",
    },
    "address_book": {
        "given_name": "N.given",
        "family_name": "N.family",
        "full_name": "FN",
        "organisation": "ORG",
        "job_title": "TITLE",
        "street": "ADR.street",
        "locality": "ADR.locality",
        "postal_code": "ADR.postal_code",
        "country": "ADR.country",
    },
}


def filled(ctx: Context, platform: str, people: int) -> None:
    """What `extract` leaves of a first reading: everybody, or nobody."""
    columns = tuple(sorted(mapping_for(ctx, platform).fields.columns))
    extra = Readings("here", "mapping", columns).to_extra()
    schema = frame_schema(ctx.project, f"raw/{platform}")
    plain = {name: kind for name, kind in schema.items() if name != "_row_hash"}
    rows = raw_rows(ctx, platform, people, plain) if people else pl.DataFrame(schema=plain)
    publish(ctx.open(f"raw/{platform}"), lambda *_: Change(rows, extra=extra), upto={}, run=ctx.run)


def raw_rows(
    ctx: Context, platform: str, people: int, schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """One row a person, as first found."""
    known = {
        **record_ids(ctx, platform, people),
        "version": pl.lit("1"),
        "modified_at": pl.lit(AT),
        "fields": pl.struct(**dict(sorted(_fields(platform).items()))).struct.json_encode(),
        "cells": pl.concat_list(*_cells(platform, schema["cells"])).list.drop_nulls(),
    }
    return _frame(people, known, schema)


def canonical_rows(
    ctx: Context, platform: str, people: int, schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """What clean holds of them."""
    fields = _fields(platform)
    renamed = _CANONICAL[platform]
    known = {
        **record_ids(ctx, platform, people),
        **{name: fields[native] for name, native in renamed.items()},
        "birth_date": _born().str.to_date("%Y-%m-%d"),
        "emails": pl.concat_list(_element(_email())),
        "phones": pl.concat_list(_element(_phone())),
        "_cells": pl.concat_list(*_cells(platform, schema["_cells"])).list.drop_nulls(),
        "_held": pl.lit([], dtype=schema["_held"]),
    }
    if platform == "crm":
        known["created_at"] = pl.lit(datetime(2024, 1, 1, tzinfo=UTC))
    return _frame(people, known, schema)


def record_ids(ctx: Context, platform: str, people: int) -> dict[str, pl.Series]:
    """record_id and remote_id of each."""
    prefix = {"crm": "c", "address_book": "b"}[platform]
    remote = [f"{prefix}{number}" for number in range(people)]
    ids = [ctx.record_id(platform, one) for one in remote]
    return {
        "record_id": pl.Series(ids, dtype=pl.String),
        "remote_id": pl.Series(remote, dtype=pl.String),
    }


def links(ctx: Context, platform: str, people: int) -> pl.DataFrame:
    """record_id and person_id of each, as if the records of one platform had come first."""
    first = record_ids(ctx, "crm", people)["record_id"]
    persons = pl.Series([ctx.hash("person", one) for one in first], dtype=pl.String)
    mine = record_ids(ctx, platform, people)["record_id"]
    return pl.DataFrame({"record_id": mine, "person_id": persons})


def _frame(
    people: int, known: Mapping[str, Any], schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    numbers = pl.DataFrame({"number": pl.int_range(people, eager=True)})
    return numbers.select(
        (pl.lit(None) if known.get(name) is None else known[name]).cast(kind).alias(name)
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
    day, month = ((1 + _NUMBER % most).cast(pl.String).str.zfill(2) for most in (28, 12))
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
        "EMAIL": pl.concat_list(_native_element(_email())),
        "TEL": pl.concat_list(_native_element(_phone())),
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
    return pl.struct(value=value, type=pl.lit("work"), preferred=pl.lit(True))


def _native_element(value: pl.Expr) -> pl.Expr:
    return pl.struct(preferred=pl.lit(True), type=pl.lit("work"), value=value)


def _cells(platform: str, kind: pl.DataType) -> list[pl.Expr]:
    assert isinstance(kind, pl.List)
    elements = {"emails": _email(), "phones": _phone()}
    found = [
        (column, _cell(kind, platform, column, element=elements.get(column), dated_at=AT))
        for column in _COLUMNS[platform]
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
