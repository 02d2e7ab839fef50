"""One person's or record's way through every dataset and platform, version by version.

Values are masked by their classification; of raw only the names of native fields are told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from concord.jobs import CROSSWALK, GOLDEN
from concord.steps.context import Context
from concord.steps.masking import masked
from concord.steps.trace_ids import Subject, subject
from concord.steps.unsent import Unsent, unsent
from concord.steps.versions import Version, versions_of
from concord.sync.operations import new_record

__all__ = ["Entry", "Trace", "trace"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes:
        id: the record, the person, or the operation.
        what: in a few words, no value.
        columns: that it is of.
        values: of those columns, masked.
        run: as in ops/runs, where the commit tells.
    """

    at: datetime
    dataset: str
    version: int | None
    id: str
    what: str
    columns: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of one subject.

    Attributes:
        entries: oldest first.
        unsent: for every platform that is written to, why nothing is on its way there.
        missing: datasets whose early versions are gone, one sentence each.
    """

    subject: Subject
    entries: tuple[Entry, ...]
    unsent: tuple[Unsent, ...]
    missing: tuple[str, ...]


def trace(ctx: Context, wanted: str, *, most: int = 500) -> Trace:
    """Follow the person or record that *wanted* names.

    Args:
        wanted: an id or its beginning.
        most: so many versions of each dataset are looked at, the newest ones.

    Raises:
        UsageError: nothing has that id, or several.
    """
    whom = subject(ctx, wanted)
    entries: list[Entry] = []
    missing: list[str] = []
    for dataset, where in _places(ctx, whom):
        history = versions_of(ctx.open(dataset), where, most=most)
        entries += _told(ctx, history.versions)
        if history.since > 0:
            missing.append(
                f"{dataset}: versions before {history.since} are not looked at, or are gone "
                "(vacuum and the log's retention)"
            )
    ordered = sorted(entries, key=lambda one: (one.at, _RANK.index(_family(one.dataset))))
    return Trace(whom, tuple(ordered), tuple(unsent(ctx, whom)), tuple(missing))


def _places(ctx: Context, whom: Subject) -> Iterator[tuple[str, dict[str, Collection[str]]]]:
    every = [one for ids in whom.records.values() for one in ids]
    for platform, ids in whom.records.items():
        for kind in ("raw", "quarantine", "clean"):
            yield f"{kind}/{platform}", {"record_id": ids}
    yield CROSSWALK, {"record_id": [*every, *whom.persons]}
    if whom.persons:
        yield "quarantine/golden", {"record_id": whom.persons}
        yield GOLDEN, {"person_id": whom.persons}
    for platform, declared in sorted(ctx.project.platforms.items()):
        if declared.direction == "in":
            continue
        own = list(whom.records.get(platform, ()))
        made = [new_record(one) for one in whom.persons if own]
        mine: dict[str, Collection[str]] = {"record_id": [*own, *made]}
        if whom.kind == "person":
            mine["person_id"] = whom.persons
        yield f"sync/{platform}/plan", mine
        yield f"sync/{platform}/receipts", mine
        yield f"sync/{platform}/base", {"record_id": own}


_RANK = ("raw", "quarantine", "clean", "people", "golden", "sync")


def _family(dataset: str) -> str:
    return dataset.split("/", 1)[0]


def _told(ctx: Context, versions: Sequence[Version]) -> Iterator[Entry]:
    for one in versions:
        kind = one.dataset.rsplit("/", 1)[1] if one.dataset.startswith("sync/") else None
        tell = _TELLERS.get(kind or _family(one.dataset), _plain)
        yield tell(ctx, one)


def _entry(one: Version, what: str, columns: Sequence[str] = (), **more: Any) -> Entry:
    key = next(name for name in ("op_id", "record_id", "person_id") if name in one.row)
    return Entry(
        at=more.pop("at", one.at),
        dataset=one.dataset,
        version=one.version,
        id=one.row[key],
        what=what,
        columns=tuple(columns),
        run=one.run,
        **more,
    )


def _plain(ctx: Context, one: Version) -> Entry:
    """Clean and golden: the columns that changed, masked."""
    contract = ctx.project.contract(one.dataset)
    hidden = contract.role("remote_id") if contract else ()
    columns = [name for name in one.columns if name not in hidden]
    names = [name for name in columns if one.row[name] not in (None, [])]
    frame = pl.DataFrame([{name: one.row[name] for name in names}]) if names else pl.DataFrame()
    values = masked(frame, contract)[0] if names and contract else {}
    what = {
        "new": "first row",
        "changed": "changed",
        "removed": "row taken out",
        "kept": "as it stands",
    }[one.change]
    if one.row.get("deleted_at") is not None:
        what = "ended"
    return _entry(one, what, columns, values=values)


def _raw(_ctx: Context, one: Version) -> Entry:
    row = one.row
    if one.change == "removed":
        return _entry(one, "row taken out")
    if row["deleted_at"] is not None:
        whom = "us" if row["deleted_by"] == "us" else "the platform's people"
        return _entry(one, f"deleted by {whom}")
    said = {"new": "first seen", "changed": "seen changed", "kept": "as it stands"}
    what = said[one.change]
    if "fields" not in one.columns and one.change == "changed":
        what = "seen again, its fields as before"
    if row["fault"]:
        what += f", unreadable ({row['fault']})"
    if row["person_id"] and one.change == "new":
        what += ", made by Concord"
    return _entry(one, what, _evidence(row["cells"] or ()))


def _evidence(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """How every column is known: seen edited or merely found, ours or not; elements counted."""
    known: dict[tuple[str, str], int] = {}
    for cell in cells:
        how = "removed" if cell["removed"] else cell["kind"]
        how = f"{how}, ours" if cell["ours"] else how
        how = f"{cell['claim']}, {how}" if cell["claim"] else how
        known[cell["column"], how] = known.get((cell["column"], how), 0) + 1
    return [
        f"{column} ({how})" if count == 1 else f"{column} ({how}) x{count}"
        for (column, how), count in sorted(known.items())
    ]


def _quarantine(_ctx: Context, one: Version) -> Entry:
    if one.change == "removed":
        return _entry(one, "out of quarantine")
    return _entry(one, f"in quarantine: {', '.join(one.row['rules'] or ())}")


def _people(_ctx: Context, one: Version) -> Entry:
    row = one.row
    said = {"changed": "now linked to", "removed": "no longer linked to"}
    what = f"{said.get(one.change, 'linked to')} {row['person_id']} ({row['rule']})"
    if row["rule"] == "alias":
        what = f"joined into {row['person_id']}"
    return _entry(one, what)


def _plan(_ctx: Context, one: Version) -> Entry:
    row = one.row
    kind = row["kind"]
    state = f"{row['state']}: {row['reason']}" if row["reason"] else row["state"]
    what = f"{kind} planned, {state}" if one.change != "removed" else f"{kind} left the plan"
    return _entry(one, what, _written(row))


def _receipts(_ctx: Context, one: Version) -> Entry:
    row = one.row
    code = f" ({row['code']})" if row["code"] else ""
    return _entry(one, f"{row['kind']}: {row['status']}{code}", _written(row), at=row["seen_at"])


def _written(row: Mapping[str, Any]) -> list[str]:
    text = row["pairs"] if row["kind"] == "agree" else row["payload"]
    return sorted(orjson.loads(text or "{}"))


def _base(_ctx: Context, one: Version) -> Entry:
    row = one.row
    what = "agreed" if one.change != "removed" else "nothing agreed any more"
    if row["rejects"]:
        what += f", refused for good: {', '.join(r['kind'] for r in row['rejects'])}"
    return _entry(one, what, sorted(pair["column"] for pair in row["pairs"] or ()))


_TELLERS = {
    "raw": _raw,
    "quarantine": _quarantine,
    "people": _people,
    "plan": _plan,
    "receipts": _receipts,
    "base": _base,
}
