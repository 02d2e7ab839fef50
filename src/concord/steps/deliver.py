"""Deliver: carry out the plan's operations in batches; a receipt for each, appended at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from concord.assets.changes import changes
from concord.assets.table import Table
from concord.normalise.claims import claim_column, native_claim
from concord.normalise.native import native
from concord.platforms.base import Operation, Outcome, Receipt, Sink, Verb
from concord.steps.context import Context, Progress, Result
from concord.steps.platforms import Mapping, mapping_for, opened
from concord.steps.receipts import UNHINDERED, append_receipts, unsettled
from concord.steps.settle import settle
from concord.steps.windows import waits_until
from concord.sync.chunks import EVERY_SLOT, slot_of, slots_of
from concord.sync.operations import PlannedOperation, StoredReceipt
from concord.sync.plan import unmoved

__all__ = ["deliver"]

_VERBS = {"create": Verb.CREATE, "delete": Verb.DELETE}


def deliver(
    ctx: Context, *, platform: str, chunk: int = 0, of: int = 1, withdrawals: bool = False
) -> Result:
    """Send what is free to be sent and has no receipt.

    A second try of the same task first settles what the first one left in doubt; what is settled
    is planned anew, never sent again. Other chunks' operations are left alone. When the platform's
    window closes, the rest is given receipts that say it was not sent, and is planned anew too.

    Args:
        chunk: which part of the plan, from 0.
        of: how many parts there are, each with a writer of its own.
        withdrawals: send these only, of the whole plan; before the chunks, which send the rest.
    """
    mapping = mapping_for(ctx, platform)
    slots = EVERY_SLOT if withdrawals else slots_of(chunk, of)
    writes = 0
    late: list[PlannedOperation] = []

    def ours(op: PlannedOperation) -> bool:
        return op.kind == "withdraw" if withdrawals else slot_of(op) in slots

    with opened(ctx, platform, slots) as sink:
        fresh = ctx.run.try_number == 1 and _planned_here(ctx, platform)
        if not fresh:
            alone = of == 1 and not withdrawals
            settle(ctx, platform, sink, mapping, ours=None if alone else ours)
        waiting = [op for op in unsettled(ctx, platform) if ours(op)]
        agreed = [op for op in waiting if op.kind == "agree"]
        published = append_receipts(ctx, platform, _all(agreed, "agree", ctx))
        sendable = [op for op in waiting if op.kind != "agree"] if fresh else []
        todo = _unmoved(ctx, platform, sendable)
        for batch in _batches(todo, sink.capabilities.batch):
            now, later = _by_window(ctx, platform, batch)
            late += later
            receipts = _sent(ctx, platform, sink, mapping, now) if now else []
            published = append_receipts(ctx, platform, receipts) or published
            writes += sum(one.status == "ok" for one in receipts)
            ctx.tell(Progress("deliver", platform, writes, len(todo), "writes"))
        published = append_receipts(ctx, platform, _all(late, "not_sent", ctx)) or published
    return Result(
        "deliver",
        platform,
        (published,) if published else (),
        writes=writes,
        rows_in=len(waiting),
        notes=_notes(ctx, platform, len(todo) - len(late), writes, len(late)),
    )


def _all(ops: Iterable[PlannedOperation], status: str, ctx: Context) -> list[StoredReceipt]:
    return [StoredReceipt.to(op, status, ctx.now()) for op in ops]


def _by_window(
    ctx: Context, platform: str, batch: list[PlannedOperation]
) -> tuple[list[PlannedOperation], list[PlannedOperation]]:
    """What may be sent now, and what waits for the platform's window."""
    if ctx.project.is_open(platform, ctx.now()):
        return batch, []
    free = [op for op in batch if op.kind in UNHINDERED]
    return free, [op for op in batch if op.kind not in UNHINDERED]


def _planned_here(ctx: Context, platform: str) -> bool:
    """Whether the plan was made by this very run: then nothing of it can have been sent before."""
    record = ctx.open(f"sync/{platform}/plan").newest_record()
    return record is not None and _dag_run(record.run) == _dag_run(ctx.run.id)


def _dag_run(run: str) -> str:
    return run.rsplit("/", 2)[0]


def _notes(ctx: Context, platform: str, tried: int, writes: int, late: int) -> tuple[str, ...]:
    notes = []
    if tried > writes:
        notes.append(f"{platform}: {tried - writes} of {tried} writes did not happen")
    if late:
        wait = waits_until(ctx, platform)
        notes.append(f"{platform}: {late} writes wait for its window, {wait}")
    return tuple(notes)


def _unmoved(
    ctx: Context, platform: str, ops: Sequence[PlannedOperation]
) -> list[PlannedOperation]:
    """Operations whose record is as the plan saw it; the others are planned anew."""
    if not ops:
        return []
    raw = ctx.open(f"raw/{platform}")
    record = ctx.open(f"sync/{platform}/plan").newest_record()
    seen = {one.dataset: one.upto for one in record.inputs} if record else {}
    if not seen:
        return list(ops)
    return unmoved(ops, _moved(ctx, raw, seen.get(raw.dataset.name, -1)))


def _moved(ctx: Context, raw: Table, after: int) -> frozenset[str]:
    """Records that changed since, but not by another chunk of this run: it keeps to its own."""
    found: set[str] = set()
    for version in range(after + 1, raw.version + 1):
        record = raw.record(version)
        if record is None or _dag_run(record.run) != _dag_run(ctx.run.id):
            found |= set(changes(raw, version - 1, version, columns=["record_id"])["record_id"])
    return frozenset(found)


def _batches(ops: Iterable[PlannedOperation], size: int) -> Iterable[list[PlannedOperation]]:
    left = iter(ops)
    while batch := list(islice(left, size)):
        yield batch


def _sent(
    ctx: Context,
    platform: str,
    sink: Sink,
    mapping: Mapping,
    batch: Sequence[PlannedOperation],
) -> list[StoredReceipt]:
    answers = sink.write([_operation(ctx, op, mapping) for op in batch])
    return [_stored(ctx, platform, op, answer) for op, answer in zip(batch, answers, strict=True)]


def _operation(ctx: Context, op: PlannedOperation, mapping: Mapping) -> Operation:
    claims = {claim_column(one): one for one in mapping.fields.claims}
    plain = {name: value for name, value in op.payload.items() if name not in claims}
    current = None if op.kind == "create" else op.expect
    values = dict(native(plain, mapping.fields, current=current))
    for name, value in op.payload.items():
        if name in claims:
            said = {"claim": value, "at": ctx.now().isoformat()}
            values |= native_claim(claims[name], said)
    return Operation(
        op_id=op.op_id,
        verb=_VERBS.get(op.kind, Verb.UPDATE),
        remote_id=op.remote_id,
        person_id=op.person_id or "",
        values=values,
        expect=dict(op.expect),
    )


def _stored(ctx: Context, platform: str, op: PlannedOperation, answer: Receipt) -> StoredReceipt:
    record = answer.record
    remote_id = record.remote_id if record and record.remote_id else op.remote_id
    record_id = ctx.record_id(platform, remote_id) if remote_id else op.record_id
    gone = record is None or record.deleted or answer.outcome is Outcome.REJECTED
    return StoredReceipt.to(
        op,
        str(answer.outcome),
        ctx.now(),
        record_id=record_id,
        remote_id=remote_id,
        code=answer.code or None,
        version=record.version if record else None,
        modified_at=record.modified_at if record else None,
        image=None if gone or record is None else dict(record.fields),
    )
