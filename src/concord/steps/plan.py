"""Plan: what one platform is to be sent, committed before anything is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as Lookup
from importlib.metadata import version

import polars as pl

from concord.assets.commit import Position
from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.jobs import GOLDEN
from concord.steps.context import Context, Result
from concord.steps.plan_scope import COVERED, TERMS, WEIGHED, concerned, weighed
from concord.steps.planning import Planned, covered, planned_operations
from concord.steps.platforms import batch_of
from concord.steps.positions import positions
from concord.steps.receipts import (
    CLOSED,
    OPEN,
    UNHINDERED,
    WINDOW,
    unsettled,
    without_receipt,
)
from concord.steps.runs import unread
from concord.steps.tables import frame_schema
from concord.steps.windows import waits_until
from concord.sync.chunks import chunks_for
from concord.sync.operations import PlannedOperation

__all__ = ["plan", "plan_inputs", "plan_positions", "unready"]


def plan(ctx: Context, *, platform: str) -> Result:
    """Publish the plan of one platform.

    Nothing is planned until golden covers the first complete reading of every platform, nor while
    an operation is unsettled or a receipt unacknowledged, nor after a reading of the platform that
    failed: then nothing is delivered either. While the platform's window is closed, what is planned
    waits, all but withdrawals; an opening is news to plan from. Only people and records that
    something has happened to are looked at; nobody else has an operation, before or after.
    """
    inputs = plan_inputs(ctx, platform)
    table = ctx.open(f"sync/{platform}/plan")
    reason = _unready(ctx, platform, inputs, table)
    if reason is not None:
        return _waits(ctx, platform, reason)
    upto = _positions(ctx, platform, inputs)
    window = _window(upto)
    planned = Planned([], pl.DataFrame())

    def work(current: Table, cursors: Lookup[str, int]) -> Change:
        nonlocal planned
        if (late := _unready(ctx, platform, inputs, current)) is not None:
            raise _OvertakenPlan(late)
        whole = any(upto[name].is_ahead_of(cursors[name]) for name in (TERMS, COVERED))
        scope = concerned(inputs, current, cursors, platform=platform, whole=whole)
        planned = planned_operations(ctx, platform, inputs, current, scope)
        return _change(ctx, current, planned, window)

    try:
        published = publish(table, work, upto=upto, run=ctx.run)
    except _OvertakenPlan as late:
        return _waits(ctx, platform, late.args[0])
    return Result(
        "plan",
        platform,
        (published,),
        rows_in=len(planned.ops) + planned.agreed.height,
        notes=_notes(ctx, platform, planned.ops, window),
        facts=_facts(ctx, platform),
    )


class _OvertakenPlan(Exception):
    """Another run planned first, and its operations are on their way."""


def _waits(ctx: Context, platform: str, reason: str) -> Result:
    """Nothing is planned; what an earlier plan left is settled by one writer."""
    waiting = not unread(ctx, platform) and unsettled(ctx, platform)
    facts = {"chunks": 1 if waiting else 0, "withdrawals": 0}
    return Result("plan", platform, notes=(f"{platform}: {reason}",), facts=facts)


def _facts(ctx: Context, platform: str) -> dict[str, int]:
    """How many chunks to deliver, and the withdrawals that go before them; one sends in order."""
    ops = unsettled(ctx, platform)
    writers = ctx.project.platform(platform).writers
    chunks = chunks_for(ops, batch=batch_of(ctx, platform), writers=writers)
    first = sum(op.kind == "withdraw" for op in ops) if chunks > 1 else 0
    return {"chunks": chunks, "withdrawals": first}


def _window(upto: Lookup[str, Position]) -> str | None:
    """How the plan finds the window; None where there is none."""
    return None if WINDOW not in upto else OPEN if upto[WINDOW].version else CLOSED


def _notes(
    ctx: Context, platform: str, planned: list[PlannedOperation], window: str | None
) -> tuple[str, ...]:
    counts = {state: sum(op.state == state for op in planned) for state in ("pending", "held")}
    notes = []
    if counts["pending"]:
        notes.append(
            f"{platform}: {counts['pending']} writes wait for approval; "
            f"`concord sync plan {platform}` shows them"
        )
    if counts["held"]:
        notes.append(f"{platform}: {counts['held']} writes are held; the plan says why")
    waiting = sum(op.released and op.kind not in UNHINDERED for op in planned)
    if waiting and window == CLOSED:
        notes.append(
            f"{platform}: {waiting} writes wait for its window, {waits_until(ctx, platform)}"
        )
    return tuple(notes)


def plan_positions(ctx: Context, platform: str) -> dict[str, Position]:
    """How far everything is that a plan follows from; the declarations are part of it."""
    return _positions(ctx, platform, plan_inputs(ctx, platform))


def plan_inputs(ctx: Context, platform: str) -> dict[str, Table]:
    """Everything that a plan is made from, in the order of the job's *reads*."""
    return {name: ctx.open(name) for name in ctx.project.job(f"plan.{platform}").reads}


def _positions(ctx: Context, platform: str, inputs: Lookup[str, Table]) -> dict[str, Position]:
    found = positions(inputs)
    found[TERMS] = Position(_fingerprint(*_declared(ctx, platform)))
    found[COVERED] = Position(_fingerprint(*sorted(covered(ctx, inputs))))
    found[WEIGHED] = Position(weighed(inputs, platform))
    if ctx.project.windows_of(platform):
        found[WINDOW] = Position(int(ctx.project.is_open(platform, ctx.now())))
    return found


def _declared(ctx: Context, platform: str) -> list[str]:
    """Everything declared that a plan depends on; when it moves, everybody is planned."""
    project = ctx.project
    contracts = [project.contract(name) for name in (GOLDEN, f"clean/{platform}")]
    return [
        project.platform(platform).model_dump_json(),
        project.delivers(platform),
        project.processing.model_dump_json(),
        str(project.region),
        *(one.sha256 for one in contracts if one is not None),
        version("concord-contacts"),
    ]


def _fingerprint(*parts: str) -> int:
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def unready(ctx: Context, platform: str) -> str | None:
    """Why nothing may be planned now; None when it may."""
    inputs = plan_inputs(ctx, platform)
    return _unready(ctx, platform, inputs, ctx.open(f"sync/{platform}/plan"))


def _unready(ctx: Context, platform: str, inputs: Lookup[str, Table], current: Table) -> str | None:
    """The same of the very versions that a plan is made from.

    Args:
        inputs: opened in the order of the job's *reads*, receipts last: what another run sends
            meanwhile shows in them before it shows in base and raw.
    """
    if unread(ctx, platform):
        return "its last reading failed; nothing is planned before it was read again"
    golden = inputs[GOLDEN].newest_record()
    covered = golden.extra.get("covered", {}) if golden else {}
    missing = sorted(set(ctx.project.platforms) - set(covered))
    if missing:
        return f"nothing is planned before {', '.join(missing)} was read once"
    receipts = inputs[f"sync/{platform}/receipts"]
    if any(op.kind != "agree" for op in without_receipt(current, receipts)):
        return "operations of an earlier plan have no receipt; the next extract settles them"
    upto = positions({receipts.dataset.name: receipts})[receipts.dataset.name]
    for name in (f"sync/{platform}/base", f"raw/{platform}"):
        if upto.is_ahead_of(inputs[name].cursor(receipts.dataset.name, receipts.id)):
            return "receipts of an earlier plan are not acknowledged yet"
    return None


def _change(ctx: Context, current: Table, planned: Planned, window: str | None) -> Change:
    """The new plan in place of the old one; the same decisions are no change."""
    schema = {
        name: kind
        for name, kind in frame_schema(ctx.project, current.dataset.name).items()
        if name != "_row_hash"
    }
    frame = planned.rows(schema)
    known = current.frame(columns=["op_id"]).collect()["op_id"]
    gone = known.filter(~known.is_in(frame["op_id"].implode()))
    last = current.newest_record()
    had = last is not None and WINDOW in last.extra
    extra = {WINDOW: window or OPEN} if window or had else {}
    if not frame.height and not len(gone):
        return Change(extra=extra)
    return Change(frame, gone, extra=extra)
