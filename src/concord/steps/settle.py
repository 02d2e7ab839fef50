"""Settle: find out what became of operations that were perhaps sent and left no receipt.

Nothing is sent again blindly after a kill: what is in doubt is read, told apart from people's
edits, and given a receipt. Then everything is planned anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Lookup

from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.platforms.base import CreateKey, Record, Source
from concord.steps.acknowledge import acknowledged
from concord.steps.context import Context
from concord.steps.platforms import Mapping
from concord.steps.raw_rows import (
    Seen,
    canonical_values,
    fields_text,
    known_rows,
    raw_frame,
    seen_rows,
)
from concord.steps.receipts import append_receipts, unsettled
from concord.sync.operations import PlannedOperation
from concord.sync.settle import match_created, settled

__all__ = ["settle"]


def settle(
    ctx: Context,
    platform: str,
    source: Source,
    mapping: Mapping,
    *,
    ours: Callable[[PlannedOperation], bool] | None = None,
) -> int:
    """Acknowledge receipts, then settle what has none. Returns the calls it took.

    Args:
        ours: the operations to settle while others are still sending theirs; None for all. Of these
            a create stays in doubt where the platform cannot tell whose record it is: among the
            unknown ones may be one that somebody else has just made.
    """
    if ctx.project.platform(platform).direction == "in":
        return 0
    acknowledged(ctx, platform, mapping)
    doubtful = [op for op in unsettled(ctx, platform) if op.kind != "agree"]
    if ours is not None:
        nameless = source.capabilities.create_key is CreateKey.NONE
        doubtful = [op for op in doubtful if ours(op) and not (nameless and op.kind == "create")]
    if not doubtful:
        return 0
    raw = ctx.open(f"raw/{platform}")
    found, calls = _found(source, doubtful)
    if source.capabilities.create_key is CreateKey.NONE:
        matched, more = _matched(ctx, platform, source, mapping, doubtful)
        found, calls = found | matched, calls + more
    by_record: dict[str, list[PlannedOperation]] = {}
    for op in doubtful:
        record = found.get(op.op_id)
        if record is not None and record.remote_id is not None:
            record_id = ctx.record_id(platform, record.remote_id)
            by_record.setdefault(record_id, []).append(op)
    seen = [
        Seen(record_id, found[ops[-1].op_id], ctx.now(), tuple(op.sent(sure=False) for op in ops))
        for record_id, ops in by_record.items()
    ]

    def observed(current: Table, _cursors: Lookup[str, int]) -> Change:
        rows = seen_rows(mapping, known_rows(current, list(by_record)), seen)
        return Change(raw_frame(ctx, platform, rows))

    publish(raw, observed, upto={}, run=ctx.run)
    made = {
        op.op_id: ctx.record_id(platform, found[op.op_id].remote_id or "")
        for op in doubtful
        if op.kind == "create" and op.op_id in found
    }
    remote_ids = {record_id: found[op_id].remote_id or "" for op_id, record_id in made.items()}
    append_receipts(ctx, platform, settled(doubtful, made, remote_ids, ctx.now()))
    acknowledged(ctx, platform, mapping)
    return calls


def _matched(
    ctx: Context,
    platform: str,
    source: Source,
    mapping: Mapping,
    doubtful: Sequence[PlannedOperation],
) -> tuple[dict[str, Record], int]:
    """Creates in doubt on a platform without external ids: looked for among the unknown records."""
    creates = [op for op in doubtful if op.kind == "create"]
    if not creates:
        return {}, 0
    pages = list(source.listing())
    records = {
        ctx.record_id(platform, one.remote_id): one
        for page in pages
        for one in page.records
        if one.remote_id is not None and one.fault is None and not one.deleted
    }
    known = known_rows(ctx.open(f"raw/{platform}"), list(records))
    unknown = [name for name in records if name not in known]
    values = canonical_values(mapping, [fields_text(records[name].fields) for name in unknown])
    left = dict(zip(unknown, values, strict=True))
    found: dict[str, Record] = {}
    for op in creates:
        name = match_created(op, left, mapping.mapped)
        if name is not None:
            found[op.op_id] = records[name]
            del left[name]
    return found, sum(page.calls for page in pages)


def _found(source: Source, doubtful: Sequence[PlannedOperation]) -> tuple[dict[str, Record], int]:
    """The record behind each operation, by op id; a create that did not land has none."""
    calls = 0
    found: dict[str, Record] = {}
    known = {op.op_id: op.remote_id for op in doubtful if op.remote_id is not None}
    if known:
        records = {one.remote_id: one for one in source.read(sorted(set(known.values())))}
        found |= {op_id: records[remote_id] for op_id, remote_id in known.items()}
        calls += 1
    creates = {op.op_id: op.person_id for op in doubtful if op.kind == "create" and op.person_id}
    if creates and source.capabilities.create_key is not CreateKey.NONE:
        made = {one.external_id: one for one in source.find(sorted(creates.values()))}
        found |= {op_id: made[person] for op_id, person in creates.items() if person in made}
        calls += 1
    return found, calls
