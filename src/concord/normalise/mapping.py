"""The declared mapping of one platform, made executable in both directions.

No other module knows native names. Canonical values inside operations are JSON: instants and dates
as ISO text, lists as lists of elements, a patch of a list as ``{"add": [...], "remove": [keys]}``,
a claim of consent as ``{"claim": "granted" | "withdrawn", "at": instant | null}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

import orjson
import polars as pl

from concord.contracts.document import Column, Contract
from concord.contracts.schema import frame_schema
from concord.normalise.countries import country
from concord.normalise.dates import read_date, read_instant
from concord.normalise.emails import email
from concord.normalise.languages import language
from concord.normalise.names import name
from concord.normalise.numbers import read_boolean, read_integer, read_number
from concord.normalise.phones import phone
from concord.normalise.text import line, text
from concord.platforms.base import ListPatch, Native
from concord.platforms.declaration import ClaimDeclaration, PlatformDeclaration

__all__ = ["ClaimMap", "FieldMap", "PlatformMapping", "canonical", "jsonable", "mapping_of", "native"]

UNREADABLE = "_unreadable"


@dataclass(frozen=True, slots=True)
class FieldMap:
    """One canonical column, and where the platform keeps it.

    Attributes:
        natives: more than one only for slots.
        multivalued: the one native field holds a list of elements.
        slots: what a native field that is one element says of it (``type``, ``preferred``); empty
            for scalars and multivalued fields.
    """

    column: str
    natives: tuple[str, ...]
    write: bool
    multivalued: bool = False
    slots: tuple[Mapping[str, Any], ...] = ()
    normalise: str | None = None

    @property
    def is_list(self) -> bool:
        """Whether the column is a list of elements."""
        return self.multivalued or bool(self.slots)


@dataclass(frozen=True, slots=True)
class ClaimMap:
    """Where the platform states consent for one channel and purpose."""

    declared: ClaimDeclaration

    @property
    def column(self) -> str:
        """What cells and operations call this claim."""
        return f"consent/{self.declared.channel}/{self.declared.purpose}"

    def read(self, fields: Mapping[str, Native]) -> tuple[str, str | None] | None:
        """The claim that native fields make, and its date as ISO text; None for none."""
        state = fields.get(self.declared.state)
        said = line(state) if isinstance(state, str) else None
        words = {self.declared.granted: "granted", self.declared.withdrawn: "withdrawn"}
        claim = words.get(said) if said is not None else None
        if claim is None:
            return None
        stated = fields.get(self.declared.at) if self.declared.at else None
        at = read_instant(stated) if isinstance(stated, str) else None
        return claim, at.isoformat() if at else None


@dataclass(frozen=True, slots=True)
class PlatformMapping:
    """Everything that is mapped of one platform.

    Attributes:
        digest: differs when what is read differs.
        region: ISO country that national phone numbers belong to.
    """

    fields: tuple[FieldMap, ...]
    claims: tuple[ClaimMap, ...]
    region: str
    digest: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The canonical columns that are mapped."""
        return tuple(one.column for one in self.fields)

    def field(self, column: str) -> FieldMap | None:
        """How *column* is mapped; None when it is not."""
        return next((one for one in self.fields if one.column == column), None)

    def natives(self, column: str) -> tuple[str, ...]:
        """Native fields behind a column or claim."""
        for claim in self.claims:
            if claim.column == column:
                return tuple(n for n in (claim.declared.state, claim.declared.at) if n)
        found = self.field(column)
        return found.natives if found else ()


def mapping_of(
    declaration: PlatformDeclaration,
    contract: Contract,
    *,
    multivalued: frozenset[str],
    region: str,
) -> PlatformMapping:
    """Make a platform's declared mapping executable.

    Args:
        multivalued: native fields that hold lists, as the kind of platform says.
        region: the project's; the platform's own goes before it.
    """
    fields = tuple(
        _field(column, declaration, contract, multivalued)
        for column in frame_schema(contract)
        if column in declaration.fields
    )
    claims = tuple(ClaimMap(one) for one in declaration.consents)
    read = declaration.model_dump(mode="json", include={"kind", "options", "fields", "consents"})
    digest = hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:16]
    return PlatformMapping(fields, claims, declaration.region or region, digest)


def _field(
    column: str, declaration: PlatformDeclaration, contract: Contract, multivalued: frozenset[str]
) -> FieldMap:
    declared = declaration.column(column)
    natives = tuple(one.source for one in declared)
    is_list = contract.column(column).type == "array"
    many = is_list and len(declared) == 1 and natives[0] in multivalued
    slots = tuple({"type": one.type, "preferred": one.preferred} for one in declared)
    return FieldMap(
        column=column,
        natives=natives,
        write=all(one.write for one in declared),
        multivalued=many,
        slots=slots if is_list and not many else (),
        normalise=declared[0].normalise,
    )


Normaliser = Callable[[str], Any]
_BY_ROLE: Mapping[str, Normaliser] = {
    "given_name": name,
    "family_name": name,
    "full_name": name,
    "organisation": name,
    "email": email,
    "country": country,
    "language": language,
    "street": text,
}
_BY_TYPE: Mapping[str, Normaliser] = {
    "date": read_date,
    "timestamp": read_instant,
    "integer": read_integer,
    "number": read_number,
    "boolean": read_boolean,
}
_BY_NAME: Mapping[str, Normaliser] = {
    "text": text,
    "line": line,
    "name": name,
    "email": email,
    "country": country,
    "language": language,
}


def _normaliser(field: FieldMap, column: Column, region: str) -> Normaliser:
    if field.normalise == "phone" or (field.normalise is None and column.role == "phone"):
        return partial(phone, region=region)
    if field.normalise is not None:
        return _BY_NAME[field.normalise]
    return _BY_TYPE.get(column.type) or _BY_ROLE.get(column.role or "", line)


class _Distinct(dict[str, Any]):
    """Every distinct text is normalised once."""

    def __init__(self, normalise: Normaliser) -> None:
        super().__init__()
        self._normalise = normalise

    def __missing__(self, key: str) -> Any:
        value = self[key] = self._normalise(key)
        return value


def canonical(rows: pl.DataFrame, mapping: PlatformMapping, contract: Contract) -> pl.DataFrame:
    """Native fields as canonical columns; row by row.

    Args:
        rows: ``record_id`` and ``fields`` (JSON text of native fields; null reads as none).

    Returns:
        ``record_id``, then the contract's columns but the key and the remote id that the caller
        knows (null where not mapped), then ``_unreadable``: columns whose value says something
        that cannot be read as the column's type.
    """
    schema = frame_schema(contract)
    decoded = [orjson.loads(one) if one else {} for one in rows["fields"].to_list()]
    unreadable: list[list[str]] = [[] for _ in decoded]
    columns: dict[str, pl.Series] = {"record_id": rows["record_id"]}
    for column, kind in schema.items():
        if column in columns:
            continue
        field = mapping.field(column)
        if field is None:
            columns[column] = pl.Series(column, [None] * len(decoded), dtype=kind)
            continue
        declared = contract.column(column)
        read = _Distinct(_normaliser(field, declared, mapping.region))
        if field.is_list:
            values = [_elements(one, field, declared, read) for one in decoded]
        else:
            values = [_scalar(one.get(field.natives[0]), read) for one in decoded]
            for place, one in enumerate(decoded):
                if values[place] is None and _says_something(one.get(field.natives[0])):
                    unreadable[place].append(column)
        columns[column] = pl.Series(column, values, dtype=kind)
    columns[UNREADABLE] = pl.Series(UNREADABLE, unreadable, dtype=pl.List(pl.String))
    return pl.DataFrame(columns).select("record_id", *(c for c in columns if c != "record_id"))


def _says_something(value: Native) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and text(value) is not None)


def _scalar(value: Native, read: Mapping[str, Any]) -> Any:
    return read[value] if isinstance(value, str) else None


def _elements(
    fields: Mapping[str, Native], field: FieldMap, column: Column, read: Mapping[str, Any]
) -> list[dict[str, Any]] | None:
    found: dict[str, dict[str, Any]] = {}
    for element in _stated(fields, field):
        stated = element.get("value")
        value = read[stated] if isinstance(stated, str) else None
        if value is None:
            continue
        kind, preferred = element.get("type"), element.get("preferred")
        known = found.setdefault(value, dict.fromkeys((leaf.name for leaf in column.items)))
        known["value"] = value
        known["type"] = known["type"] or (kind.strip().lower() or None if kind else None)
        known["preferred"] = bool(known["preferred"] or preferred)
    ordered = sorted(found.values(), key=lambda one: (not one["preferred"], one["value"]))
    return ordered or None


def _stated(fields: Mapping[str, Native], field: FieldMap) -> list[Mapping[str, Any]]:
    if field.multivalued:
        value = fields.get(field.natives[0])
        return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return [
        {"value": fields.get(native), **slot}
        for native, slot in zip(field.natives, field.slots, strict=True)
    ]


def jsonable(value: Any) -> Any:
    """A canonical value as JSON: instants and dates as ISO text."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list):
        return [jsonable(one) for one in value]
    if isinstance(value, dict):
        return {key: jsonable(one) for key, one in value.items()}
    return value


def native(
    values: Mapping[str, Any],
    mapping: PlatformMapping,
    contract: Contract,
    *,
    current: Mapping[str, Native],
) -> dict[str, Native | ListPatch]:
    """The canonical values of one operation as native fields to write.

    Args:
        values: column or claim to canonical value, as JSON.
        current: native fields as the record has them; empty for a create.
    """
    written: dict[str, Native | ListPatch] = {}
    claims = {claim.column: claim.declared for claim in mapping.claims}
    for column, value in values.items():
        if column in claims:
            written |= _claim(claims[column], value)
            continue
        field = mapping.field(column)
        assert field is not None
        if not field.is_list:
            written[field.natives[0]] = _text(value)
        elif field.multivalued:
            written[field.natives[0]] = _many(value, field, contract.column(column), mapping, current)
        else:
            written |= _slots(value or [], field, contract.column(column), mapping, current)
    return written


def _claim(declared: ClaimDeclaration, value: Mapping[str, Any]) -> dict[str, Native]:
    said = declared.granted if value["claim"] == "granted" else declared.withdrawn
    dated = {declared.at: value.get("at")} if declared.at else {}
    return {declared.state: said, **dated}


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _many(
    value: Any,
    field: FieldMap,
    column: Column,
    mapping: PlatformMapping,
    current: Mapping[str, Native],
) -> Native | ListPatch:
    if not isinstance(value, dict):
        return list(value or [])
    read = _normaliser(field, column, mapping.region)
    gone = set(value["remove"])
    there = [str(one["value"]) for one in _stated(current, field) if one.get("value")]
    return ListPatch(
        add=tuple(value["add"]), remove=tuple(one for one in there if read(one) in gone)
    )


def _slots(
    wanted: Sequence[Mapping[str, Any]],
    field: FieldMap,
    column: Column,
    mapping: PlatformMapping,
    current: Mapping[str, Native],
) -> dict[str, Native]:
    """Elements into slots: one that is there stays where it is, the others fill what is left."""
    read = _normaliser(field, column, mapping.region)
    left = [one["value"] for one in wanted]
    filled: dict[str, Native] = {}
    for slot in field.natives:
        stored = current.get(slot)
        key = read(stored) if isinstance(stored, str) else None
        if key is not None and key in left:
            left.remove(key)
            filled[slot] = stored
    for slot in field.natives:
        if slot not in filled:
            filled[slot] = left.pop(0) if left else None
    return {slot: value for slot, value in filled.items() if value != current.get(slot)}
