"""What columns came and went between two files of a folder, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

__all__ = ["drift_notes"]

_MOST = 10  # names in one sentence
_ALIKE = 0.6


def drift_notes(
    newer: str, after: Sequence[str], older: str, before: Sequence[str]
) -> tuple[str, ...]:
    """One sentence for each file that lacks columns of the other; empty when they agree.

    Args:
        newer: name of the file with the columns *after*; *older* with *before*.
    """
    gone = [name for name in dict.fromkeys(before) if name not in after]
    new = [name for name in dict.fromkeys(after) if name not in before]
    renamed = _renamed(gone, new)
    gone = [name for name in gone if name not in renamed]
    new = [name for name in new if name not in renamed.values()]
    found = [
        f"{newer} probably calls {old!r} of {older} {now!r} now" for old, now in renamed.items()
    ][:_MOST]
    if gone:
        found.append(f"{newer} lacks {_listed(gone)}, which {older} has")
    if new:
        found.append(f"{newer} has {_listed(new)}, which {older} lacks")
    return tuple(found)


def _renamed(gone: Sequence[str], new: Sequence[str]) -> Mapping[str, str]:
    """Names that went to the likeliest of those that came, each of them once."""
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
