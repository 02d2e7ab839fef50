"""What a step gets from outside, and what it gives back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from concord.assets.commit import RunId
from concord.assets.point import At, unwatched
from concord.assets.snapshot import Published
from concord.assets.table import Lake, Table
from concord.errors import NotDeployed
from concord.platforms.connection import Connection
from concord.platforms.effort import Effort
from concord.project import Project

__all__ = ["Context", "Progress", "Result", "keyed_hash"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step got.

    Attributes:
        done: units finished.
        total: units there are; None when nobody knows yet.
        unit: plural noun, for example ``records``.
    """

    step: str
    platform: str | None
    done: int
    total: int | None
    unit: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a step did.

    Attributes:
        published: one for every dataset it may write, in the order of the commits.
        reads: calls that read a platform.
        writes: operations a platform carried out.
        rows_in: rows the step looked at.
        quarantined: rows now in its quarantine.
        notes: sentences for the closing table; no values.
        facts: small JSON for the next task, for example how many chunks to deliver.
    """

    step: str
    platform: str | None
    published: tuple[Published, ...] = ()
    reads: int = 0
    writes: int = 0
    rows_in: int = 0
    quarantined: int = 0
    notes: tuple[str, ...] = ()
    facts: Mapping[str, int] = field(default_factory=dict)

    @property
    def moved(self) -> bool:
        """Whether a snapshot was published, by this try or by an earlier one of the same run."""
        return any(one.outcome in ("written", "already") for one in self.published)


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a step needs from outside, as one value.

    Attributes:
        record_key: secret of the project; keys every hash that leaves a data table.
        connect: name of an Airflow connection to the connection; raises `MissingConnection`.
        now: the clock, aware UTC.
        tell: takes progress; must be cheap.
        at: called before and after every commit and every platform call.
        effort: takes in what the calls to platforms took.
    """

    project: Project
    run: RunId
    lake: Lake
    record_key: bytes
    connect: Callable[[str], Connection]
    now: Callable[[], datetime]
    tell: Callable[[Progress], None]
    at: At = unwatched
    effort: Effort = field(default_factory=Effort, compare=False)

    def open(self, dataset: str) -> Table:
        """The dataset's table as it is now, if it is deployed as declared.

        Raises:
            NotDeployed: it is missing, or lacks a column that the project declares.
        """
        from concord.steps.tables import frame_schema

        table = self.lake.open(self.project.datasets[dataset], at=self.at)
        missing = set(frame_schema(self.project, dataset)) - set(table.columns)
        if missing:
            listed = ", ".join(sorted(missing))
            raise NotDeployed(f"{dataset}: the table lacks {listed}; run `concord deploy`")
        return table

    def hash(self, *parts: str) -> str:
        """Keyed hash of *parts*, 32 hexadecimal digits."""
        return keyed_hash(self.record_key, *parts)

    def record_id(self, platform: str, remote_id: str) -> str:
        """The id of a record everywhere outside its platform's tables."""
        return self.hash("record", platform, remote_id)


def keyed_hash(key: bytes, *parts: str) -> str:
    """BLAKE2b of the parts, each preceded by its length, under *key* (RFC 7693)."""
    digest = hashlib.blake2b(key=key[:64], digest_size=16)
    for part in parts:
        content = part.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()
