"""What `assets/people.yaml` says: how records become people, and whose values win."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["Group", "Matching", "People", "Survivorship"]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Matching(_Declared):
    """How records are matched.

    Attributes:
        keys: roles whose normalised values make two records candidates.
        name_check: whether two names must also agree.
        blocked: values that never match two records (role mailboxes, placeholders), normalised.
        max_records: a key that more records share than this is no evidence.
    """

    keys: tuple[Literal["email", "phone"], ...] = ("email", "phone")
    name_check: bool = True
    blocked: tuple[str, ...] = ()
    max_records: int = Field(default=20, ge=2)


class Group(_Declared):
    """Columns that move together: they are taken from one record.

    Attributes:
        prefer: platforms, most trusted first; None takes the general order.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    prefer: tuple[str, ...] | None = None

    @field_validator("columns", "prefer", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Survivorship(_Declared):
    """Whose value wins.

    Attributes:
        prefer: platforms, most trusted first, for values nobody was seen editing.
        groups: name of the group to its columns; any other column is a group of its own.
    """

    prefer: tuple[str, ...]
    groups: dict[str, Group] = Field(default_factory=dict)


class People(_Declared):
    """The project's rules of identity and survivorship."""

    match: Matching = Field(default_factory=Matching)
    survivorship: Survivorship
