"""People's values as they may be shown: enough to recognise a row, not enough to learn it."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from concord.contracts.document import Contract

__all__ = ["mask", "masked"]

_OPEN = ("public", "internal")
_TELLING = 2  # of so many signs the first says too much
_SAFE = frozenset(
    [
        "record_id",
        "person_id",
        "consent_id",
        "op_id",
        "content_id",
        "incident_id",
        "subject",
        "seen",
        "closed_by",
        "untold",
        "run_step",
        "version",
        "rules",
        "kind",
        "state",
        "status",
        "platform",
        "rule",
        "channel",
        "purpose",
        "step",
        "dataset",
        "outcome",
        "dag",
        "task",
        "error",
        "message",
        "tries",
        "run",
        "whole_run",
        "fault",
        "deleted_by",
        "team",
        "name",
    ]
)


def masked(frame: pl.DataFrame, contract: Contract | None) -> list[dict[str, Any]]:
    """The rows, with every value masked that is not classified public or internal.

    Args:
        contract: None where code declares the columns; then only ids, codes, numbers and instants
            are shown.
    """
    classes = {c.name: c.classification for c in contract.columns} if contract else {}

    def is_open(column: str) -> bool:
        return classes[column] in _OPEN if column in classes else column in _SAFE

    return [
        {name: value if is_open(name) else mask(value) for name, value in row.items()}
        for row in frame.to_dicts()
    ]


def mask(value: Any) -> Any:
    """*value* without what it says: its first letter, its length, its shape; of two signs none."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, date):
        return value if hasattr(value, "hour") else f"{value.year // 10}x-xx-xx"
    if isinstance(value, list):
        return [mask(one) for one in value]
    if isinstance(value, dict):
        return {name: mask(one) for name, one in value.items()}
    text = str(value)
    shown = text[:1] if len(text) > _TELLING else ""
    return shown + "*" * min(len(text) - len(shown), 7)
