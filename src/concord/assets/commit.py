"""The record that every commit carries: how this version came to be, without a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from concord.assets.dataset import ContractRef
from concord.errors import SchemaDrift

__all__ = ["KEY", "CommitRecord", "Input", "Position", "RunId"]

KEY = "concord"
MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class RunId:
    """Who is at work.

    Attributes:
        id: names the task instance; the same for all its tries.
        job: the project's job, for example ``clean.crm``.
        ol_run: this try's OpenLineage run.
    """

    id: str
    job: str
    ol_run: str | None = None
    try_number: int = 1


@dataclass(frozen=True, slots=True)
class Position:
    """How far an input is.

    Attributes:
        version: a Delta version, or the value of a cursor that is no table (a fingerprint).
        table_id: the Delta table's id; None for a cursor that is no table.
    """

    version: int
    table_id: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """The range of an input's versions that a commit weighed: after < version <= upto."""

    dataset: str
    table_id: str | None
    after: int
    upto: int
    feedback: bool = False


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """How one version came to be.

    Attributes:
        kind: ``snapshot``, ``heartbeat`` (only cursors moved), ``schema`` or ``maintenance``.
        version: of this commit.
        snapshot: the newest snapshot at this version; -1 when there is none yet.
        writer: names the one call that made the commit.
        at: instant, ISO 8601 UTC.
        rows: ``live`` after the commit, ``upserted``, ``deleted``.
        rules: failed rules with counts.
        extra: what the step wants to find again, small.
    """

    kind: str
    dataset: str
    version: int
    snapshot: int
    run: str
    job: str
    writer: str
    at: str
    ol_run: str | None = None
    inputs: tuple[Input, ...] = ()
    contract: ContractRef | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, Any]:
        """The record as Delta's commit metadata.

        Raises:
            SchemaDrift: it is larger than 4 KB.
        """
        data = asdict(self)
        size = len(orjson.dumps(data))
        if size > MOST_BYTES:
            raise SchemaDrift(
                f"{self.dataset}: the commit record would take {size} bytes, {MOST_BYTES} are allowed"
            )
        return {KEY: data}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> CommitRecord | None:
        """The record in a commit's metadata; None when the commit is not ours."""
        data = metadata.get(KEY)
        if not isinstance(data, dict):
            return None
        contract = data.get("contract")
        return cls(
            **{
                **data,
                "inputs": tuple(Input(**one) for one in data.get("inputs", ())),
                "contract": ContractRef(**contract) if contract else None,
            }
        )
