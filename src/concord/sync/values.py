"""Canonical values: when two of them say the same, and how they are written as text.

A canonical value is what a contract column holds, in JSON's types: text, number, boolean, null, or
a list of elements ``{"value": text, "type": text | null, "preferred": bool}``.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

__all__ = ["Json", "Values", "alike", "dump", "folded", "load"]

Json = Any
"""A value in JSON's types."""

Values = Mapping[str, Json]
"""One value per column (or per native field, where that is said)."""


def alike(one: Json, other: Json) -> bool:
    """Whether two canonical values say the same; letter case and blanks say nothing."""
    return bool(folded(one) == folded(other))


def folded(value: Json) -> Json:
    """What of a value counts when two are compared: text without case and surplus blanks."""
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFC", value).casefold().split()) or None
    return value


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def dump(value: Json) -> str:
    """Canonical JSON text: equal values give equal text."""
    return _ENCODER.encode(value)


def load(text: str | None) -> Json:
    """What `dump` wrote; null for no text."""
    return None if text is None else json.loads(text)
