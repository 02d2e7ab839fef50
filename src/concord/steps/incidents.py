"""ops/incidents: what went wrong or looks odd, one open row a cause, in our own words.

How many are open of a subject, and how many no alert has told of yet, are facts of the table's log:
who finds none reads no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta

import polars as pl

from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.errors import UsageError
from concord.steps.context import Context
from concord.steps.incident_life import (
    Incident,
    Sighting,
    close,
    open_by_subject,
    recover,
    sight,
    silence,
    unsilence,
)
from concord.steps.tables import frame_schema

__all__ = [
    "all_incidents",
    "any_open",
    "any_untold",
    "claim_untold",
    "close_by_hand",
    "close_incident",
    "look",
    "open_incidents",
    "put_back",
    "raise_incident",
    "record",
]

_NAME = "ops/incidents"
_KEPT = timedelta(days=365)
_UNTOLD = "untold"
_COLUMNS = [one.name for one in fields(Incident)]

Decide = Callable[[Sequence[Incident]], Iterable[Incident]]


def raise_incident(
    ctx: Context,
    kind: str,
    *,
    message: str,
    dataset: str | None = None,
    step: str | None = None,
    platform: str | None = None,
    error: str = "",
) -> bool:
    """Open an incident, or count an open one of the same cause again, once a run.

    Args:
        kind: one of `concord.steps.incident_kinds.KINDS`.
        message: our own sentence, with counts; never a person's data.

    Returns:
        Whether this call opened it; then an alert goes out at the end of the Dag run.
    """
    seen = Sighting(
        kind=kind,
        subject=_subject(dataset, step, platform),
        message=message,
        run=ctx.run.id,
        at=ctx.now(),
        dataset=dataset,
        step=step,
        platform=platform,
        error=error,
    )
    return any(one.times == 1 for one in record(ctx, [seen]))


def close_incident(
    ctx: Context,
    kind: str,
    *,
    dataset: str | None = None,
    step: str | None = None,
    platform: str | None = None,
    error: str = "",
) -> bool:
    """Close the open incident of a cause, if there is one.

    Returns:
        Whether this call closed it; then an alert says once that it recovered.
    """
    subject = _subject(dataset, step, platform)
    if not any_open(ctx, subject):
        return False

    def decide(known: Sequence[Incident]) -> Iterable[Incident]:
        meant = [one for one in known if one.error == error]
        return recover(meant, subject, [kind], run=ctx.run.id, at=ctx.now())

    return bool(_changed(ctx, decide))


def look(ctx: Context, subject: str, sightings: Sequence[Sighting], over: Iterable[str]) -> None:
    """What a success of a job saw: causes to open or count again, kinds that are over.

    Reads no row where nothing was seen and nothing of *subject* is open.
    """
    if not sightings and not any_open(ctx, subject):
        return
    kinds = tuple(over)

    def decide(known: Sequence[Incident]) -> Iterable[Incident]:
        ended = list(recover(known, subject, kinds, run=ctx.run.id, at=ctx.now()))
        return [*ended, *_sighted(known, sightings)]

    _changed(ctx, decide)


def record(ctx: Context, sightings: Sequence[Sighting]) -> list[Incident]:
    """Write sightings; returns the incidents that they opened or counted again."""
    return _changed(ctx, lambda known: _sighted(known, sightings))


def open_incidents(ctx: Context, kind: str | None = None) -> tuple[Incident, ...]:
    """Those open now, oldest first; of one kind where it is given."""
    found = all_incidents(ctx)
    return tuple(one for one in found if one.is_open and kind in (None, one.kind))


def all_incidents(ctx: Context) -> tuple[Incident, ...]:
    """Every incident that is kept, oldest first."""
    return _known(ctx.open(_NAME))


def any_open(ctx: Context, subject: str) -> bool:
    """Whether an incident of *subject* is open, without reading a row."""
    return ctx.open(_NAME).cursor(_open(subject), None) > 0


def any_untold(ctx: Context) -> bool:
    """Whether an alert has something to tell, without reading a row."""
    return ctx.open(_NAME).cursor(_UNTOLD, None) > 0


def close_by_hand(ctx: Context, incident_id: str, *, reason: str | None) -> Incident:
    """Close an open incident as a person who has seen to it; no alert follows.

    Raises:
        UsageError: there is no open incident of that id.
    """

    def decide(known: Sequence[Incident]) -> Iterable[Incident]:
        meant = [one for one in known if one.incident_id == incident_id and one.is_open]
        return [close(one, at=ctx.now(), reason=reason) for one in meant]

    closed = _changed(ctx, decide)
    if not closed:
        raise UsageError("there is no open incident of that id; `concord incident list` has them")
    return closed[0]


def claim_untold(ctx: Context, *, heard: bool = True) -> tuple[Incident, ...]:
    """Incidents that an alert has still to tell of; each is given to one caller only.

    Reads no row where there are none.

    Args:
        heard: whether there is anybody to tell; they are given up otherwise.
    """
    if not any_untold(ctx):
        return ()
    found: list[Incident] = []

    def decide(known: Sequence[Incident]) -> Iterable[Incident]:
        found[:] = [one for one in known if one.untold]
        return silence(known, ctx.now() if heard else None)

    _changed(ctx, decide)
    return tuple(found)


def put_back(ctx: Context, incidents: Iterable[Incident]) -> None:
    """Let the next alert tell of claimed incidents: this one did not go out."""
    untold = {one.incident_id: one.untold for one in incidents if one.untold}
    _changed(ctx, lambda known: unsilence(known, untold))


def _sighted(known: Sequence[Incident], sightings: Sequence[Sighting]) -> list[Incident]:
    now = {one.incident_id: one for one in known}
    changed = {}
    for seen in sightings:
        one = sight(list(now.values()), seen)
        if one is not None:
            now[one.incident_id] = changed[one.incident_id] = one
    return list(changed.values())


def _changed(ctx: Context, decide: Decide) -> list[Incident]:
    """What *decide* changed of the newest rows; asked again when another writer was first."""
    made: list[Incident] = []

    def work(table: Table, _cursors: object) -> Change:
        known = _known(table)
        made[:] = decide(known)
        if not made:
            return Change()
        now = {one.incident_id: one for one in (*known, *made)}
        expired = [name for name, one in now.items() if _is_expired(one, ctx.now())]
        counts = {_open(name): count for name, count in open_by_subject(now.values()).items()}
        untold = sum(one.untold is not None for one in now.values())
        touched = {_open(one.subject) for one in made}
        return Change(
            _frame(ctx, [one for one in made if one.incident_id not in expired]),
            pl.Series(expired, dtype=pl.String),
            facts={_UNTOLD: untold, **{name: counts[name] for name in touched}},
        )

    publish(ctx.open(_NAME), work, upto={}, run=ctx.run)
    return made


def _is_expired(one: Incident, now: datetime) -> bool:
    return one.closed_at is not None and now - one.closed_at > _KEPT


def _known(table: Table) -> tuple[Incident, ...]:
    """Rows of the table, oldest first; those from before incidents had a life are left out."""
    rows = table.frame(columns=_COLUMNS).filter(pl.col("state").is_not_null()).sort("at").collect()
    return tuple(Incident(**{**row, "seen": tuple(row["seen"])}) for row in rows.to_dicts())


def _frame(ctx: Context, incidents: Iterable[Incident]) -> pl.DataFrame:
    schema = {n: k for n, k in frame_schema(ctx.project, _NAME).items() if n in _COLUMNS}
    rows = [{**asdict(one), "seen": list(one.seen)} for one in incidents]
    return pl.DataFrame(rows, schema=schema)


def _open(subject: str) -> str:
    return f"open/{subject}"


def _subject(dataset: str | None, step: str | None, platform: str | None) -> str:
    if dataset is not None:
        return dataset
    return ".".join(part for part in (step, platform) if part)
