"""Consent: every platform's claims, straight from raw, into one row per address and purpose.

It reads raw, not clean: a record quarantined for anything else still unsubscribes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import polars as pl

from concord.assets.changes import changes
from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.contracts.document import Contract
from concord.contracts.gate import RULES, breaker, gate
from concord.contracts.schema import frame_schema as contract_columns
from concord.jobs import CONSENTS
from concord.privacy.consent import Claim, ConsentRow, Refused, fold_claims, reaches
from concord.steps.context import Context, Result
from concord.steps.positions import positions
from concord.steps.tables import frame_schema

__all__ = ["consent"]

_QUARANTINE = "quarantine/consents"
_READ = ("record_id", "deleted_at", "cells")


def consent(ctx: Context) -> Result:
    """Publish the quarantine of claims, then the consents."""
    raw = {name: ctx.open(name) for name in ctx.project.job("consent").reads}
    contract = ctx.project.contract(CONSENTS)
    assert contract is not None
    upto = positions(raw)
    folded: dict[tuple[tuple[str, int], ...], tuple[dict[str, ConsentRow], list[Refused]]] = {}
    table = ctx.open(CONSENTS)
    seen = 0

    @cache
    def named(*parts: str) -> str:
        return ctx.hash("consent", *parts)

    def fold(cursors: Mapping[str, int]) -> tuple[dict[str, ConsentRow], list[Refused]]:
        nonlocal seen
        place = tuple(sorted(cursors.items()))
        if place not in folded:
            claims = [
                claim
                for name, one in raw.items()
                for claim in _claims(
                    ctx, name, changes(one, cursors[name], one.version, columns=_READ)
                )
            ]
            seen = len(claims)
            fit, unfit = _by_address(claims, contract)
            rows, refused = fold_claims(
                fit, _known(table, fit, named), now=ctx.now(), consent_id=named
            )
            folded[place] = rows, [*unfit, *refused]
        return folded[place]

    def quarantine(_table: Table, cursors: Mapping[str, int]) -> Change:
        _, refused = fold(cursors)
        touched = [
            changes(one, cursors[name], one.version, columns=["record_id"])["record_id"]
            for name, one in raw.items()
        ]
        return _quarantine(ctx, refused, pl.concat(touched))

    def work(current: Table, cursors: Mapping[str, int]) -> Change | None:
        rows, _ = fold(cursors)
        schema = frame_schema(ctx.project, CONSENTS)
        own = {name: kind for name, kind in schema.items() if name != "_row_hash"}
        frame = pl.DataFrame(list(rows.values()), schema=own, orient="row")
        verdict = gate(frame, contract)
        breaker(
            verdict.report,
            open_rows=verdict.report.rejected,
            live_rows=max(current.count(), frame.height),
            contract=contract,
        )
        return Change(upserts=verdict.accepted, rules=verdict.report.counts)

    held = publish(ctx.open(_QUARANTINE), quarantine, upto=upto, run=ctx.run)
    table.refresh()
    published = publish(table, work, upto=upto, run=ctx.run)
    return Result("consent", None, (held, published), rows_in=seen, quarantined=held.rows)


def _by_address(claims: Sequence[Claim], contract: Contract) -> tuple[list[Claim], list[Refused]]:
    """Claims of addresses that the contract allows, and the others: they stop nobody."""
    found = pl.Series(sorted({claim.address for claim in claims}), dtype=pl.String)
    rows = pl.DataFrame({"address": found}).select(
        (pl.col("address") if name == "address" else pl.lit(None, kind)).cast(kind).alias(name)
        for name, kind in contract_columns(contract).items()
    )
    verdict = gate(rows, contract)
    judged = verdict.quarantined.select("address", RULES).iter_rows()
    broken = {
        address: own
        for address, rules in judged
        if (own := [rule for rule in rules if rule.startswith("address.")])
    }
    fit = [claim for claim in claims if claim.address not in broken]
    unfit = [
        Refused(claim, rule)
        for claim in claims
        if reaches(claim)
        for rule in broken.get(claim.address, ())
    ]
    return fit, unfit


def _known(
    table: Table, claims: Iterable[Claim], named: Callable[..., str]
) -> dict[str, ConsentRow]:
    """What is known of the addresses that *claims* speak of."""
    ids = {named(one.channel, one.address, one.purpose) for one in claims}
    wanted = pl.LazyFrame({"consent_id": list(ids)}, schema={"consent_id": pl.String})
    rows = table.frame().join(wanted, on="consent_id", how="semi").collect()
    return {row["consent_id"]: row for row in rows.to_dicts()}


def _claims(ctx: Context, raw: str, moved: pl.DataFrame) -> Iterator[Claim]:
    """The claims of changed raw rows, one for each address they reach."""
    platform = raw.split("/", 1)[1]
    contract = ctx.project.contract(f"clean/{platform}")
    assert contract is not None
    live = moved.filter(pl.col("_change") == "upsert", pl.col("deleted_at").is_null())
    for row in _claiming(live.select("record_id", "cells")).iter_rows(named=True):
        cells: Sequence[Mapping[str, Any]] = row["cells"] or ()
        for cell in cells:
            if cell["claim"] is None or cell["ours"]:
                continue
            _, channel, purpose = cell["column"].split("/")
            columns = contract.role(channel)
            for address in _addresses(cells, columns):
                yield Claim(
                    record_id=row["record_id"],
                    platform=platform,
                    channel=channel,
                    purpose=purpose,
                    claim=cell["claim"],
                    claimed_at=cell["claimed_at"],
                    since=cell["since"],
                    address=address["element"],
                    address_since=address["since"],
                    address_removed=address["removed"],
                )


def _claiming(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that claim anything, with their claims and elements alone."""
    cell = pl.element().struct
    own = cell.field("claim").is_not_null() & ~cell.field("ours")
    some = rows.filter(pl.col("cells").list.eval(own).list.any())
    told = cell.field("claim").is_not_null() | cell.field("element").is_not_null()
    return some.with_columns(pl.col("cells").list.filter(told))


def _addresses(
    cells: Iterable[Mapping[str, Any]], columns: tuple[str, ...]
) -> list[Mapping[str, Any]]:
    return [c for c in cells if c["column"] in columns and c["element"] is not None]


def _quarantine(ctx: Context, refused: Sequence[Refused], touched: pl.Series) -> Change:
    """One open row for every record whose claim cannot count; closed when the record moves."""
    rules: dict[str, list[str]] = {}
    for one in refused:
        rules.setdefault(one.claim.record_id, []).append(one.rule)
    schema = frame_schema(ctx.project, _QUARANTINE)
    rows = [
        {"record_id": record_id, "rules": sorted(set(broken)), "fields": None, "seen_at": ctx.now()}
        for record_id, broken in sorted(rules.items())
    ]
    own = {name: kind for name, kind in schema.items() if name != "_row_hash"}
    closed = touched.filter(~touched.is_in(list(rules)))
    counts: dict[str, int] = {}
    for broken in rules.values():
        for rule in set(broken):
            counts[rule] = counts.get(rule, 0) + 1
    return Change(pl.DataFrame(rows, schema=own, orient="row"), closed, rules=counts)
