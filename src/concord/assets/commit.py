"""The record that every commit carries: how this version came to be, without a person's data.

It stands in Delta's commit metadata under the key ``concord``: one JSON object of about 1 KB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import orjson

from concord.assets.dataset import ContractRef
from concord.errors import SchemaDrift

__all__ = ["KEY", "CommitRecord", "Input", "Position", "RunId", "app_id"]

KEY = "concord"
_MOST_BYTES = 4096
_MOST_RULES = 25


@dataclass(frozen=True, slots=True)
class RunId:
    """Who is at work.

    Attributes:
        id: names the task instance; the same for all its tries, another one for every run.
        job: the project's job, for example ``clean.crm``.
        ol_run: this try's OpenLineage run.
        whole: the run of the whole graph that this is part of, where somebody started one.
    """

    id: str
    job: str
    ol_run: str | None = None
    try_number: int = 1
    whole: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """How far an input is.

    Attributes:
        version: a Delta version, or the value of a cursor that is no table (a fingerprint).
        table_id: the Delta table's id; None for a cursor that is no table.
    """

    version: int
    table_id: str | None = None

    def is_ahead_of(self, cursor: int) -> bool:
        """Whether there is something to weigh: a later version, or another fingerprint."""
        return cursor < self.version if self.table_id is not None else cursor != self.version

    def is_behind(self, cursor: int) -> bool:
        """Whether a later version of the table was weighed already."""
        return self.table_id is not None and cursor > self.version


def app_id(name: str, table_id: str | None) -> str:
    """The Delta transaction id under which a table keeps its cursor on an input."""
    return f"concord:{table_id or name}"


@dataclass(frozen=True, slots=True)
class Input:
    """The range of an input's versions that a commit weighed: after < version <= upto.

    Attributes:
        table_id: None for a cursor that is no table; *after* and *upto* are fingerprints then.
        after: -1 when nothing was weighed before.
        feedback: the input lies downstream of the dataset.
    """

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
        run: without the try.
        writer: names the one call that made the commit.
        at: instant, ISO 8601 UTC.
        inputs: one for every cursor the table has; those that did not move have after == upto.
        contract: the one the rows were last judged by.
        definitions: name to hash of what the version was made by.
        rows: ``live`` after the commit, ``upserted``, ``deleted``.
        rules: failed rules with counts; the rarest of very many are one count, ``others``.
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
    definitions: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, Any]:
        """The record as Delta's commit metadata.

        Raises:
            SchemaDrift: it is larger than 4 KB.
        """
        data = asdict(replace(self, rules=_most_broken(self.rules)))
        size = len(orjson.dumps(data))
        if size > _MOST_BYTES:
            raise SchemaDrift(
                f"{self.dataset}: the commit record would take {size} bytes, {_MOST_BYTES} are "
                "allowed; put less into `extra` or `definitions`"
            )
        return {KEY: data}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> CommitRecord | None:
        """The record in a commit's metadata; None when the commit is not ours.

        Entries that only a newer Concord knows are passed over.
        """
        data = metadata.get(KEY)
        if not isinstance(data, dict):
            return None
        contract = data.get("contract")
        known = {name: data[name] for name in _FIELDS if name in data}
        known["inputs"] = tuple(Input(**one) for one in data.get("inputs", ()))
        known["contract"] = ContractRef(**contract) if contract else None
        return cls(**known)

    def settled_inputs(self) -> tuple[Input, ...]:
        """The inputs as a later commit that moves no cursor names them."""
        return tuple(replace(one, after=one.upto) for one in self.inputs)


_FIELDS = tuple(one.name for one in fields(CommitRecord))


def _most_broken(rules: Mapping[str, int]) -> dict[str, int]:
    ranked = sorted(rules.items(), key=lambda item: (-item[1], item[0]))
    kept = dict(ranked[:_MOST_RULES])
    rest = sum(rows for _, rows in ranked[_MOST_RULES:])
    return {**kept, "others": rest} if rest else kept
