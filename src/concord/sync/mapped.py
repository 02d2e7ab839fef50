"""What sync needs to know of one platform's mapping; nothing here names a native field itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from concord.sync.values import Json

__all__ = ["ClaimColumn", "Mapped"]


@dataclass(frozen=True, slots=True)
class ClaimColumn:
    """Where a platform states consent.

    Attributes:
        column: ``consent/<channel>/<purpose>``.
        channel: for example ``email``.
        purpose: for example ``marketing``.
        addresses: the list column whose elements are the addresses meant.
        state: native field that holds the state.
        write: whether Concord writes the state back.
    """

    column: str
    channel: str
    purpose: str
    addresses: str
    state: str
    write: bool = True


@dataclass(frozen=True, slots=True)
class Mapped:
    """The mapping of one platform, as far as sync cares.

    Attributes:
        platform: its name; the source of values that are seen there.
        natives: contract column to the native fields it is read from; only mapped columns.
        lists: list columns among them, to how many elements a record can hold; None for any number.
        writable: columns that Concord writes.
        claims: where the platform states consent.
        unique: columns of which the platform refuses two records with one value.
        element_key: column and value of an element to what makes it the same element.
    """

    platform: str
    natives: Mapping[str, tuple[str, ...]]
    lists: Mapping[str, int | None]
    writable: frozenset[str]
    element_key: Callable[[str, str], str]
    claims: tuple[ClaimColumn, ...] = ()
    unique: frozenset[str] = frozenset()

    def elements(self, column: str, value: Json) -> dict[str, Json]:
        """Elements of a list by their key, in their order; the first of one key counts."""
        found: dict[str, Json] = {}
        for element in value or ():
            found.setdefault(self.element_key(column, element["value"]), element)
        return found
