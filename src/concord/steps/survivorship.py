"""Survivorship: one golden row a person, from all that her records say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from concord.assets.changes import changes
from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.contracts.gate import RULES, Verdict, breaker, gate
from concord.identity.survivorship import survive
from concord.jobs import CONSENTS, CROSSWALK, GOLDEN
from concord.steps.context import Context, Result
from concord.steps.positions import RULES as RULES_CURSOR
from concord.steps.positions import positions
from concord.steps.quarantine import judged_rows
from concord.steps.reading import covered_by, is_news

__all__ = ["survivorship"]

_QUARANTINE = "quarantine/golden"


@dataclass(frozen=True, slots=True)
class _Survived:
    """What became of the persons concerned.

    Attributes:
        gone: former ids of joined persons.
        persons: everybody looked at.
    """

    verdict: Verdict
    gone: pl.Series
    persons: pl.Series


def survivorship(ctx: Context) -> Result:
    """Publish quarantine/golden, then golden/contacts.

    Golden keeps, for every person, her newest row if that passes, else the one before.

    Raises:
        ContractBroken: over maxQuarantineRatio of all persons.
    """
    inputs = {name: ctx.open(name) for name in ctx.project.job("survivorship").reads}
    contract = ctx.project.contract(GOLDEN)
    assert contract is not None
    upto = positions(inputs, contract)
    golden = ctx.open(GOLDEN)
    done: dict[tuple[tuple[str, int], ...], _Survived] = {}

    def survived(cursors: Mapping[str, int]) -> _Survived:
        place = tuple(sorted(cursors.items()))
        if place not in done:
            done[place] = _survive(ctx, inputs, golden, cursors)
        return done[place]

    def quarantine(_table: Table, cursors: Mapping[str, int]) -> Change:
        one = survived(cursors)
        rejected = one.verdict.quarantined.rename({contract.key: "record_id"})
        rows = judged_rows(rejected.select("record_id", RULES), ctx.now())
        closed = one.persons.filter(~one.persons.is_in(rejected["record_id"].implode()))
        return Change(rows, closed, rules=one.verdict.report.counts)

    held = publish(ctx.open(_QUARANTINE), quarantine, upto=upto, run=ctx.run)
    golden.refresh()

    counted: dict[str, int] = {}

    def work(table: Table, cursors: Mapping[str, int]) -> Change:
        one = survived(cursors)
        counted["live"] = live = max(table.count(), one.verdict.accepted.height)
        breaker(one.verdict.report, open_rows=held.rows, live_rows=live, contract=contract)
        extra = {"covered": covered_by(inputs)}
        return Change(
            one.verdict.accepted,
            one.gone,
            rules=one.verdict.report.counts,
            extra=extra,
            force=is_news(table, extra),
        )

    published = publish(golden, work, upto=upto, run=ctx.run)
    seen = sum(len(one.persons) for one in done.values())
    return Result(
        "survivorship",
        None,
        (held, published),
        rows_in=seen,
        quarantined=held.rows,
        facts=counted,
    )


def _survive(
    ctx: Context, inputs: Mapping[str, Table], golden: Table, cursors: Mapping[str, int]
) -> _Survived:
    crosswalk = inputs[CROSSWALK].frame().collect()
    consents = inputs[CONSENTS].frame().collect()
    links = crosswalk.filter(pl.col("rule") != "alias").select(
        "record_id", "person_id", "rule", "ended_at"
    )
    names = [name for name in inputs if name.startswith("clean/")]
    contract = ctx.project.contract(GOLDEN)
    assert contract is not None
    whole = cursors[RULES_CURSOR] != contract.fingerprint()
    persons = (
        links["person_id"].unique()
        if whole
        else _concerned(inputs, golden, links, consents, names, cursors)
    )
    former = crosswalk.filter(pl.col("rule") == "alias")["record_id"]
    mine = links.filter(pl.col("person_id").is_in(persons.implode()))
    alive = mine.filter(pl.col("ended_at").is_null(), pl.col("rule") != "own")["person_id"].unique()
    dead = (
        mine.filter(~pl.col("person_id").is_in(alive.implode()))
        .group_by("person_id")
        .agg(pl.col("ended_at").max().alias("deleted_at"))
        .with_columns(pl.col("deleted_at").fill_null(ctx.now()))
    )
    living = mine.filter(pl.col("person_id").is_in(alive.implode())).select(
        "record_id", "person_id"
    )
    rows = pl.concat([_rows(ctx, inputs[name], name, living) for name in names])
    clean = ctx.project.contract(names[0])
    assert clean is not None
    found = survive(
        rows,
        _known_deaths(golden, dead),
        consents.select("channel", "address", "purpose", "status"),
        clean=clean,
        golden=contract,
        people=ctx.project.people,
    )
    revived = _revived(golden, alive, found)
    return _Survived(gate(found, contract), pl.concat([former, revived]), persons)


def _revived(golden: Table, alive: pl.Series, found: pl.DataFrame) -> pl.Series:
    """Living persons without a clean row whose golden row is a tombstone: nothing follows from it
    any more, and a missing row plans no write."""
    rows = golden.frame(columns=["person_id", "deleted_at"]).filter(
        pl.col("deleted_at").is_not_null(),
        pl.col("person_id").is_in(alive.implode()),
        ~pl.col("person_id").is_in(found["person_id"].implode()),
    )
    return rows.collect()["person_id"]


def _rows(ctx: Context, table: Table, name: str, living: pl.DataFrame) -> pl.DataFrame:
    """The clean rows of living persons; platforms that Concord only writes to have no say."""
    platform = name.split("/", 1)[1]
    frame = table.frame().join(living.lazy(), on="record_id").drop("_row_hash", "_held")
    if ctx.project.platforms[platform].direction == "out":
        frame = frame.limit(0)
    return frame.with_columns(pl.lit(platform).alias("platform")).collect()


def _known_deaths(golden: Table, dead: pl.DataFrame) -> pl.DataFrame:
    """A tombstone keeps the instant it got; persons that golden never held get none."""
    known = golden.frame(columns=["person_id", "deleted_at"]).collect()
    found = dead.join(known, on="person_id", suffix="_known")
    return found.select(
        "person_id", pl.coalesce("deleted_at_known", "deleted_at").alias("deleted_at")
    )


def _concerned(
    inputs: Mapping[str, Table],
    golden: Table,
    links: pl.DataFrame,
    consents: pl.DataFrame,
    names: list[str],
    cursors: Mapping[str, int],
) -> pl.Series:
    """Persons with a changed record, link or consent."""

    def moved(name: str, column: str) -> pl.Series:
        one = inputs[name]
        return changes(one, cursors[name], one.version, columns=[column])[column]

    records = pl.concat(
        [*(moved(name, "record_id") for name in names), moved(CROSSWALK, "record_id")]
    )
    by_record = links.filter(pl.col("record_id").is_in(records.implode()))["person_id"]
    addresses = consents.filter(
        pl.col("consent_id").is_in(moved(CONSENTS, "consent_id").implode())
    )["address"]
    by_address = _with_addresses(golden, addresses)
    return pl.concat([by_record, by_address]).unique()


def _with_addresses(golden: Table, addresses: pl.Series) -> pl.Series:
    if not len(addresses):
        return pl.Series("person_id", [], dtype=pl.String)
    columns = [name for name, kind in golden.schema.items() if _is_elements(name, kind)]
    found = []
    for column in columns:
        rows = golden.frame(columns=["person_id", column]).explode(column).collect()
        value = pl.col(column).struct.field("value")
        found.append(rows.filter(value.is_in(addresses.implode()))["person_id"])
    return pl.concat([pl.Series("person_id", [], dtype=pl.String), *found])


def _is_elements(name: str, kind: pl.DataType) -> bool:
    return not name.startswith("_") and isinstance(kind, pl.List)
