"""A platform's mapping, people and records to try single functions on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from concord.sync.cells import Stamp
from concord.sync.mapped import ClaimColumn, Mapped
from concord.sync.observe import Reading
from concord.sync.view import KnownRecord, Person, Side, Terms

MARKETING = "consent/email/marketing"
COLUMNS = ("given_name", "phone")


def at(second: int) -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=second)


def edit(second: int, source: str = "crm") -> Stamp:
    return Stamp("edit", at(second), None, source)


def elements(*values: str, preferred: str | None = None) -> list[dict[str, Any]] | None:
    found = [{"value": v, "type": None, "preferred": v == preferred} for v in values]
    return found or None


def mapping(
    *, room: int | None = None, unique: tuple[str, ...] = (), columns: tuple[str, ...] = COLUMNS
) -> Mapped:
    return Mapped(
        platform="book",
        natives={**{c: (c.upper(),) for c in columns}, "emails": ("EMAIL",)},
        lists={"emails": room},
        writable=frozenset((*columns, "emails")),
        element_key=lambda _column, value: value.casefold(),
        claims=(ClaimColumn(MARKETING, "email", "marketing", "emails", "OPT"),),
        unique=frozenset(unique),
    )


def natives(values: Mapping[str, Any]) -> dict[str, Any]:
    plain = {"GIVEN_NAME": values.get("given_name"), "PHONE": values.get("phone")}
    return {**plain, "EMAIL": values.get("emails"), "OPT": None}


def read(values: Mapping[str, Any], second: int = 1, **facts: Any) -> Reading:
    given = {"given_name": None, "phone": None, "emails": None, **values}
    facts.setdefault("fields", natives(given))
    return Reading("r1", "remote", at(second), values=given, **facts)


def person(name: str = "p", /, *, flag: bool | None = None, **values: Any) -> Person:
    allowed = values.pop("allowed", True)
    stamps = values.pop("stamps", {})
    return Person(name, True, values, stamps, {MARKETING: flag}, allowed)


def record(name: str = "r1", /, **facts: Any) -> KnownRecord:
    known = {"given_name": None, "phone": None, "emails": None}
    values = {c: facts.pop(c, v) for c, v in known.items()}
    return KnownRecord(name, f"remote-{name}", fields=natives(values), values=values, **facts)


def side(*records: KnownRecord, owner: Mapping[str, str] | None = None, **facts: Any) -> Side:
    owned = {one.record_id: "p" for one in records} if owner is None else owner
    return Side({one.record_id: one for one in records}, owned, **facts)


def terms(**facts: Any) -> Terms:
    statuses = facts.pop("statuses", {})
    usual: dict[str, Any] = {
        "plan_no": 1,
        "covered": frozenset((*COLUMNS, "emails")),
        "status": lambda _claim, address: statuses.get(address),
        "hashed": lambda text: text,
        "existing": False,
        "delivery": "auto",
    }
    return Terms(**{**usual, **facts})
