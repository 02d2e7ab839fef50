"""What every kind of platform offers: the terms, and the `Source` and `Sink` interfaces.

A *record* is one contact as the platform holds it. A *native field* is the platform's own name
for one of its values; only native fields that the project maps are ever read. A *page* is what one
call of a reading returns. A *cursor* is an opaque text that says how far a reading got. An
*operation* is one intended write, a *receipt* says what became of it.

Native values travel as text, null, or (for a multi-valued field such as a card's EMAIL) a list of
elements ``{"value": text, "type": text | null, "preferred": bool}``. Numbers, booleans and instants
are text as the platform would show them: ``"true"``, ``"2026-11-25"``,
``"2026-11-25T08:00:00+00:00"``.

Errors: `PlatformDown`, `Throttled` and `CursorExpired` are transient; `PlatformRefused` and
`UnreadableInput` are terminal. A record that cannot be read whole is not an error: it comes as a
`Record` with a `fault`, and its neighbours come as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

__all__ = [
    "Capabilities",
    "CheckReport",
    "CreateKey",
    "Delta",
    "ListPatch",
    "Native",
    "Operation",
    "Outcome",
    "Page",
    "Partial",
    "Receipt",
    "Record",
    "Sink",
    "Source",
    "Verb",
]

Native = str | None | list[dict[str, Any]]
"""The value of one native field."""


class Delta(StrEnum):
    """How a platform tells what changed."""

    TOKEN = "token"  # an opaque server cursor, with tombstones
    WATERMARK = "watermark"  # modified since; overlap and re-reading are ours
    SNAPSHOT = "snapshot"  # full listings only


class CreateKey(StrEnum):
    """What makes a repeated create harmless."""

    EXTERNAL_ID = "external_id"  # a field of the platform holds our person_id
    CLIENT_ID = "client_id"  # we choose the record's name; a second create is refused
    NONE = "none"  # only the server names records: probe before sending again


class Partial(StrEnum):
    """What becomes of a batch that holds one bad operation."""

    PER_ROW = "per_row"
    ATOMIC = "atomic"


class Verb(StrEnum):
    """What an operation does to a record."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Outcome(StrEnum):
    """What became of an operation."""

    OK = "ok"
    EXISTS = "exists"  # create: a record with our id stands; nothing was overwritten
    GONE = "gone"  # update or delete: the record is not there any more
    CONFLICT = "conflict"  # a mapped value is not what the plan saw; nothing was written
    REJECTED = "rejected"  # the platform refuses this operation for good


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What steps need to know of a platform, in place of its name.

    Attributes:
        delta: how changes are told.
        tombstones: a delta names deleted records.
        create_key: what makes a repeated create harmless.
        partial: what one bad operation does to its batch.
        batch: most operations in one `Sink.write`.
        page: records asked for in one call.
        multivalued: native fields that hold a list of elements.
    """

    delta: Delta
    tombstones: bool
    create_key: CreateKey
    partial: Partial = Partial.PER_ROW
    batch: int = 100
    page: int = 500
    multivalued: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Record:
    """One record as read.

    Attributes:
        remote_id: the platform's own id; None when the record carries none (then `fault` is set).
        version: ETag, row version or content digest; None when the platform has none.
        modified_at: the platform's own date of the last change, aware UTC; None when unknown.
        deleted: a tombstone; `fields` is empty.
        external_id: the person_id that a write of ours left on the record, if any.
        fields: mapped native fields, every one present (null when empty).
        fault: why the record could not be read whole: ``id.missing``, ``id.duplicate``,
            ``record.damaged``; None for a sound record.
        place: file and row, or collection and position, of a record with a fault; no personal data.
    """

    remote_id: str | None
    fields: Mapping[str, Native] = field(default_factory=dict)
    version: str | None = None
    modified_at: datetime | None = None
    deleted: bool = False
    external_id: str | None = None
    fault: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What one call of a reading returned.

    Attributes:
        records: in the platform's order.
        cursor: where the next delta reading starts; only the last page's counts.
        full: this reading lists everything, so absence means deletion.
        calls: calls this page took.
        notes: what the run should tell of this reading, one sentence each; no values.
    """

    records: Sequence[Record]
    cursor: str | None
    full: bool
    calls: int = 1
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ListPatch:
    """A change of a multi-valued native field: what is not named stays as it is.

    Attributes:
        add: elements to add.
        remove: values, as the platform stores them, of the elements to remove.
    """

    add: Sequence[Mapping[str, Any]] = ()
    remove: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One intended write.

    Attributes:
        op_id: names the operation in its receipt.
        verb: create, update or delete.
        remote_id: the record; None for a create.
        person_id: what a create leaves in the platform's external id.
        values: native fields to write; None clears; an absent field stays untouched.
        expect: native fields as the plan saw them; a write happens only if they still stand so.
    """

    op_id: str
    verb: Verb
    remote_id: str | None
    person_id: str
    values: Mapping[str, Native | ListPatch] = field(default_factory=dict)
    expect: Mapping[str, Native] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one operation.

    Attributes:
        op_id: the operation's.
        outcome: see `Outcome`.
        record: the record as stored after the call (after a conflict: as found); a tombstone after
            a delete or when gone; None for a rejected operation.
        code: the platform's own code of a refusal; no text, no values.
    """

    op_id: str
    outcome: Outcome
    record: Record | None
    code: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `concord platform check` tells of a connection.

    Attributes:
        server: product and version, as far as the server tells.
        readable: the collection can be read.
        writable: None when that cannot be told without writing.
        sample: at most five records.
        notes: what was detected (delimiter, encoding, …), one sentence each.
    """

    server: str
    readable: bool
    writable: bool | None
    sample: Sequence[Record]
    notes: Sequence[str] = ()


class Source(Protocol):
    """Reads one platform, page by page; holds no more than a page in memory."""

    @property
    def capabilities(self) -> Capabilities:
        """What this platform can do."""
        ...

    def check(self) -> CheckReport:
        """Try the connection and the rights; reads at most five records."""
        ...

    def changes(self, cursor: str) -> Iterator[Page]:
        """Read what changed since *cursor*; `CursorExpired` when the platform forgot it.

        Kinds with `Delta.SNAPSHOT` yield a full listing, or nothing but the cursor when the
        cursor says that nothing changed.
        """
        ...

    def listing(self) -> Iterator[Page]:
        """Read every record."""
        ...

    def read(self, remote_ids: Sequence[str]) -> Sequence[Record]:
        """Read these records as they are now; one that is not there comes as a tombstone."""
        ...

    def find(self, person_ids: Sequence[str]) -> Sequence[Record]:
        """Find live records by the external id that our create left; those not there are left out.

        Raises:
            PlatformRefused: the platform has no external id (`CreateKey.NONE`).
        """
        ...


class Sink(Protocol):
    """Writes one platform; the same object is usually its `Source` too."""

    def write(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        """Carry out at most `Capabilities.batch` operations; one receipt each, in their order.

        A transient error means that nothing is known of the batch: the caller settles it by
        reading. A create whose person_id is already there answers `Outcome.EXISTS`.
        """
        ...
