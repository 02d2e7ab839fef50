"""What columns came and went from file to file of a folder, in sentences.

The columns of the file that was read last are kept in the cursor, so that an export which takes the
place of yesterday's is compared with it, and so that each file is told of once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = ["Seen", "chain_notes", "cursor_of", "digest_in", "drift_notes", "seen_in"]

_MOST = 10  # names in one sentence
_ALIKE = 0.6
_MOST_REMEMBERED = 1500  # letters: a commit record has room for 4 KB


@dataclass(frozen=True, slots=True)
class Seen:
    """The columns of one file.

    Attributes:
        file: its name.
        columns: their names and types, in the file's order; types are empty where all are texts.
        modified_ns: when it was modified.
    """

    file: str
    columns: Mapping[str, str]
    modified_ns: int


def cursor_of(digest: str, seen: Seen) -> str:
    """A cursor that remembers the file read; of one with very many columns the digest only."""
    if not seen.columns:
        return digest
    said = json.dumps([seen.file, seen.modified_ns, seen.columns])
    return f"{digest} {said}" if len(said) <= _MOST_REMEMBERED else digest


def digest_in(cursor: str) -> str:
    """The digest of the file that a cursor is of."""
    return cursor.partition(" ")[0]


def seen_in(cursor: str) -> Seen | None:
    """The file that a cursor remembers, if it does."""
    said = cursor.partition(" ")[2]
    if not said:
        return None
    file, modified_ns, columns = json.loads(said)
    return Seen(file, columns, modified_ns)


def chain_notes(files: Iterable[Seen]) -> tuple[str, ...]:
    """How each file differs from the one before it; *files* are in the order of their age."""
    found: list[str] = []
    before: Seen | None = None
    for one in files:
        if before is not None:
            older = f"{before.file}, as last read," if before.file == one.file else before.file
            found += drift_notes(one.file, one.columns, older, before.columns)
        before = one
    return tuple(found)


def drift_notes(
    newer: str, after: Mapping[str, str], older: str, before: Mapping[str, str]
) -> tuple[str, ...]:
    """What went, came, was renamed and got another type; empty when the files agree.

    Args:
        newer: name of the file with the columns *after*; *older* with *before*.
    """
    renamed = _renamed(list(before), list(after))
    gone = [name for name in before if name not in after and name not in renamed]
    new = [name for name in after if name not in before and name not in renamed.values()]
    typed = [*renamed.items(), *((name, name) for name in after)]
    found = [
        f"{newer} probably calls {old!r} of {older} {now!r} now"
        for old, now in list(renamed.items())[:_MOST]
    ]
    if gone:
        found.append(f"{newer} lacks {_listed(gone)}, which {older} has")
    if new:
        found.append(f"{newer} has {_listed(new)}, which {older} lacks")
    found += [
        f"{newer} holds {after[now]} in {now!r}, where {older} has {before[name]}"
        for name, now in typed
        if before.get(name, after[now]) != after[now]
    ][:_MOST]
    return tuple(found)


def _renamed(before: Sequence[str], after: Sequence[str]) -> Mapping[str, str]:
    """Names that went to the likeliest of those that came, each of them once.

    Likely is a name that reads alike. Where most names went at once and as many came, as in an
    export in another language, it is the one that stands in the same place.
    """
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    if 2 * len(gone) > len(before) and len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return {name: now for name, now in pairs if name in gone and now in new}
    left = {name.casefold(): name for name in new}
    found = {}
    for name in gone:
        for near in get_close_matches(name.casefold(), list(left), 1, _ALIKE):
            found[name] = left.pop(near)
    return found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_MOST])
    more = len(names) - _MOST
    return f"{shown} and {more} more" if more > 0 else shown
