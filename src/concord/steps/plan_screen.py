"""People for whom a plan is told without weighing them one by one.

Nearly everybody agrees with her one record on the platform. Of them the whole plan is known from
columns alone: nothing, or one row that says that both sides agree. Whoever has anything else about
her, however small, is left to `concord.sync.plan`.
"""

from __future__ import annotations

from collections.abc import Mapping as Lookup
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from concord.assets.table import Table
from concord.jobs import CONSENTS, GOLDEN
from concord.steps.pair_text import PairText, encoded, pair_text
from concord.steps.plan_scope import Scope, owned
from concord.sync.mapped import ClaimColumn, Mapped
from concord.sync.values import dump

__all__ = ["AGREED", "Screened", "claims_in", "screened"]

_SOME = 250_000
"""People looked at together; the columns of one take about two kilobytes."""

_UNIT, _GROUP = "\x1f", "\x1d"
AGREED = {
    "record_id": pl.String(),
    "remote_id": pl.String(),
    "person_id": pl.String(),
    "pairs": pl.String(),
}
"""Columns of `Screened.agreed`."""


@dataclass(frozen=True, slots=True)
class Screened:
    """What is left of a scope.

    Attributes:
        scope: people and records that must be weighed.
        agreed: record_id, remote_id, person_id and pairs (JSON text) of one ``agree`` row each.
        claims: every claim of consent on the platform (`claims_in`).
    """

    scope: Scope
    agreed: pl.DataFrame
    claims: pl.DataFrame


def screened(
    inputs: Lookup[str, Table],
    scope: Scope,
    mapped: Mapped,
    *,
    columns: Sequence[str],
    flags: Lookup[str, str],
    allowed: pl.Expr,
    creates: bool,
) -> Screened:
    """Take out of *scope* whoever needs no weighing.

    Args:
        inputs: what the plan reads, at pinned versions.
        columns: that are compared: mapped, written, and covered.
        flags: claim column to golden's consent flag.
        allowed: of golden: whether the person may be sent anything.
        creates: whether people without a record are given one.
    """
    golden, claims = inputs[GOLDEN], claims_in(inputs[f"raw/{mapped.platform}"], mapped)
    if not set(columns) <= set(golden.schema) & set(inputs[f"clean/{mapped.platform}"].schema):
        return Screened(scope, pl.DataFrame(schema=AGREED), claims)
    clean = inputs[f"clean/{mapped.platform}"].schema
    compared = {
        name: pair_text(
            golden.schema[name] if golden.schema[name] == clean[name] else pl.Null(),
            is_list=name in mapped.lists,
        )
        for name in sorted(columns)
    }
    records = _records(inputs, mapped, scope, claims)
    people = scope.persons.drop_nulls().unique()
    done, agreed = [pl.Series(dtype=pl.String)], [pl.DataFrame(schema=AGREED)]
    for start in range(0, len(people), _SOME):
        some = people.slice(start, _SOME)
        persons = _within(golden, "person_id", some).select(
            "person_id",
            pl.col("deleted_at").is_null().alias("_alive"),
            allowed.fill_null(False).alias("_allowed"),
            *(pl.col(name).alias(f"golden.{name}") for name in columns),
            *(pl.col(name).alias(f"flag.{claim}") for claim, name in flags.items()),
        )
        mine = records.filter(pl.col("owner").is_in(some.implode()))
        done.append(_needless(some, persons, mine, creates=creates))
        known = _known(inputs, mapped, mine, persons, columns)
        fine = known.filter(_undisturbed(inputs[CONSENTS], mapped, flags))
        fine = fine.filter(_readable(columns, compared))
        settled, new = _agreeing(fine, compared)
        done += [settled, new["owner"]]
        agreed.append(
            new.select("record_id", "remote_id", "pairs", person_id="owner").select(*AGREED)
        )
    finished = pl.concat(done)
    left = records.filter(~pl.col("owner").is_in(finished.implode()).fill_null(False))
    weighed = people.filter(~people.is_in(finished.implode()))
    return Screened(
        replace(scope, persons=weighed, records=left["record_id"]), pl.concat(agreed), claims
    )


def _within(table: Table, column: str, wanted: pl.Series) -> pl.LazyFrame:
    keys = pl.LazyFrame({column: wanted}, schema={column: pl.String})
    return table.frame().join(keys, on=column, how="semi")


def _records(
    inputs: Lookup[str, Table], mapped: Mapped, scope: Scope, claims: pl.DataFrame
) -> pl.DataFrame:
    """Records of the scope: whose, whether they are as simple as can be, and what they claim."""
    raw = inputs[f"raw/{mapped.platform}"]
    simple = (
        pl.col("deleted_by").is_null()
        & pl.col("fault").is_null()
        & ~pl.col("record_id").is_in(list(scope.behind))
    )
    natives = {one for own in mapped.natives.values() if len(own) > 1 for one in own}
    there = [
        pl.col("fields").str.contains(f"{dump(one)}:", literal=True) for one in sorted(natives)
    ]
    wanted = pl.DataFrame({"record_id": scope.records.unique()}, schema={"record_id": pl.String})
    rows = (
        raw.frame()
        .select(
            "record_id",
            "remote_id",
            simple.alias("_simple"),
            pl.all_horizontal(pl.lit(True), *there).alias("_complete"),
        )
        .join(wanted.lazy(), on="record_id", how="semi")
        .collect()
        .join(owned(inputs, mapped.platform), on="record_id", how="left")
    )
    for claim in mapped.claims:
        said = claims.filter(pl.col("column") == claim.column)
        said = said.select("record_id", pl.col("claim").alias(f"claim.{claim.column}"))
        rows = rows.join(said, on="record_id", how="left")
    return rows


def claims_in(raw: Table, mapped: Mapped) -> pl.DataFrame:
    """Every claim of consent in raw: record_id and the cell's own columns."""
    if not mapped.claims:
        return pl.DataFrame(
            schema={"record_id": pl.String, "column": pl.String, "claim": pl.String}
        )
    return (
        raw.frame(columns=["record_id", "cells"])
        .explode("cells")
        .unnest("cells")
        .filter(pl.col("claim").is_not_null(), pl.col("element").is_null())
        .collect()
    )


def _needless(
    some: pl.Series, persons: pl.LazyFrame, records: pl.DataFrame, *, creates: bool
) -> pl.Series:
    """People without a record who get none."""
    without = some.filter(~some.is_in(records["owner"].implode()))
    if not creates or not len(without):
        return without
    wanted = persons.filter(pl.col("_alive") & pl.col("_allowed")).select("person_id").collect()
    return without.filter(~without.is_in(wanted["person_id"].implode()))


def _known(
    inputs: Lookup[str, Table],
    mapped: Mapped,
    records: pl.DataFrame,
    persons: pl.LazyFrame,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Living people with exactly one record here, which clean has as it stands; with the base."""
    platform = mapped.platform
    lone = records.filter(pl.col("owner").is_unique() & pl.col("_simple"))
    clean, base = inputs[f"clean/{platform}"], inputs[f"sync/{platform}/base"]
    addresses = [one.addresses for one in mapped.claims if one.addresses in mapped.natives]
    shown = dict.fromkeys([*columns, *addresses])
    values = (
        clean.frame()
        .filter(pl.col("_held").list.len().fill_null(0) == 0)
        .select("record_id", *(pl.col(name).alias(f"record.{name}") for name in shown))
    )
    pair = pl.element().struct
    told = pl.concat_str(
        pair.field("column"), pair.field("golden"), pair.field("remote"), separator=_UNIT
    )
    agreed = base.frame().select(
        "record_id", pl.col("pairs").list.eval(told).list.join(_GROUP).alias("_base")
    )
    return (
        lone.lazy()
        .join(persons.filter("_alive"), left_on="owner", right_on="person_id")
        .join(values, on="record_id")
        .join(agreed, on="record_id", how="left")
        .with_columns(pl.col("_base").fill_null(""))
        .collect()
    )


def _undisturbed(consents: Table, mapped: Mapped, flags: Lookup[str, str]) -> pl.Expr:
    """Whether there is nothing to tell the record of consent."""
    fine = [pl.lit(True)]
    for claim in mapped.claims:
        if not claim.write:
            continue
        flag = pl.col(f"flag.{claim.column}") if claim.column in flags else pl.lit(None, pl.Boolean)
        said = pl.col(f"claim.{claim.column}")
        out = flag.eq(False).fill_null(False) | _withdrawn(consents, mapped, claim)
        fine.append(~out | said.eq("withdrawn").fill_null(False))
        fine.append(~flag.fill_null(False) | said.eq("granted").fill_null(False))
    return pl.all_horizontal(fine)


def _withdrawn(consents: Table, mapped: Mapped, claim: ClaimColumn) -> pl.Expr:
    """Whether any address of the record is withdrawn."""
    if claim.addresses not in mapped.natives:
        return pl.lit(False)
    addresses = (
        consents.frame(columns=["channel", "purpose", "address", "status"])
        .filter(
            pl.col("status") == "withdrawn",
            pl.col("channel") == claim.channel,
            pl.col("purpose") == claim.purpose,
        )
        .collect()["address"]
    )
    value = pl.element().struct.field("value")
    held = pl.col(f"record.{claim.addresses}").list.eval(value.is_in(addresses.implode()))
    return held.list.any().fill_null(False)


def _readable(columns: Sequence[str], compared: Lookup[str, PairText]) -> pl.Expr:
    """Whether what cannot be written here is empty on both sides."""
    unknown = [name for name in columns if compared[name].of is None]
    sides = [pl.col(f"{side}.{name}") for side in ("golden", "record") for name in unknown]
    return pl.all_horizontal(pl.lit(True), *(one.is_null() for one in sides))


def _agreeing(
    fine: pl.DataFrame, compared: Lookup[str, PairText]
) -> tuple[pl.Series, pl.DataFrame]:
    """Those of whom the base says what golden and the record say, and those of whom it says
    nothing yet while the two say the same; these with their pairs."""
    texts = {name: text for name, text in compared.items() if text.of is not None}
    made = [
        text.of(one).alias(one.meta.output_name())
        for name, text in texts.items()
        if text.of is not None
        for one in _sides(name)
    ]
    told = (_said(texts, name, pl.lit(name), *_sides(name), separator=_UNIT) for name in texts)
    expected = pl.concat_str(pl.lit(""), *told, separator=_GROUP, ignore_nulls=True)
    written = fine.with_columns(made).with_columns(
        expected.str.strip_prefix(_GROUP).alias("_expected")
    )
    agrees = ~pl.col("_allowed") | (pl.col("_base") == pl.col("_expected"))
    new = written.filter(
        pl.col("_allowed") & pl.col("_complete") & (pl.col("_base") == ""),
        pl.col("_expected") != "",
        *(one == other for one, other in map(_sides, texts)),
    )
    return written.filter(agrees)["owner"], new.with_columns(_pairs(texts).alias("pairs"))


def _sides(name: str) -> tuple[pl.Expr, pl.Expr]:
    return pl.col(f"golden.{name}"), pl.col(f"record.{name}")


def _said(texts: Lookup[str, PairText], name: str, *parts: pl.Expr, separator: str) -> pl.Expr:
    """The parts joined, where either side has a value."""
    empty = pl.all_horizontal(one == texts[name].nothing for one in _sides(name))
    return pl.when(~empty).then(pl.concat_str(*parts, separator=separator))


def _pairs(texts: Lookup[str, PairText]) -> pl.Expr:
    """The content of an ``agree`` row, as JSON."""
    pairs = []
    for name in texts:
        both = pl.concat_str(*(encoded(one) for one in _sides(name)), separator=",")
        parts = (pl.lit(f"{dump(name)}:["), both, pl.lit("]"))
        pairs.append(_said(texts, name, *parts, separator=""))
    return pl.concat_str(
        pl.lit("{"), pl.concat_str(*pairs, separator=",", ignore_nulls=True), pl.lit("}")
    )
