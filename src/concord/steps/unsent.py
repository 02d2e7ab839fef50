"""Why nothing of a person or record is on its way to a platform: the plan's own reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from concord.assets.table import Table
from concord.jobs import GOLDEN
from concord.steps.approve import planned
from concord.steps.context import Context
from concord.steps.plan import unready
from concord.steps.plan_scope import scope_of
from concord.steps.planning import Sides, audience, sides
from concord.steps.trace_ids import Subject
from concord.sync.plan import lead_of
from concord.sync.why import OUTSIDE, why_nothing

__all__ = ["Unsent", "unsent"]


@dataclass(frozen=True, slots=True)
class Unsent:
    """One reason.

    Attributes:
        of: the person, the record or the operation that it is about; None for the whole platform.
        reason: one sentence without values.
        fix: what to do, where there is something to do.
    """

    platform: str
    of: str | None
    reason: str
    fix: str = ""


def unsent(ctx: Context, whom: Subject) -> Iterator[Unsent]:
    """For every platform what holds things back, or that nothing differs."""
    for platform, declared in sorted(ctx.project.platforms.items()):
        if declared.direction == "in":
            yield Unsent(platform, None, "it is only read (direction: in)")
        elif ctx.project.delivers(platform) == "off":
            yield Unsent(platform, None, "its delivery is off", "set `delivery` in its file")
        else:
            yield from _of(ctx, platform, whom)


def _of(ctx: Context, platform: str, whom: Subject) -> Iterator[Unsent]:
    stuck = unready(ctx, platform)
    if stuck is not None:
        yield Unsent(platform, None, stuck, "`concord runs list` and `ops/incidents` say more")
    waiting = [one for one in planned(ctx, platform) if _is_of(one, platform, whom)]
    yield from (_open(platform, one) for one in waiting)
    if not whom.persons:
        yield from _ownerless(ctx, platform, whom)
    elif not any(one["kind"] != "agree" for one in waiting):
        yield from _nothing_planned(ctx, platform, whom)


def _is_of(op: Mapping[str, Any], platform: str, whom: Subject) -> bool:
    return op["person_id"] in whom.persons or op["record_id"] in whom.records.get(platform, ())


def _open(platform: str, op: Mapping[str, Any]) -> Unsent:
    columns = ", ".join(op["columns"])
    what = f"{op['kind']} of {columns}" if columns else op["kind"]
    if op["state"] == "pending":
        return Unsent(
            platform,
            op["op_id"],
            f"{what} waits for approval",
            f"`concord sync approve {platform}`",
        )
    if op["state"] == "held":
        return Unsent(platform, op["op_id"], f"{what} is held: {op['reason']}")
    return Unsent(platform, op["op_id"], f"{what} is free and not sent yet", "`concord run`")


def _ownerless(ctx: Context, platform: str, whom: Subject) -> Iterator[Unsent]:
    for record_id in whom.records.get(platform, ()):
        rules = _quarantined(ctx, platform, record_id)
        reason = "the record belongs to nobody: it has no accepted row"
        fix = f"`concord dataset read quarantine/{platform}`" if rules else "`concord run`"
        yield Unsent(platform, record_id, f"{reason}{_because(rules)}", fix)


def _nothing_planned(ctx: Context, platform: str, whom: Subject) -> Iterator[Unsent]:
    inputs = {name: ctx.open(name) for name in ctx.project.job(f"plan.{platform}").reads}
    scope = scope_of(inputs, platform, pl.Series([whom.persons[0]], dtype=pl.String))
    known = sides(ctx, platform, inputs, scope, plan_no=0)
    person = known.persons.get(whom.persons[0])
    if person is None:
        yield Unsent(platform, whom.person, "the person has no golden row", "`concord run`")
        return
    reasons = list(why_nothing(person, known.side, known.terms, known.mapped))
    for reason in reasons or ["something differs, and the plan has not looked at it yet"]:
        said = _outside(ctx, platform, inputs, person.person_id) if reason == OUTSIDE else reason
        yield Unsent(platform, person.person_id, said, "" if reasons else "`concord run`")
    yield from _records(ctx, platform, known)


def _outside(ctx: Context, platform: str, inputs: Mapping[str, Table], person_id: str) -> str:
    contract = ctx.project.contract(GOLDEN)
    assert contract is not None
    condition, consent = audience(ctx, platform, contract)
    rows = inputs[GOLDEN].frame().filter(pl.col("person_id") == person_id)
    inside = rows.select(condition=condition, consent=consent).collect().row(0, named=True)
    purpose = ctx.project.platform(platform).purpose
    reasons = []
    if not inside["consent"]:
        reasons.append(f"no consent for the purpose {purpose}, which rests on it")
    if not inside["condition"]:
        reasons.append("outside its audience")
    return " and ".join(reasons) or OUTSIDE


def _records(ctx: Context, platform: str, known: Sides) -> Iterator[Unsent]:
    """What holds for single records there: quarantine, and doubles of the one that is written."""
    own = [known.side.records[one] for one in sorted(known.side.records)]
    lead = lead_of(own, known.side)
    for record in own:
        rules = _quarantined(ctx, platform, record.record_id)
        if rules:
            yield Unsent(
                platform,
                record.record_id,
                f"its newest row is in quarantine{_because(rules)}",
                f"mend it on {platform}; `concord dataset read quarantine/{platform}`",
            )
        if record.live and lead is not None and record is not lead:
            yield Unsent(
                platform,
                record.record_id,
                f"the person has two records there; only {lead.record_id} is written",
                f"join them on {platform}",
            )


def _quarantined(ctx: Context, platform: str, record_id: str) -> list[str]:
    rows = ctx.open(f"quarantine/{platform}").frame().filter(pl.col("record_id") == record_id)
    return [rule for rules in rows.collect()["rules"].to_list() for rule in rules or ()]


def _because(rules: list[str]) -> str:
    return f" ({', '.join(rules)})" if rules else ""
