"""A contract as a value: an ODCS 3.2 document, read.

Specification: Open Data Contract Standard 3.2 (Bitol). What is read here has passed `lint`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from concord.contracts.declared import Rule, custom, rules_of
from concord.contracts.freshness import max_age_of

if TYPE_CHECKING:
    from pandera.polars import DataFrameSchema

__all__ = ["ROLES", "Column", "Contract", "Rule", "custom", "read_contract"]

ROLES = {
    "record_id": "string",
    "remote_id": "string",
    "person_id": "string",
    "given_name": "string",
    "family_name": "string",
    "full_name": "string",
    "email": "array",
    "phone": "array",
    "organisation": "string",
    "street": "string",
    "locality": "string",
    "region": "string",
    "postal_code": "string",
    "country": "string",
    "birth_date": "date",
    "language": "string",
    "created_at": "timestamp",
    "updated_at": "timestamp",
    "deleted_at": "timestamp",
    "consent": "boolean",
}
"""What the code knows a column by, and the type such a column has."""

_JUDGEMENT = 1  # raised when the same rule comes to judge rows differently


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one field of a list's elements.

    Attributes:
        type: ODCS logicalType; ``array`` is a list of objects, whose fields are *items*.
        role: what the code knows the column by; None for a column it only carries.
        options: the rest of the declared custom properties.
    """

    id: str
    name: str
    type: str
    items: tuple[Column, ...] = ()
    required: bool = False
    unique: bool = False
    primary_key: bool = False
    classification: str | None = None
    role: str | None = None
    description: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Contract:
    """What a valid row of a dataset is.

    Attributes:
        dataset: the dataset's name or pattern (``clean/*``), from ``schema[0].physicalName``.
        key: the primary key's column.
        max_quarantine_ratio: over this share of all live rows nothing is published.
        sha256: of the canonical document.
        max_age: how long ago it may last have been brought up to date; None where it is not said.
    """

    id: str
    name: str
    version: str
    status: str
    dataset: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    key: str
    max_quarantine_ratio: float
    sha256: str
    owner: str = ""
    max_age: timedelta | None = None

    def column(self, name: str) -> Column:
        """The column called *name*."""
        return next(column for column in self.columns if column.name == name)

    def role(self, role: str) -> tuple[str, ...]:
        """Names of the columns with that role."""
        return tuple(column.name for column in self.columns if column.role == role)

    def schema(self) -> DataFrameSchema:
        """The contract as a Pandera schema for Polars frames."""
        from concord.contracts.schema import pandera_schema

        return pandera_schema(self)

    def fingerprint(self) -> int:
        """A positive number of 63 bits that differs when another rule is in force.

        Words, labels and the order in which rules stand do not count.
        """
        rules = sorted(
            json.dumps([r.id, r.kind, r.column, r.leaf, r.argument, r.severity], sort_keys=True)
            for r in self.rules
        )
        text = json.dumps([_JUDGEMENT, self.max_quarantine_ratio, rules])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1 or 1


def read_contract(data: Mapping[str, Any], *, source: str) -> Contract:
    """Read a document that `lint` found no fault in.

    Args:
        data: the parsed YAML.
        source: the file, for messages.
    """
    table = data["schema"][0]
    columns = tuple(_column(one) for one in table.get("properties") or ())
    canonical = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    properties = {**custom(data), **custom(table)}
    return Contract(
        id=data["id"],
        name=data.get("name") or source,
        version=str(data["version"]),
        status=data.get("status", ""),
        dataset=table["physicalName"],
        columns=columns,
        rules=tuple(rules_of(table)),
        key=next((c.name for c in columns if c.primary_key), columns[0].name),
        max_quarantine_ratio=float(properties.get("maxQuarantineRatio", 0.2)),
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        owner=(data.get("team") or {}).get("name", ""),
        max_age=max_age_of(data),
    )


def _column(node: Mapping[str, Any]) -> Column:
    options = custom(node)
    items = (node.get("items") or {}).get("properties") or ()
    return Column(
        id=node.get("id") or node["name"],
        name=node["name"],
        type=node["logicalType"],
        items=tuple(_column(one) for one in items),
        required=bool(node.get("required") or node.get("primaryKey")),
        unique=bool(node.get("unique") or node.get("primaryKey")),
        primary_key=bool(node.get("primaryKey")),
        classification=node.get("classification"),
        role=options.pop("role", None),
        description=node.get("description") or "",
        options=options,
    )
