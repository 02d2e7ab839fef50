"""The gate: one pass over a frame; every row comes out on one of two sides.

Nulls are SQL's: what nobody can tell passes, but for rules that ask for presence; null keys are no
duplicates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from concord.contracts.document import Contract
from concord.contracts.report import Report
from concord.contracts.rules import UNREADABLE, row_rules
from concord.contracts.schema import frame_schema
from concord.errors import ContractBroken, SchemaDrift

__all__ = ["RULES", "Verdict", "breaker", "gate", "gate_beside", "unique_rules"]

RULES = "rules"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Both sides of the gate.

    Attributes:
        accepted: rows that keep every rule; the input itself when nothing was rejected.
        quarantined: the other rows, with ``rules``: ids of the rules they broke, sorted.
    """

    accepted: pl.DataFrame = field(repr=False)
    quarantined: pl.DataFrame = field(repr=False)
    report: Report


def gate(
    frame: pl.DataFrame,
    contract: Contract,
    *,
    elsewhere: Mapping[str, pl.Series] | None = None,
) -> Verdict:
    """Judge every row.

    Args:
        frame: the contract's columns, and any technical columns whose names start with ``_``;
            ``_unreadable`` lists columns whose value could not be read.
        contract: the rules.
        elsewhere: of unique columns, the values that other rows of the dataset hold.

    Returns:
        accepted + quarantined = frame, none twice, order kept. Row by row, but for uniqueness: of
        rows with one value none is accepted.

    Raises:
        SchemaDrift: the frame's columns are not the contract's.
    """
    _check_columns(frame, contract)
    broken = _broken(frame, contract, elsewhere or {})
    counts = {rule: frame.height - int(fine.sum()) for rule, fine in broken.items()}
    mild = {rule.id for rule in contract.rules if rule.severity == "warning"}
    warned = {rule: counts[rule] for rule in sorted(broken) if rule in mild}
    failing = sorted(set(broken) - mild)
    if not failing:
        return Verdict(frame, _without_reasons(frame), Report(frame.height, 0, {}, warned))
    flags = pl.DataFrame([broken[rule].alias(rule) for rule in failing])
    good = flags.select(pl.all_horizontal(pl.all()).alias("good"))["good"]
    rejected = frame.filter(~good)
    reasons = _reasons(flags.filter(~good), failing)
    return Verdict(
        accepted=frame.filter(good),
        quarantined=rejected.with_columns(reasons.alias(RULES)),
        report=Report(frame.height, rejected.height, {r: counts[r] for r in failing}, warned),
    )


def unique_rules(contract: Contract) -> dict[str, str]:
    """Columns besides the key in which no two rows may have one value, each with its rule."""
    return {
        rule.column: rule.id
        for rule in contract.rules
        if rule.kind == "unique" and rule.column is not None and rule.column != contract.key
    }


def gate_beside(frame: pl.DataFrame, contract: Contract, published: pl.LazyFrame) -> Verdict:
    """Judge rows that join a published dataset, where the old row of a refused one stays.

    Args:
        frame: as `gate` takes it.
        published: every row of the dataset; read only where the contract has `unique_rules`.

    Returns:
        As `gate`; no accepted row shares a unique value with a row that stays published.
    """
    columns = list(unique_rules(contract))
    if not columns:
        return gate(frame, contract)
    rows = published.select(contract.key, *columns).collect()
    coming = pl.col(contract.key).is_in(frame[contract.key].implode())
    own = rows.filter(coming)
    verdict = gate(frame, contract, elsewhere=_held(rows.filter(~coming), columns))
    refused = verdict.quarantined
    while refused.height:
        stays = own.filter(pl.col(contract.key).is_in(refused[contract.key].implode()))
        again = gate(verdict.accepted, contract, elsewhere=_held(stays, columns))
        refused = again.quarantined
        verdict = _both(verdict, again)
    return verdict


def _held(rows: pl.DataFrame, columns: Iterable[str]) -> dict[str, pl.Series]:
    return {name: rows[name] for name in columns}


def _both(first: Verdict, again: Verdict) -> Verdict:
    """One verdict of two passes, the second over what the first accepted."""
    rules = sorted({*first.report.by_rule, *again.report.by_rule})
    counts = {
        rule: first.report.by_rule.get(rule, 0) + again.report.by_rule.get(rule, 0)
        for rule in rules
    }
    rejected = first.report.rejected + again.report.rejected
    return Verdict(
        again.accepted,
        pl.concat([first.quarantined, again.quarantined]),
        Report(first.report.checked, rejected, counts, first.report.warnings),
    )


def _check_columns(frame: pl.DataFrame, contract: Contract) -> None:
    wanted = frame_schema(contract)
    lacking = [name for name in wanted if name not in frame.schema]
    other = [name for name in wanted if name in frame.schema and frame.schema[name] != wanted[name]]
    foreign = [name for name in frame.columns if name not in wanted and not name.startswith("_")]
    parts = (("it lacks", lacking), ("of another type", other), ("not in the contract", foreign))
    wrong = [f"{what}: {', '.join(names)}" for what, names in parts if names]
    if wrong:
        raise SchemaDrift(f"{contract.dataset}: a frame before the gate; {'; '.join(wrong)}")


def _broken(
    frame: pl.DataFrame, contract: Contract, elsewhere: Mapping[str, pl.Series]
) -> dict[str, pl.Series]:
    """For every rule that some row breaks: true where the row is fine."""
    flags = frame.select(fine.alias(rule.id) for rule, fine in row_rules(contract))
    found = {fine.name: fine for fine in flags if not fine.all()}
    for rule in contract.rules:
        if rule.kind == "unique" and rule.column is not None:
            rows = _duplicates(frame[rule.column], elsewhere.get(rule.column))
            if len(rows):
                found[rule.id] = _fine_but(rows, frame.height)
    for name, rows in _unreadable(frame):
        found[f"{name}.readable"] = _fine_but(rows, frame.height)
    return found


def _fine_but(rows: pl.Series, height: int) -> pl.Series:
    return pl.repeat(True, height, dtype=pl.Boolean, eager=True).scatter(rows, False)


def _duplicates(values: pl.Series, others: pl.Series | None) -> pl.Series:
    """Positions whose value stands twice, or among *others*; null stands nowhere.

    Hashes name the candidates, the values themselves decide: a third of the time of comparing
    every text.
    """
    hashes = values.hash()
    twice = hashes.filter(hashes.is_duplicated())
    if others is not None:
        twice = twice.append(others.hash())
    rows = hashes.is_in(twice.unique().implode()).arg_true() if len(twice) else _NOWHERE
    candidates = values.gather(rows)
    same = candidates.is_duplicated()
    if others is not None:
        same |= candidates.is_in(others.implode())
    return rows.filter(same & candidates.is_not_null())


_NOWHERE = pl.Series(dtype=pl.UInt32)


def _unreadable(frame: pl.DataFrame) -> Iterator[tuple[str, pl.Series]]:
    """Every column some value of which could not be read, and the positions of those rows."""
    if UNREADABLE not in frame.columns:
        return
    rows = (frame[UNREADABLE].list.len() > 0).fill_null(False).arg_true()
    named = pl.DataFrame({"column": frame[UNREADABLE].gather(rows), "row": rows})
    parts = named.explode("column").drop_nulls("column").partition_by("column", as_dict=True)
    for (name,), part in parts.items():
        yield str(name), part["row"]


def _without_reasons(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.clear().with_columns(pl.lit(None, pl.List(pl.String)).alias(RULES))


def _reasons(flags: pl.DataFrame, failing: list[str]) -> pl.Series:
    """Ids of the broken rules of every row; each combination is spelt out once."""
    chunks = [failing[start : start + 64] for start in range(0, len(failing), 64)]
    masks = flags.select(_mask(chunk).alias(str(number)) for number, chunk in enumerate(chunks))
    distinct = masks.unique()
    spelt = [list(_spelt(row, chunks)) for row in distinct.iter_rows()]
    names = distinct.with_columns(pl.Series(RULES, spelt, dtype=pl.List(pl.String)))
    return masks.join(names, on=masks.columns, how="left", maintain_order="left")[RULES]


def _mask(rules: Iterable[str]) -> pl.Expr:
    bits = [
        pl.when(~pl.col(rule)).then(pl.lit(1 << bit, pl.UInt64)).otherwise(pl.lit(0, pl.UInt64))
        for bit, rule in enumerate(rules)
    ]
    return pl.sum_horizontal(bits)


def _spelt(masks: tuple[int, ...], chunks: list[list[str]]) -> Iterator[str]:
    for mask, rules in zip(masks, chunks, strict=True):
        yield from (rule for bit, rule in enumerate(rules) if mask >> bit & 1)


def breaker(report: Report, *, open_rows: int, live_rows: int, contract: Contract) -> None:
    """Refuse to publish when too large a share of all live rows is in quarantine.

    Args:
        open_rows: rows that lie in quarantine after this verdict.
        live_rows: live records, quarantined ones included.

    Raises:
        ContractBroken: the share is over ``maxQuarantineRatio``, or a rule on the number of rows
            does not hold for those that are not in quarantine.
    """
    limit = contract.max_quarantine_ratio
    if live_rows and open_rows / live_rows > limit:
        raise ContractBroken(contract.dataset, open_rows, live_rows, report.by_rule, limit)
    rows = max(live_rows - open_rows, 0)
    for rule in contract.rules:
        if (
            rule.kind == "row_count"
            and rule.severity == "error"
            and not _counts(rule.argument, rows)
        ):
            raise ContractBroken(contract.dataset, open_rows, live_rows, {rule.id: rows}, None)


def _counts(bounds: Mapping[str, Any], rows: int) -> bool:
    """Whether a number of rows is what an ODCS operator asks for."""
    ((operator, asked),) = bounds.items()
    match operator:
        case "mustBe":
            return bool(rows == asked)
        case "mustNotBe":
            return bool(rows != asked)
        case "mustBeGreaterThan":
            return bool(rows > asked)
        case "mustBeGreaterOrEqualTo":
            return bool(rows >= asked)
        case "mustBeLessThan":
            return bool(rows < asked)
        case "mustBeLessOrEqualTo":
            return bool(rows <= asked)
        case "mustBeBetween":
            return bool(asked[0] <= rows <= asked[1])
    return not asked[0] <= rows <= asked[1]
