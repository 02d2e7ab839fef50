"""A contract as a value: an ODCS 3.2 document, read.

Specification: Open Data Contract Standard 3.2 (Bitol). What is read here has passed `lint`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandera.polars import DataFrameSchema

__all__ = ["Column", "Contract", "Rule", "custom", "read_contract"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold.

    Attributes:
        id: stable; ``<column>.<kind>``, ``<column>.<leaf>.<kind>`` or the rule's own id.
        kind: ``required``, ``unique``, ``pattern``, ``min_length``, ``max_length``, ``minimum``,
            ``maximum``, ``enum``, ``readable``, ``row`` (an SQL predicate that no row may meet),
            ``elements`` (how many elements meet a predicate) or ``row_count``.
        column: None for rules over several columns.
        leaf: the element's field, for a rule on elements of a list.
        argument: pattern, bound, values or predicate, as the kind needs it.
        severity: ``error`` rejects rows, ``warning`` counts them.
        sentence: the rule in plain English.
    """

    id: str
    kind: str
    column: str | None
    sentence: str
    leaf: str | None = None
    argument: Any = None
    severity: str = "error"


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
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contract:
    """What a valid row of a dataset is.

    Attributes:
        dataset: the dataset's name or pattern (``clean/*``), from ``schema[0].physicalName``.
        key: the primary key's column.
        max_quarantine_ratio: over this share of all live rows nothing is published.
        sha256: of the canonical document.
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
        """63 bits that differ when another rule is in force; words and labels do not count."""
        text = json.dumps(
            [[r.id, r.kind, r.column, r.leaf, r.argument, r.severity] for r in self.rules],
            sort_keys=True,
            default=str,
        )
        digest = hashlib.sha256(f"{text}|{self.max_quarantine_ratio}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1


def custom(node: Mapping[str, Any]) -> dict[str, Any]:
    """The custom properties of a node that are ours."""
    return {one["property"]: one.get("value") for one in node.get("customProperties") or ()}


def read_contract(data: Mapping[str, Any], *, source: str) -> Contract:
    """Read a document that `lint` found no fault in.

    Args:
        data: the parsed YAML.
        source: the file, for messages.
    """
    table = data["schema"][0]
    columns = tuple(_column(one) for one in table.get("properties") or ())
    quality = [*(table.get("quality") or ()), *(data.get("quality") or ())]
    canonical = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    properties = {**custom(data), **custom(table)}
    return Contract(
        id=data["id"],
        name=data.get("name") or source,
        version=str(data["version"]),
        status=data.get("status", ""),
        dataset=table["physicalName"],
        columns=columns,
        rules=tuple(_rules(table.get("properties") or (), quality)),
        key=next((c.name for c in columns if c.primary_key), columns[0].name),
        max_quarantine_ratio=float(properties.get("maxQuarantineRatio", 0.2)),
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        owner=(data.get("team") or {}).get("name", ""),
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


def _rules(
    properties: Sequence[Mapping[str, Any]], quality: Sequence[Mapping[str, Any]]
) -> Iterator[Rule]:
    for node in properties:
        yield from _column_rules(node, node["name"], None)
        for leaf in (node.get("items") or {}).get("properties") or ():
            yield from _column_rules(leaf, node["name"], leaf["name"])
    for node in properties:
        for one in node.get("quality") or ():
            yield _quality_rule(one, node["name"])
    for one in quality:
        yield _quality_rule(one, None)


def _column_rules(node: Mapping[str, Any], column: str, leaf: str | None) -> Iterator[Rule]:
    where = f"{column}.{leaf}" if leaf else column
    what = f"every {leaf} in {column}" if leaf else column

    def rule(kind: str, sentence: str, argument: Any = None) -> Rule:
        return Rule(f"{where}.{kind}", kind, column, sentence, leaf, argument)

    if node.get("required") or node.get("primaryKey"):
        yield rule("required", f"{what} must be present")
    if (node.get("unique") or node.get("primaryKey")) and not leaf:
        yield rule("unique", f"no two rows have the same {column}")
    if not leaf:
        yield rule("readable", f"{column} must be readable as {_article(node['logicalType'])}")
    if node.get("enum"):
        values = [str(one["value"]) for one in node["enum"]]
        yield rule("enum", f"{what} is one of {_some(values)}", values)
    options = node.get("logicalTypeOptions") or {}
    for name, kind, sentence in _OPTIONS:
        if name in options:
            yield rule(kind, f"{what} {sentence} {options[name]}", options[name])


_OPTIONS = (
    ("pattern", "pattern", "matches the pattern"),
    ("minLength", "min_length", "has at least this many characters:"),
    ("maxLength", "max_length", "has at most this many characters:"),
    ("minimum", "minimum", "is not before or below"),
    ("maximum", "maximum", "is not after or above"),
)


def _article(kind: str) -> str:
    return {"array": "a list", "integer": "an integer"}.get(kind, f"a {kind}")


def _some(values: Sequence[str]) -> str:
    return ", ".join(values[:5]) + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def _quality_rule(node: Mapping[str, Any], column: str | None) -> Rule:
    severity = "warning" if node.get("severity") in ("warning", "info") else "error"
    sentence = node.get("description") or node.get("name") or node["id"]
    if node.get("type") == "sql":
        from concord.contracts.sql import lifted

        kind, argument = lifted(node["query"])
        return Rule(node["id"], kind, column, sentence, None, argument, severity)
    arguments = node.get("arguments") or {}
    if node.get("metric") == "invalidValues":
        values = arguments.get("validValues")
        kind = "enum" if values is not None else "pattern"
        argument = [str(v) for v in values] if values is not None else arguments["pattern"]
        return Rule(node["id"], kind, column, sentence, None, argument, severity)
    if node.get("metric") in ("nullValues", "missingValues"):
        return Rule(node["id"], "required", column, sentence, None, None, severity)
    bound = {name: node[name] for name in node if name.startswith("mustBe")}
    return Rule(node["id"], "row_count", None, sentence, None, bound, severity)
