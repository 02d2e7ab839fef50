"""What a run leaves behind, in a form in which two runs can be compared.

Two runs of the same people may differ in
- instants since the runs began: ``<now>`` stands for each of them;
- what covers such instants: row hashes, and the platforms' own versions of a record;
- receipts, which are history: how often and under which plan something was intended, and whether
  its receipt was written at once or settled after a kill. What they led to is in base and raw;
- the journals under ``ops/``.
All else is equal, ids too: they are keyed hashes of what the platforms call their records.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import World

__all__ = [
    "FROM_WHOM",
    "State",
    "differences",
    "end_state",
    "outcome",
    "records_of",
    "whoever_was_read_last",
]

State = dict[str, list[dict[str, str]]]
"""Place and key to what stands there, column by column; more than one is a double."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d(?::\d\d)?|Z)")
_COVERS_INSTANTS = ("_row_hash", "version")
_HISTORY = ("ops/", "sync/crm/receipts", "sync/address_book/receipts", "sync/newsletter/receipts")


FROM_WHOM = ("cells", "_cells", "_sources", "updated_at")
"""Columns that say where a value was found, and how it is dated there."""


def whoever_was_read_last(state: State) -> State:
    """The state without `FROM_WHOM`.

    Of a value that two platforms hold, the one that was read last is the source. A kill while one
    is read for the first time, or two executors' slots, may turn the order round.
    """
    return {
        key: [{name: v for name, v in row.items() if name not in FROM_WHOM} for row in found]
        for key, found in state.items()
    }


def end_state(world: World, began_at: datetime) -> State:
    """Rows of every table and records of every platform."""
    found: State = defaultdict(list)

    def add(place: str, key: Any, row: dict[str, Any]) -> None:
        found[f"{place} {key}"].append({n: _plain(v, began_at) for n, v in row.items()})

    for name, dataset in world.ctx.project.datasets.items():
        if name.startswith(_HISTORY):
            continue
        for row in world.rows(name):
            kept = {n: v for n, v in row.items() if n not in _COVERS_INSTANTS}
            add(name, row[dataset.key], kept)
    for row in json.loads(world.crm.saved()):
        add("crm", row["id"], row)
    for name in world.book.names():
        add("address_book", name, {"card": world.book.text(name)})
    for line in world.newsletter.lines():
        add("newsletter", line.split(";")[0], {"line": line})
    return dict(found)


def differences(found: State, wanted: State) -> list[str]:
    """Where two states differ, and in which columns; no values."""
    told = []
    for key in sorted({*found, *wanted}):
        have, want = found.get(key, []), wanted.get(key, [])
        if len(have) != len(want):
            told.append(f"{key}: {len(have)} rows in place of {len(want)}")
            continue
        for one, other in zip(have, want, strict=True):
            columns = [n for n in {**one, **other} if one.get(n) != other.get(n)]
            told += [f"{key}: {', '.join(columns)}"] if columns else []
    return told


def _plain(value: Any, began_at: datetime) -> str:
    def said(found: re.Match[str]) -> str:
        text = found.group().replace("Z", "+00:00").replace(" ", "T")
        instant = datetime.fromisoformat(text if text[-3] == ":" else f"{text}:00")
        return "<now>" if instant.astimezone(UTC) >= began_at else found.group()

    text = value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)
    return _INSTANT.sub(said, text)


def outcome(state: State) -> dict[frozenset[str], dict[str, str]]:
    """Who is one person, by the records that platforms had at first, and what they are called.

    A person's id is chosen when the first of their records is resolved, and which platform that is
    the executor decides. On the ids hangs who gets a value first that a platform refuses to hold
    twice; by the rules the newest is what was seen last, so the order of reading also decides from
    whom a value is, and which of two addresses is preferred. All that is left out.
    """
    theirs = {
        key.split(" ")[1]
        for key, (row, *_) in state.items()
        if key.startswith("raw/") and row["person_id"] == "null"
    }
    records = defaultdict(set)
    for key, (row, *_) in state.items():
        if key.startswith("people/crosswalk ") and key.split(" ")[1] in theirs:
            records[row["person_id"]].add(key.split(" ")[1])
    names = ("given_name", "family_name", "full_name")
    return {
        frozenset(found): {name: state[f"golden/contacts {person}"][0][name] for name in names}
        for person, found in records.items()
    }


def records_of(state: State) -> Counter[str]:
    """How many records each platform holds."""
    places = Counter(key.split(" ")[0] for key in state)
    return Counter({name: places[name] for name in ("crm", "address_book", "newsletter")})
