"""The same results as somebody would write them once, for the very data of `benchmarks.contacts`.

Lower bounds: they know that every person has one record a platform, that nobody edited anything,
that every value is already in its canonical form. What they need not ask is what ours cost more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl
from benchmarks.reference import AT

__all__ = ["clean", "plan", "resolve", "survivorship"]

Hash = Callable[..., str]
_FIRST_PLAN = 1
_SCALARS = {
    "organisation": "crm",
    "job_title": "crm",
    "language": "crm",
    "created_at": "crm",
    "birth_date": "crm",
    "given_name": "crm",
    "family_name": "crm",
    "street": "address_book",
    "locality": "address_book",
    "postal_code": "address_book",
    "country": "address_book",
}


def clean(rows: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Canonical columns of the CRM's native fields."""
    texts = "first_name last_name email phone company job_title street city zip country".split()
    natives = pl.Struct(dict.fromkeys([*texts, "born_on", "language", "created_at"], pl.String))
    said = rows.select("record_id", "remote_id", pl.col("fields").str.json_decode(natives))
    found = {
        "given_name": pl.col("first_name"),
        "family_name": pl.col("last_name"),
        "emails": _one_element("email"),
        "phones": _one_element("phone"),
        "organisation": pl.col("company"),
        "locality": pl.col("city"),
        "postal_code": pl.col("zip"),
        "birth_date": pl.col("born_on").str.to_date("%Y-%m-%d"),
        "created_at": pl.col("created_at").str.to_datetime("%+", time_zone="UTC"),
    }
    kept = ("record_id", "remote_id", "job_title", "street", "country", "language")
    found |= {name: pl.col(name) for name in kept}
    return said.unnest("fields").select(
        found.get(name, pl.lit(None)).cast(kind).alias(name) for name, kind in schema.items()
    )


def _one_element(native: str) -> pl.Expr:
    element = pl.struct(value=pl.col(native), type=pl.lit("work"), preferred=pl.lit(True))
    return pl.concat_list(element)


def resolve(rows: pl.DataFrame, hashed: Hash) -> pl.DataFrame:
    """Two records with one e-mail or phone, and one name, are one person."""
    name = pl.concat_str(
        pl.col("given_name").str.to_lowercase(),
        pl.col("family_name").str.to_lowercase(),
        separator=" ",
    )
    keys = pl.concat(
        rows.select(
            "record_id", name.alias("name"), key=pl.col(column).list.first().struct.field("value")
        )
        for column in ("emails", "phones")
    )
    first = keys.group_by("key", "name").agg(pl.col("record_id").min().alias("first"))
    found = keys.join(first, on=["key", "name"]).group_by("record_id").agg(pl.col("first").min())
    persons = found.select(pl.col("first").unique().sort())
    ids = pl.Series("person_id", [hashed("person", one) for one in persons["first"]])
    return (
        found.join(persons.with_columns(ids), on="first")
        .join(rows.select("record_id", "platform"), on="record_id")
        .select(
            "record_id",
            "person_id",
            "platform",
            rule=pl.when(pl.col("record_id") == pl.col("first"))
            .then(pl.lit("new"))
            .otherwise(pl.lit("key")),
            linked_at=pl.lit(AT).cast(pl.Datetime("us", "UTC")),
            ended_at=pl.lit(None, pl.Datetime("us", "UTC")),
        )
    )


def survivorship(
    rows: pl.DataFrame, consents: pl.DataFrame, schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """Each column from the platform that is preferred in it, and who supplied it."""
    crm = rows.filter(pl.col("platform") == "crm")
    book = rows.filter(pl.col("platform") == "address_book").select(
        "person_id", *(pl.col(n).alias(f"book.{n}") for n in ("record_id", *_SCALARS))
    )
    both = crm.join(book, on="person_id")
    granted = consents.filter(pl.col("status") == "granted").select("address", granted=True)
    address = pl.col("emails").list.first().struct.field("value")
    both = both.with_columns(address=address).join(granted, on="address", how="left")
    full = pl.concat_str("given_name", "family_name", separator=" ")
    values = {n: pl.col(n if said == "crm" else f"book.{n}") for n, said in _SCALARS.items()}
    values |= {"full_name": full, "updated_at": pl.lit(AT), "email_marketing": pl.col("granted")}
    values |= {n: pl.col(n) for n in ("person_id", "emails", "phones")}
    supplied = {**_SCALARS, "full_name": "crm", "emails": "crm", "phones": "crm"}
    sources = pl.concat(_source(both, name, supplied[name]) for name in sorted(supplied))
    leaves = [name for name in sources.columns if name != "person"]
    gathered = (
        sources.sort("person", maintain_order=True)
        .group_by("person", maintain_order=True)
        .agg(pl.struct(leaves).alias("_sources"))
    )
    return both.with_columns(gathered["_sources"].cast(schema["_sources"])).select(
        values.get(name, pl.col(name) if name == "_sources" else pl.lit(None))
        .cast(kind)
        .alias(name)
        for name, kind in schema.items()
    )


def _source(both: pl.DataFrame, column: str, platform: str) -> pl.DataFrame:
    instant = pl.lit(AT).cast(pl.Datetime("us", "UTC"))
    element = (
        pl.col(column).list.first().struct.field("value")
        if column in ("emails", "phones")
        else pl.lit(None, pl.String)
    )
    return both.select(
        person=pl.int_range(pl.len(), dtype=pl.UInt32),
        column=pl.lit(column),
        element=element,
        kind=pl.lit("found"),
        at=instant,
        dated_at=instant,
        source=pl.lit(platform),
        record_id=pl.col("record_id" if platform == "crm" else "book.record_id"),
    )


def plan(
    tables: Mapping[str, pl.LazyFrame],
    columns: Sequence[str],
    schema: Mapping[str, pl.DataType],
    hashed: Hash,
) -> pl.DataFrame:
    """One update for everybody whose organisation differs from the record's."""
    golden, clean, raw = (tables[n] for n in ("golden/contacts", "clean/crm", "raw/crm"))
    base, links = tables["sync/crm/base"], tables["people/crosswalk"]
    theirs = clean.select("record_id", *(pl.col(n).alias(f"record.{n}") for n in columns))
    both = (
        golden.select("person_id", *columns)
        .join(links.select("record_id", "person_id"), on="person_id")
        .join(theirs, on="record_id")
        .join(base.select("record_id", pl.col("pairs").list.len().alias("agreed")), on="record_id")
    )
    differs = pl.any_horizontal(pl.col(n).ne_missing(pl.col(f"record.{n}")) for n in columns)
    moved = both.filter(differs | (pl.col("agreed") == 0))
    said = raw.select("record_id", "remote_id")
    rows = moved.join(said, on="record_id").sort("record_id").collect()
    new, old = (_quoted(pl.col(name)) for name in ("organisation", "record.organisation"))
    at = f'"at":"{AT.isoformat()}"'
    stamps = (
        f'[{{{at},"column":"organisation","dated_{at[1:]},"element":null,'
        '"kind":"found","source":"crm"}]'
    )
    written = {
        "plan_no": pl.lit(_FIRST_PLAN),
        "kind": pl.lit("update"),
        "payload": pl.concat_str(pl.lit('{"organisation":'), new, pl.lit("}")),
        "expect": pl.concat_str(pl.lit('{"company":'), old, pl.lit("}")),
        "stamps": pl.lit(stamps),
        "pairs": pl.concat_str(pl.lit('{"organisation":'), _quoted(new), pl.lit("}")),
        "state": pl.lit("auto"),
        "reason": pl.lit(None, pl.String),
    }
    rows = rows.with_columns(one.alias(name) for name, one in written.items())
    contents = [
        hashed("operation", f'["crm","{record_id}","update",{payload}]')
        for record_id, payload in rows.select("record_id", "payload").iter_rows()
    ]
    names = [hashed("operation", f"{one}#{_FIRST_PLAN}") for one in contents]
    ids = {"content_id": contents, "op_id": names, "position": range(len(names))}
    rows = rows.with_columns(pl.Series(name, list(one)) for name, one in ids.items())
    return rows.select(pl.col(name).cast(kind) for name, kind in schema.items())


def _quoted(text: pl.Expr) -> pl.Expr:
    whole = pl.struct(text.alias("x")).struct.json_encode()
    return whole.str.strip_prefix('{"x":').str.strip_suffix("}")
