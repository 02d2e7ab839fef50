"""The gate: one pass over a frame; every row comes out on one of two sides.

Nulls are SQL's: what nobody can tell passes, but for rules that ask for presence.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from concord.contracts.document import Contract, Rule
from concord.contracts.report import Report
from concord.contracts.rules import UNREADABLE, expression
from concord.errors import ContractBroken

__all__ = ["RULES", "Verdict", "breaker", "gate"]

RULES = "rules"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Both sides of the gate.

    Attributes:
        accepted: rows that keep every rule; the input itself when nothing was rejected.
        quarantined: the other rows, with ``rules``: ids of the rules they broke, sorted.
    """

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    report: Report


def gate(frame: pl.DataFrame, contract: Contract) -> Verdict:
    """Judge every row.

    Args:
        frame: the contract's columns, and any technical columns whose names start with ``_``;
            ``_unreadable`` lists columns whose value could not be read.
        contract: the rules.

    Returns:
        accepted + quarantined = frame, none twice, order kept. Row by row, but for uniqueness,
        where the first row of a key is kept.
    """
    rules = [rule for rule in contract.rules if _applies(rule, frame)]
    if not rules or not frame.height:
        return Verdict(frame, _with_rules(frame.clear()), Report(frame.height, 0))
    flags = frame.select(expression(rule, contract).alias(rule.id) for rule in rules)
    broken = {rule.id: frame.height - int(flags[rule.id].sum()) for rule in rules}
    warned = {r.id: broken[r.id] for r in rules if r.severity == "warning" and broken[r.id]}
    failing = [rule.id for rule in rules if rule.severity != "warning" and broken[rule.id]]
    if not failing:
        return Verdict(frame, _with_rules(frame.clear()), Report(frame.height, 0, {}, warned))
    good = flags.select(pl.all_horizontal(failing).alias("good"))["good"]
    rejected = frame.filter(~good)
    reasons = _reasons(flags.filter(~good), sorted(failing))
    quarantined = rejected.with_columns(reasons.alias(RULES))
    report = Report(frame.height, rejected.height, {rule: broken[rule] for rule in failing}, warned)
    return Verdict(frame.filter(good), quarantined, report)


def _applies(rule: Rule, frame: pl.DataFrame) -> bool:
    if rule.kind == "readable":
        return UNREADABLE in frame.columns
    return rule.kind != "row_count"


def _with_rules(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.lit(None, pl.List(pl.String)).alias(RULES))


def _reasons(flags: pl.DataFrame, failing: list[str]) -> pl.Series:
    """Ids of the broken rules of every row: each distinct combination is spelt out once."""
    distinct = flags.select(failing).unique(maintain_order=True)
    spelt = [
        [rule for rule, fine in zip(failing, row, strict=True) if not fine]
        for row in distinct.iter_rows()
    ]
    names = distinct.with_columns(pl.Series(RULES, spelt, dtype=pl.List(pl.String)))
    joined = flags.select(failing).join(names, on=failing, how="left", maintain_order="left")
    return joined[RULES]


def breaker(report: Report, *, open_rows: int, live_rows: int, contract: Contract) -> None:
    """Refuse to publish when too large a share of all live rows is in quarantine.

    Raises:
        ContractBroken: the share is over ``maxQuarantineRatio``.
    """
    if live_rows and open_rows / live_rows > contract.max_quarantine_ratio:
        raise ContractBroken(
            contract.dataset,
            open_rows,
            live_rows,
            report.by_rule,
            contract.max_quarantine_ratio,
        )
