"""Survivorship: of all that the records of a person say, what the golden row says.

An edit we saw outranks everything we merely found, and the newest edit wins; found values are
ranked by the project's preference, then by the record's own date. A copy that Concord wrote is as
good as its original and yields to it. Of a list, every element lives or not by its own last
sighting or removal. Who supplied each value is kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from concord.contracts.document import Contract
from concord.contracts.schema import frame_schema
from concord.identity.declaration import People
from concord.identity.evidence import (
    IS_EDIT,
    ORIGINAL_FIRST,
    Evidence,
    evidence,
    micros,
    rank,
    source,
)
from concord.identity.groups import groups, scalars
from concord.identity.numbered import Numbered, numbered

__all__ = ["SOURCES", "survive"]

SOURCES = "_sources"
_INSTANT = pl.Datetime("us", "UTC")
_SOURCE_SCHEMA: Mapping[str, pl.DataType] = {
    "column": pl.String(),
    "element": pl.String(),
    "kind": pl.String(),
    "at": _INSTANT,
    "dated_at": _INSTANT,
    "source": pl.String(),
    "record_id": pl.UInt32(),
}


def survive(
    rows: pl.DataFrame,
    dead: pl.DataFrame,
    consents: pl.DataFrame,
    *,
    clean: Contract,
    golden: Contract,
    people: People,
) -> pl.DataFrame:
    """Golden rows of some persons.

    Args:
        rows: every clean row of every living person concerned, with ``person_id``, ``platform``
            and ``_cells``.
        dead: ``person_id`` and ``deleted_at`` of persons that died.
        consents: ``channel``, ``address``, ``purpose``, ``status``.
        clean: contract of *rows*.
        golden: contract of the result.
        people: the project's preferences.

    Returns:
        golden's columns and ``_sources``; one row a person, the dead as tombstones.
    """
    schema = frame_schema(golden)
    who = numbered(rows)
    rows, persons, cells = who.rows, who.persons, evidence(who.rows, clean)
    sources: list[pl.DataFrame] = []
    shared = [c for c in frame_schema(clean) if c in schema]
    lists = [c for c in shared if clean.column(c).type == "array"]
    for group in groups([c for c in shared if c not in lists], people):
        found, supplied = scalars(rows, cells, group)
        persons = persons.join(found, on="person_id", how="left")
        sources += supplied
    for column in lists:
        found, supplied = _list(rows, cells, column, people.survivorship.prefer)
        persons = persons.join(found, on="person_id", how="left")
        sources += supplied
    persons, sources = _full_name(persons, sources, golden)
    persons = _flags(persons, consents, golden)
    persons = persons.join(_gathered(sources, who), on="person_id", how="left")
    persons = who.named(_updated_at(persons, golden))
    living = persons.select(*_completed(persons, schema), pl.col(SOURCES))
    return pl.concat([living, _tombstones(dead, living, golden)])


def _list(
    rows: pl.DataFrame, cells: Evidence, column: str, prefer: Sequence[str]
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The living elements by person, first edited ones, and the last word on every element."""
    trust = rank(prefer)
    own = cells.of(column).filter(pl.col("element").is_not_null())
    key = ["person_id", "element"]
    there = own.filter(~pl.col("removed")).sort(-micros("at"), ORIGINAL_FIRST, trust, "record_id")
    there = there.unique(key, keep="first", maintain_order=True)
    gone = own.filter(pl.col("removed")).sort(-micros("at"), ORIGINAL_FIRST, trust, "record_id")
    gone = gone.unique(key, keep="first", maintain_order=True)
    last_gone = gone.select(*key, pl.col("at").alias("_gone_at"))
    alive = there.join(last_gone, on=key, how="left").filter(
        pl.col("_gone_at").is_null() | (pl.col("at") >= pl.col("_gone_at"))
    )
    spelt = _spellings(rows, own, column, trust)
    alive = alive.join(spelt, on=key, how="inner").sort(
        "person_id",
        (~IS_EDIT).cast(pl.Int64),
        pl.when(IS_EDIT).then(-micros("at")).otherwise(trust),
        ~pl.col("_preferred"),
        "element",
    )
    inner = rows.schema[column]
    assert isinstance(inner, pl.List)
    leaves = [leaf.name for leaf in inner.inner.fields]  # type: ignore[union-attr]
    first = pl.int_range(pl.len()).over("person_id") == 0
    whole = alive.with_columns(
        pl.col("_spelt").struct.with_fields(preferred=first) if "preferred" in leaves else "_spelt"
    )
    found = whole.group_by("person_id", maintain_order=True).agg(pl.col("_spelt").alias(column))
    found = found.with_columns(pl.col(column).cast(inner))
    removed = gone.join(alive.select(key), on=key, how="anti")
    return found, [source(alive, column, "element"), source(removed, column, "element")]


def _spellings(rows: pl.DataFrame, own: pl.DataFrame, column: str, trust: pl.Expr) -> pl.DataFrame:
    """How each element is written: as an original writes it, before a copy."""
    stated = (
        rows.select("person_id", "record_id", pl.col(column).alias("_spelt"))
        .explode("_spelt")
        .filter(pl.col("_spelt").is_not_null())
        .with_columns(pl.col("_spelt").struct.field("value").alias("element"))
    )
    key = ["person_id", "element"]
    return (
        stated.join(own.filter(~pl.col("removed")), on=[*key, "record_id"])
        .sort(ORIGINAL_FIRST, trust, -micros("at"), "record_id")
        .unique(key, keep="first", maintain_order=True)
        .select(
            *key,
            "_spelt",
            pl.col("_spelt").struct.field("preferred").fill_null(False).alias("_preferred"),
        )
    )


def _full_name(
    persons: pl.DataFrame, sources: list[pl.DataFrame], golden: Contract
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The name as shown goes with the name: where the record that supplies given and family name
    says nothing of it, it is what another record shows if that says more than the two (Dr. Anna
    Gruber), else it is these two."""
    parts = [c for role in ("given_name", "family_name") for c in golden.role(role)]
    by_column = {one["column"][0]: one for one in sources if one.height}
    for column in golden.role("full_name"):
        named = [by_column[part] for part in parts if part in by_column]
        if column not in persons.columns or not named:
            continue
        said = by_column.get(column, named[0].clear())
        leading = pl.concat(named).unique("person_id", keep="first", maintain_order=True)
        own = leading.join(
            said.select("person_id", pl.col("record_id").alias("_said_by")),
            on="person_id",
            how="left",
        ).filter(pl.col("record_id").ne_missing(pl.col("_said_by")))
        shown = pl.concat_str(parts, separator=" ", ignore_nulls=True)
        derived = persons.select("person_id", pl.when(shown != "").then(shown).alias("_shown"))
        derived = derived.join(own.select("person_id"), on="person_id").drop_nulls()
        more = _within(parts, column) & (pl.col(column) != shown)
        fits = persons.filter(more).select("person_id")
        derived = derived.join(fits, on="person_id", how="anti")
        persons = (
            persons.join(derived, on="person_id", how="left")
            .with_columns(pl.coalesce("_shown", column).alias(column))
            .drop("_shown")
        )
        ids = derived.select("person_id")
        theirs = own.join(ids, on="person_id").drop("_said_by")
        theirs = theirs.with_columns(pl.lit(column).alias("column")).select(said.columns)
        kept = said.join(ids, on="person_id", how="anti")
        sources = [one for one in sources if not (one.height and one["column"][0] == column)]
        sources += [kept, theirs]
    return persons, sources


def _within(parts: Sequence[str], whole: str) -> pl.Expr:
    """Whether every one of *parts* that is not null stands in *whole* as words of its own."""
    return (
        pl.all_horizontal(
            _words(whole).str.contains(_words(part), literal=True).fill_null(pl.col(part).is_null())
            for part in parts
        )
        & pl.col(whole).is_not_null()
    )


def _words(column: str) -> pl.Expr:
    words = pl.col(column).str.to_lowercase().str.replace_all(r"[^\pL\pN]+", " ")
    return pl.concat_str(pl.lit(" "), words.str.strip_chars(), pl.lit(" "))


def _flags(persons: pl.DataFrame, consents: pl.DataFrame, golden: Contract) -> pl.DataFrame:
    """Consent flags: withdrawn if any address is; granted if the preferred one is."""
    for name in golden.role("consent"):
        options = golden.column(name).options
        channel, purpose = options["channel"], options["purpose"]
        known = consents.filter(pl.col("channel") == channel, pl.col("purpose") == purpose).select(
            "address", "status"
        )
        flags = pl.DataFrame(schema={"person_id": pl.String, name: pl.Boolean})
        for column in golden.role(channel):
            if column not in persons.columns:
                continue
            said = (
                persons.select("person_id", pl.col(column).alias("_one"))
                .explode("_one")
                .filter(pl.col("_one").is_not_null())
                .with_columns(pl.col("_one").struct.field("value").alias("address"))
                .with_columns((pl.int_range(pl.len()).over("person_id") == 0).alias("_first"))
                .join(known, on="address", how="left")
                .group_by("person_id")
                .agg(
                    (pl.col("status") == "withdrawn").fill_null(False).any().alias("_out"),
                    ((pl.col("status") == "granted").fill_null(False) & pl.col("_first"))
                    .any()
                    .alias("_in"),
                )
            )
            flag = pl.when("_out").then(False).when("_in").then(True).otherwise(None)
            flags = said.select("person_id", flag.alias(name))
        persons = persons.join(flags, on="person_id", how="left")
    return persons


def _gathered(sources: Sequence[pl.DataFrame], who: Numbered) -> pl.DataFrame:
    """All sources of each person, by column and element."""
    some = sorted(
        (one.sort("element") for one in sources if one.height), key=lambda one: one["column"][0]
    )
    empty = who.persons.clear().with_columns(
        pl.lit(None, kind).alias(name) for name, kind in _SOURCE_SCHEMA.items()
    )
    every = pl.concat([empty, *some]).sort("person_id", maintain_order=True)
    named = who.named(every.select("record_id"))
    return (
        every.with_columns(named["record_id"])
        .group_by("person_id", maintain_order=True)
        .agg(pl.struct(list(_SOURCE_SCHEMA)).alias(SOURCES))
    )


def _updated_at(persons: pl.DataFrame, golden: Contract) -> pl.DataFrame:
    """The newest evidence: when an edit was seen, or the date of a record as it was found."""
    for column in golden.role("updated_at"):
        element = pl.element().struct
        moment = (
            pl.when(element.field("kind") == "edit")
            .then(element.field("at"))
            .otherwise(pl.coalesce(element.field("dated_at"), element.field("at")))
        )
        newest = pl.col(SOURCES).list.eval(moment).list.max()
        persons = persons.with_columns(newest.alias(column))
    return persons


def _completed(persons: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    return [
        (pl.col(name) if name in persons.columns else pl.lit(None, kind)).cast(kind).alias(name)
        for name, kind in schema.items()
    ]


def _tombstones(dead: pl.DataFrame, like: pl.DataFrame, golden: Contract) -> pl.DataFrame:
    kept = {golden.key: pl.col("person_id")}
    kept |= {name: pl.col("deleted_at") for name in golden.role("deleted_at")}
    return dead.select(
        kept.get(name, pl.lit(None, kind)).alias(name) for name, kind in like.schema.items()
    ).cast(like.schema)
