"""The life of incidents, decided: opened once a cause, counted again, closed, told of once.

A cause is a kind, what it befell (a dataset, or a step of a platform) and the class of the error.
Everything here is a function of the incidents that are known and of what one run saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from concord.steps.incident_kinds import FAILURES

__all__ = [
    "OPENED",
    "RECOVERED",
    "Incident",
    "Sighting",
    "close",
    "open_by_subject",
    "recover",
    "sight",
    "silence",
    "unsilence",
]

OPENED, RECOVERED = "opened", "recovered"
_REMEMBERED = 20


@dataclass(frozen=True, slots=True)
class Sighting:
    """One try, or one look, that saw a cause.

    Attributes:
        subject: a job (``clean.crm``) or a dataset.
        error: class of the error; empty where there is none.
        message: our own sentence with counts; never a person's data.
        run: names the task instance, ``dag/run/task/map``.
        tries: which try it was; 0 where nothing was tried.
    """

    kind: str
    subject: str
    message: str
    run: str
    at: datetime
    dataset: str | None = None
    step: str | None = None
    platform: str | None = None
    error: str = ""
    tries: int = 0

    @property
    def cause(self) -> str:
        """What incidents of one cause have in common; the beginning of their ids."""
        return ":".join(part for part in (self.kind, self.subject, self.error) if part)

    @property
    def mark(self) -> str:
        """Tells this sighting from those of other tries."""
        return f"{self.run}#{self.tries}"


@dataclass(frozen=True, slots=True)
class Incident:
    """One opening of a cause: a row of ops/incidents.

    Attributes:
        incident_id: the cause and the how manieth opening it is.
        at: when it was first seen.
        run: which saw it first.
        times: sightings.
        seen: marks of the newest of them, oldest first.
        closed_by: the run that recovered, or ``a person``.
        reason: what that person says.
        untold: what an alert has still to say: ``opened``, ``recovered``, or None.
        told_at: when an alert went out last.
    """

    incident_id: str
    at: datetime
    kind: str
    state: str
    subject: str
    dataset: str | None
    step: str | None
    platform: str | None
    error: str
    message: str
    run: str
    dag: str | None
    task: str | None
    tries: int
    times: int
    last_at: datetime
    seen: tuple[str, ...]
    closed_at: datetime | None = None
    closed_by: str | None = None
    reason: str | None = None
    untold: str | None = None
    told_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody and nothing has closed it."""
        return self.state == "open"

    @property
    def cause(self) -> str:
        """As `Sighting.cause`."""
        return self.incident_id.rpartition(":")[0]


def sight(known: Sequence[Incident], one: Sighting) -> Incident | None:
    """The incident that *one* opens or counts again; None when it is known already.

    A task that died without a word is told of by others than itself, perhaps beside its own word:
    the first to tell of a try has told of it. What recovers and fails in one Dag run, as chunks of
    a plan may, was never over.
    """
    family = FAILURES if one.kind in FAILURES else {one.kind}
    if any(
        one.mark in past.seen and past.kind in family and past.subject == one.subject
        for past in known
    ):
        return None
    same = [past for past in known if past.cause == one.cause]
    last = max(same, key=_number, default=None)
    if last is None or not (last.is_open or _within_one_run(last.closed_by, one.run)):
        return _opened(one, 1 + (_number(last) if last else 0))
    still_untold = OPENED if last.told_at is None else None
    return replace(
        last,
        state="open",
        closed_at=None,
        closed_by=None,
        reason=None,
        untold=last.untold if last.is_open else still_untold,
        message=one.message,
        tries=one.tries,
        times=last.times + 1,
        last_at=max(last.last_at, one.at),
        seen=(*last.seen, one.mark)[-_REMEMBERED:],
    )


def _opened(one: Sighting, number: int) -> Incident:
    dag, _, task = _place(one.run)
    return Incident(
        incident_id=f"{one.cause}:{number}",
        at=one.at,
        kind=one.kind,
        state="open",
        subject=one.subject,
        dataset=one.dataset,
        step=one.step,
        platform=one.platform,
        error=one.error,
        message=one.message,
        run=one.run,
        dag=dag,
        task=task,
        tries=one.tries,
        times=1,
        last_at=one.at,
        seen=(one.mark,),
        untold=OPENED,
    )


def _number(incident: Incident) -> int:
    return int(incident.incident_id.rpartition(":")[2])


def _place(run: str) -> tuple[str | None, str, str | None]:
    """Dag, Dag run and task of a task instance; None for what runs outside of Airflow."""
    parts = run.split("/")
    if len(parts) != 4:
        return None, run, None
    return parts[0], f"{parts[0]}/{parts[1]}", parts[2]


def _within_one_run(one: str | None, other: str) -> bool:
    return one is not None and _place(one)[1] == _place(other)[1]


def recover(
    known: Iterable[Incident], subject: str, kinds: Iterable[str], *, run: str, at: datetime
) -> Iterator[Incident]:
    """Open incidents of *subject* that are over, closed.

    A failure is over when the same task succeeds: in another Dag run, or as the same task instance
    in a later try. The neighbours of a failed chunk say nothing of it.

    Args:
        kinds: of which *run* saw that they are over.
    """
    wanted = frozenset(kinds)
    for one in known:
        if one.is_open and one.subject == subject and one.kind in wanted and _answers(one, run):
            yield replace(one, state="closed", closed_at=at, closed_by=run, untold=RECOVERED)


def _answers(incident: Incident, run: str) -> bool:
    if incident.kind not in FAILURES:
        return True
    last = incident.seen[-1].rpartition("#")[0]
    if _within_one_run(last, run):
        return last == run
    return _place(last)[2] in (None, _place(run)[2])


def close(one: Incident, *, at: datetime, reason: str | None) -> Incident:
    """The incident, closed by a person, who needs no alert."""
    return replace(
        one, state="closed", closed_at=at, closed_by="a person", reason=reason, untold=None
    )


def silence(known: Iterable[Incident], at: datetime | None) -> Iterator[Incident]:
    """Incidents that an alert has still to tell of, as told; as given up where *at* is None."""
    return (replace(one, untold=None, told_at=at or one.told_at) for one in known if one.untold)


def unsilence(known: Iterable[Incident], untold: Mapping[str, str]) -> Iterator[Incident]:
    """Incidents whose alert did not go out, to be told of by the next one.

    Args:
        untold: incident id to what the lost alert had to say.
    """
    for one in known:
        if one.untold is None and one.incident_id in untold:
            yield replace(one, untold=untold[one.incident_id], told_at=None)


def open_by_subject(known: Iterable[Incident]) -> dict[str, int]:
    """How many incidents are open, by subject; also those of which none is."""
    found: dict[str, int] = {}
    for one in known:
        found[one.subject] = found.get(one.subject, 0) + one.is_open
    return found
