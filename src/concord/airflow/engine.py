"""The seam between Airflow and the rest of Concord; what is behind it loads when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from concord.airflow.lake import lake_of
from concord.platforms.effort import Effort

if TYPE_CHECKING:
    from concord.assets.point import Point
    from concord.platforms.connection import Connection
    from concord.project import Project
    from concord.steps.context import Context, Progress, Result
    from concord.steps.incident_life import Sighting

__all__ = ["Attempt", "Engine", "Incident", "command_context", "reading_context"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one task instance.

    Attributes:
        job: name of the project's job, for example ``clean.crm``.
        run: Airflow's run id.
        map_index: -1 for a task that is not mapped.
        try_number: 1-based.
        ol_run: id of this try's OpenLineage run, if there is one.
        whole: the embedded run that it is part of, if there is one.
        effort: takes in what its calls to platforms take, also when it fails.
    """

    job: str
    dag: str
    task: str
    run: str
    map_index: int = -1
    try_number: int = 1
    ol_run: str | None = None
    whole: str | None = None
    effort: Effort = field(default_factory=Effort, compare=False)

    @property
    def run_id(self) -> str:
        """Names the task instance; the same for all its tries."""
        return f"{self.dag}/{self.run}/{self.task}/{self.map_index}"


@dataclass(frozen=True, slots=True)
class Incident:
    """A task that failed for good.

    Attributes:
        kind: ``failed``, or ``killed`` when the task's process died without a word.
        error: class of the error; empty when nobody knows it.
        message: our own sentence; never a foreign text.
        job: what failed; a Dag's task that is no job of ours is called by its own name.
        marker: names the task instance; writing it twice is writing it once.
    """

    kind: str
    dag: str
    task: str
    step: str
    platform: str | None
    error: str
    message: str
    tries: int
    at: datetime
    marker: str
    job: str

    def to_json(self) -> dict[str, Any]:
        """The incident as small JSON."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Incident:
        """Read what `to_json` made."""
        return cls(**{**data, "at": datetime.fromisoformat(data["at"])})


class Engine:
    """What Dags, tasks and the worker ask of a project; tests put a small one in its place."""

    def root(self, dag_file: str | Path) -> Path:
        """The project that *dag_file* belongs to."""
        from concord.project import find_root

        return find_root(Path(dag_file).resolve().parent)

    def project(self, root: Path) -> Project:
        """The project as deployed."""
        from concord.project import resolve

        return resolve(root)

    def run(
        self,
        project: Project,
        attempt: Attempt,
        *,
        tell: Callable[[Progress], None],
        options: Mapping[str, Any],
    ) -> Result:
        """Do the attempt's job."""
        from concord.steps.registry import run_step

        job = project.job(attempt.job)
        context = _context(project, attempt, key=_record_key(project), tell=tell)
        context = replace(context, at=partial(self.at, attempt))
        return run_step(job.step, context, platform=job.platform, **options)

    def at(self, attempt: Attempt, point: Point) -> None:
        """Log a point at level debug: the last one in a killed task's log says where it died."""
        where = {"kind": point.kind, "of": point.of, "what": point.what, "size": point.size}
        log.debug(f"{point.when} a {point.kind}", job=attempt.job, **where)

    def record(self, project: Project, incidents: Sequence[Incident]) -> None:
        """Write incidents to ops/incidents; those already there are left alone."""
        from concord.steps.incidents import record

        context = _context(
            project, Attempt("incidents", "", "", "incidents"), key=b"", tell=_silent
        )
        record(context, [_sighting(project, one) for one in incidents])

    def alert(self, project: Project) -> int:
        """Send one alert of all that opened or closed since the last; returns how many it tells of.

        What could not be sent is told of by the next one.
        """
        from concord.airflow.alerts import base_url, message, send, way_of
        from concord.steps.incidents import any_untold, claim_untold, put_back

        context = _context(project, Attempt("alert", "", "", "alert"), key=b"", tell=_silent)
        if not any_untold(context):
            return 0
        way = way_of(project.alerts.connection)
        incidents = claim_untold(context, heard=way is not None)
        if way is None or not incidents:
            return 0
        if not send(way, message(project.name, incidents, base_url())):
            put_back(context, incidents)
            return 0
        return len(incidents)

    def untold(self, project: Project) -> bool:
        """Whether an alert has something to tell."""
        from concord.steps.incidents import any_untold

        attempt = Attempt("sweep", "", "", "sweep")
        return any_untold(_context(project, attempt, key=b"", tell=_silent))

    def behind(self, project: Project) -> tuple[str, ...]:
        """Names of the jobs that have a snapshot, plan or receipt after their cursor."""
        from concord.steps.cursors import behind

        attempt = Attempt("sweep", "", "", "sweep")
        return tuple(behind(_context(project, attempt, key=b"", tell=_silent)))


def _sighting(project: Project, incident: Incident) -> Sighting:
    from concord.jobs import main_dataset
    from concord.steps.incident_life import Sighting

    jobs = {job.name: job for job in project.jobs}
    return Sighting(
        kind=incident.kind,
        subject=incident.job,
        message=incident.message,
        run=incident.marker,
        at=incident.at,
        dataset=main_dataset(jobs[incident.job]) if incident.job in jobs else None,
        step=incident.step,
        platform=incident.platform,
        error=incident.error,
        tries=incident.tries,
    )


def command_context(project: Project, attempt: Attempt) -> Context:
    """A context for what runs outside any task."""
    return _context(project, attempt, key=_record_key(project), tell=_silent)


def reading_context(project: Project, attempt: Attempt) -> Context:
    """A context for what only reads tables: it asks for no connection but the lake's."""
    return _context(project, attempt, key=b"", tell=_silent)


def _silent(_: Progress) -> None:
    return None


def _connect(name: str) -> Connection:
    from concord.airflow.connections import connect

    return connect(name)


def _record_key(project: Project) -> bytes:
    from concord.airflow.record_key import own_record_key
    from concord.errors import MissingConnection

    try:
        key = _connect(project.record_key).password.encode()
    except MissingConnection:
        own = own_record_key()
        if own is None:
            raise
        return own
    if not key:
        raise MissingConnection(
            f"the Airflow connection {project.record_key!r} has no password; it is the key that "
            "every id is made with: set it once, to at least 32 random characters, and keep it"
        )
    return key


def _context(
    project: Project, attempt: Attempt, *, key: bytes, tell: Callable[[Progress], None]
) -> Context:
    from concord.assets.commit import RunId
    from concord.steps.context import Context

    return Context(
        project=project,
        run=RunId(
            id=attempt.run_id,
            job=attempt.job,
            ol_run=attempt.ol_run,
            try_number=attempt.try_number,
            whole=attempt.whole,
        ),
        lake=lake_of(project, _connect),
        record_key=key,
        connect=_connect,
        now=lambda: datetime.now(UTC),
        tell=tell,
        effort=attempt.effort,
    )
