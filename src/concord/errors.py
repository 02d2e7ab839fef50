"""Every error Concord raises on purpose.

ConcordError
├── Terminal                 trying again changes nothing
│   ├── ProjectFaults        the project's files contradict the schema or each other
│   ├── NotDeployed          a table is missing or older than the project
│   ├── BreakingChange       a declared schema cannot be reached by adding columns
│   ├── SchemaDrift          a frame does not have its table's columns and types
│   ├── ContractBroken       the circuit breaker: too many rows break the contract
│   ├── LostRecords          a full listing lacks too many known records
│   ├── UnreadableInput      a file or answer that cannot be read as what it claims to be
│   ├── PlatformRefused      a platform says no: rights, address, a request it does not accept
│   ├── MissingConnection    an Airflow connection that the project names is not there
│   ├── RecordKeyChanged     the project's record key is not the one its ids were made with
│   ├── StepFailed           a foreign exception, named by class and place, never by its text
│   └── UsageError           a command asked for something that is not there
└── Transient                trying again may help
    ├── PlatformDown         no answer, or an answer that says "later"
    ├── Throttled            the platform names the time to wait
    ├── CursorExpired        the platform forgot our cursor: read everything once
    ├── LakeDown             the lake's object store does not answer, or refuses
    ├── NotWritten           the disk is full, or the storage refuses writes
    ├── LostRace             another writer won, again and again
    ├── Overtaken            another writer has read later versions than we have
    └── StaleContract        the last commit was made under a newer contract than ours

A message says where, what, how many and what to do next; it never holds a value of a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "BreakingChange",
    "ConcordError",
    "ContractBroken",
    "CursorExpired",
    "Fault",
    "LakeDown",
    "LostRace",
    "LostRecords",
    "MissingConnection",
    "NotDeployed",
    "NotWritten",
    "Overtaken",
    "PlatformDown",
    "PlatformRefused",
    "ProjectFaults",
    "RecordKeyChanged",
    "SchemaDrift",
    "StaleContract",
    "StepFailed",
    "Terminal",
    "Throttled",
    "Transient",
    "UnreadableInput",
    "UsageError",
]


_FULL = frozenset({"EDQUOT", "EFBIG", "ENOSPC"})


class ConcordError(Exception):
    """Root of all errors raised on purpose; `transient` tells the retry policy what to do."""

    transient = False


class Terminal(ConcordError):
    """Trying again changes nothing."""


class Transient(ConcordError):
    """Trying again may help."""

    transient = True


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One mistake in a file that people edit.

    Attributes:
        path: file, relative to the project.
        line: 1-based; 0 when the fault has no place in the file.
        what: the fault in one sentence.
        hint: what to do about it; empty when the sentence says it all.
    """

    path: str
    line: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class ProjectFaults(Terminal):
    """The project's files contradict the schema or each other; every fault is listed."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        count = f"{len(self.faults)} fault" + ("s" if len(self.faults) != 1 else "")
        listed = "\n".join(f"  {fault}" for fault in self.faults)
        return f"the project has {count}; nothing runs until they are mended:\n{listed}"


class _Sentence(ConcordError):
    """An error whose one argument is its message."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class NotDeployed(_Sentence, Terminal):
    """A table is missing or older than the project."""


class BreakingChange(_Sentence, Terminal):
    """A declared schema cannot be reached by adding columns."""


class SchemaDrift(_Sentence, Terminal):
    """A frame does not have its table's columns and types; names columns, never values."""


class MissingConnection(_Sentence, Terminal):
    """An Airflow connection that the project names is not there."""


class RecordKeyChanged(_Sentence, Terminal):
    """The project's record key is not the one its ids were made with."""


class UsageError(_Sentence, Terminal):
    """A command asked for something that is not there."""


class ContractBroken(Terminal):
    """Too many rows break the contract: nothing is published, the last good snapshot stays.

    Attributes:
        by_rule: rejected rows by rule; of a rule on the number of rows, that number.
        limit: maxQuarantineRatio; None when it is the number of rows that breaks a rule.
    """

    def __init__(
        self,
        dataset: str,
        rejected: int,
        checked: int,
        by_rule: Mapping[str, int],
        limit: float | None,
    ) -> None:
        super().__init__(dataset, rejected, checked, dict(by_rule), limit)
        self.dataset = dataset
        self.rejected = rejected
        self.checked = checked
        self.by_rule = dict(by_rule)
        self.limit = limit

    def __str__(self) -> str:
        worst = sorted(self.by_rule.items(), key=lambda item: (-item[1], item[0]))[:3]
        rules = ", ".join(f"{rule} ({rows})" for rule, rows in worst)
        if self.limit is None:
            return (
                f"{self.dataset}: the number of rows breaks the contract: {rules}. Nothing was "
                "published; the last good snapshot stays. Look at what was extracted, or edit the "
                "rule."
            )
        return (
            f"{self.dataset}: {self.rejected} of {self.checked} rows break the contract: {rules}. "
            f"That is over maxQuarantineRatio {self.limit:g}. The rows are in its quarantine; "
            "the last good snapshot stays published."
        )


class LostRecords(Terminal):
    """A full listing lacks so many known records that it is not believed."""

    def __init__(self, platform: str, missing: int, known: int) -> None:
        super().__init__(platform, missing, known)
        self.platform = platform
        self.missing = missing
        self.known = known

    def __str__(self) -> str:
        return (
            f"{self.platform}: the full listing lacks {self.missing} of {self.known} known "
            "records; nothing was published. If they were really deleted, run again with "
            "--accept-deletes."
        )


class UnreadableInput(Terminal):
    """A file or an answer that cannot be read as what it claims to be.

    Attributes:
        where: file name or platform and collection, never a path that holds a login.
        row: 1-based row or item; None when the whole input is meant.
    """

    def __init__(self, where: str, what: str, row: int | None = None) -> None:
        super().__init__(where, what, row)
        self.where = where
        self.what = what
        self.row = row

    def __str__(self) -> str:
        place = self.where if self.row is None else f"{self.where}, row {self.row}"
        return f"{place}: {self.what}"


class _PlatformError(ConcordError):
    """An error of one platform: its name, what happened, the platform's own code."""

    def __init__(self, platform: str, what: str, code: str = "") -> None:
        super().__init__(platform, what, code)
        self.platform = platform
        self.what = what
        self.code = code

    def __str__(self) -> str:
        code = f" [{self.code}]" if self.code else ""
        return f"{self.platform}: {self.what}{code}"


class PlatformRefused(_PlatformError, Terminal):
    """A platform says no: rights, address, or a request it does not accept."""


class PlatformDown(_PlatformError, Transient):
    """No answer, half an answer, or an answer that says "later"."""


class CursorExpired(_PlatformError, Transient):
    """The platform forgot our cursor; extract reads everything once instead."""


class Throttled(Transient):
    """The platform names the time to wait.

    Attributes:
        retry_after_s: seconds to wait before the next try.
    """

    def __init__(self, platform: str, retry_after_s: float) -> None:
        super().__init__(platform, retry_after_s)
        self.platform = platform
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.platform}: asked us to wait {self.retry_after_s:g} s before the next call"


class NotWritten(Transient):
    """The disk is full, or the storage refuses writes; what was there before still stands.

    Attributes:
        where: a dataset, or what was to be written.
        code: the system's name of its refusal, for example ``ENOSPC``.
    """

    def __init__(self, where: str, code: str) -> None:
        super().__init__(where, code)
        self.where = where
        self.code = code

    def __str__(self) -> str:
        why = "no room is left" if self.code in _FULL else "the storage refuses it"
        return (
            f"{self.where}: could not be written, {why} [{self.code}]; nothing of it is visible, "
            "and the last good snapshot stays. Make room or mend the rights, then run again."
        )


class LakeDown(Transient):
    """The lake's object store does not answer, or refuses; nothing was read and nothing written."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    def __str__(self) -> str:
        return (
            f"{self.where}: the lake's object store does not answer, or refuses; nothing was "
            "written. See that it is up, that the bucket is there, and what lake_connection says "
            "of endpoint and credentials, then run again."
        )


class LostRace(Transient):
    """Another writer won every time; nothing of ours was written."""

    def __init__(self, dataset: str, attempts: int) -> None:
        super().__init__(dataset, attempts)
        self.dataset = dataset
        self.attempts = attempts

    def __str__(self) -> str:
        return f"{self.dataset}: another writer won {self.attempts} times; nothing was written"


class Overtaken(Transient):
    """Another writer has weighed a later version of an input; nothing of ours was written."""

    def __init__(self, dataset: str, source: str) -> None:
        super().__init__(dataset, source)
        self.dataset = dataset
        self.source = source

    def __str__(self) -> str:
        return (
            f"{self.dataset}: another run has weighed a later version of {self.source} than this "
            "one read; nothing was written, and the next try reads the newest"
        )


class StaleContract(Transient):
    """The last commit was made under a newer contract than the one this process holds."""

    def __init__(self, dataset: str, ours: str, published: str) -> None:
        super().__init__(dataset, ours, published)
        self.dataset = dataset
        self.ours = ours
        self.published = published

    def __str__(self) -> str:
        return (
            f"{self.dataset}: published under contract {self.published}, this process holds "
            f"{self.ours}; run `concord deploy` with the newer project"
        )


class StepFailed(Terminal):
    """A foreign exception, named by its class and the place in our code, never by its text."""

    def __init__(self, step: str, kind: str, place: str, *, transient: bool = False) -> None:
        super().__init__(step, kind, place)
        self.step = step
        self.kind = kind
        self.place = place
        self.transient = transient

    def __str__(self) -> str:
        return (
            f"{self.step}: {self.kind} at {self.place}; its text is withheld, it may quote records"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (_step_failed, (self.step, self.kind, self.place, self.transient))


def _step_failed(step: str, kind: str, place: str, transient: bool) -> StepFailed:
    return StepFailed(step, kind, place, transient=transient)
