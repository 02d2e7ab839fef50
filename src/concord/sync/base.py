"""The base: what golden and a platform last agreed on, per record and column, seen from both sides.

With one side only, a platform that rewrites what it stores would rewrite golden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from concord.sync.mapped import Mapped
from concord.sync.values import Json, dump

__all__ = ["Base", "Pair", "compared"]

Pair = tuple[str, str]
"""Golden's value and the platform's, both as canonical JSON text."""


@dataclass(frozen=True, slots=True)
class Base:
    """One row of sync/<platform>/base.

    Attributes:
        record_id: the record; ``new:<person_id>`` while a create for that person stands refused.
        pairs: column to what was last agreed.
        rejects: kind of operation to the content the platform refused for good.
    """

    record_id: str
    pairs: Mapping[str, Pair] = field(default_factory=dict)
    rejects: Mapping[str, str] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """As the table holds it."""
        return {
            "record_id": self.record_id,
            "pairs": [
                {"column": column, "golden": golden, "remote": remote}
                for column, (golden, remote) in sorted(self.pairs.items())
            ],
            "rejects": [
                {"kind": kind, "content_id": content}
                for kind, content in sorted(self.rejects.items())
            ],
        }

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Base:
        """From a row of the table."""
        return cls(
            row["record_id"],
            {one["column"]: (one["golden"], one["remote"]) for one in row["pairs"] or ()},
            {one["kind"]: one["content_id"] for one in row["rejects"] or ()},
        )


def compared(mapped: Mapped, column: str, value: Json) -> str:
    """A value as pairs hold it: a list by the keys of its elements, whatever their order."""
    if column in mapped.lists:
        return dump(sorted(mapped.elements(column, value)))
    return dump(value)
