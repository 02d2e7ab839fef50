"""The rules that a contract's properties and quality blocks declare, as values.

Rule ids: ``<column>.<kind>`` and ``<column>.<leaf>.<kind>`` for what stands on a property itself,
the quality block's own id for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from concord.contracts.sql import lifted

__all__ = ["OPERATORS", "OPTIONS", "Rule", "custom", "rules_of", "tolerates_none"]

Node = Mapping[str, Any]
Place = tuple[str | int, ...]

OPTIONS = {
    "pattern": ("pattern", "matches the pattern"),
    "minLength": ("min_length", "has at least this many characters:"),
    "maxLength": ("max_length", "has at most this many characters:"),
    "minimum": ("minimum", "is not before or below"),
    "maximum": ("maximum", "is not after or above"),
    "exclusiveMinimum": ("exclusive_minimum", "is after or above"),
    "exclusiveMaximum": ("exclusive_maximum", "is before or below"),
    "multipleOf": ("multiple_of", "is a multiple of"),
    "minItems": ("min_items", "has at least this many elements:"),
    "maxItems": ("max_items", "has at most this many elements:"),
}
"""ODCS logicalTypeOptions that are rules: our kind, and how the sentence goes on."""

OPERATORS = {
    "mustBe": "is",
    "mustNotBe": "is not",
    "mustBeGreaterThan": "is over",
    "mustBeGreaterOrEqualTo": "is at least",
    "mustBeLessThan": "is under",
    "mustBeLessOrEqualTo": "is at most",
    "mustBeBetween": "is between",
    "mustNotBeBetween": "is not between",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold.

    Attributes:
        id: stable; ``<column>.<kind>``, ``<column>.<leaf>.<kind>`` or the rule's own id.
        kind: what is asked of one value (``required``, ``pattern``, ``min_length``, ``max_length``,
            ``minimum``, ``maximum``, ``exclusive_minimum``, ``exclusive_maximum``,
            ``multiple_of``, ``finite``, ``enum``, ``not_among``, ``min_items``, ``max_items``,
            ``unique_items``, ``readable``), of one row (``row``: an SQL predicate that no row may
            meet; ``elements``: how many elements may meet one), of all rows (``unique``) or of the
            whole table (``row_count``).
        column: None for rules over several columns.
        leaf: the element's field, for a rule on elements of a list.
        argument: pattern, bound, values or predicate, as the kind needs it; made of JSON.
        severity: ``error`` rejects rows, ``warning`` counts them.
        sentence: the rule in plain English.
        place: keys and positions that lead to it in the document.
    """

    id: str
    kind: str
    column: str | None
    sentence: str
    leaf: str | None = None
    argument: Any = field(default=None, hash=False)
    severity: str = "error"
    place: Place = field(default=(), compare=False, repr=False)


def custom(node: Node) -> dict[str, Any]:
    """The custom properties of a node that are Concord's."""
    return {
        one["property"]: one.get("value")
        for one in node.get("customProperties") or ()
        if one.get("vendor") == "concord"
    }


def tolerates_none(node: Node) -> bool:
    """Whether a quality block allows not one violation, in rows or in percent."""
    return (
        node.get("mustBe") == 0
        or node.get("mustBeLessOrEqualTo") == 0
        or (node.get("mustBeLessThan") == 1 and node.get("unit") != "percent")
    )


def rules_of(table: Node, place: Place = ("schema", 0)) -> Iterator[Rule]:
    """Every rule of one ODCS schema object, in the order of the file.

    Args:
        table: an object that `lint` found no fault in.
        place: where it stands in the document.
    """
    for number, node in enumerate(table.get("properties") or ()):
        here = (*place, "properties", number)
        yield from _property_rules(node, node["name"], None, here)
        for inner, leaf in enumerate((node.get("items") or {}).get("properties") or ()):
            there = (*here, "items", "properties", inner)
            yield from _property_rules(leaf, node["name"], leaf["name"], there)
    for number, one in enumerate(table.get("quality") or ()):
        yield _quality_rule(one, None, None, (*place, "quality", number))


def _property_rules(node: Node, column: str, leaf: str | None, place: Place) -> Iterator[Rule]:
    where = f"{column}.{leaf}" if leaf else column
    what = f"every {leaf} in {column}" if leaf else column
    for kind, sentence, argument, key in _facets(node, what, leaf):
        yield Rule(f"{where}.{kind}", kind, column, sentence, leaf, argument, place=(*place, *key))
    for number, one in enumerate(node.get("quality") or ()):
        yield _quality_rule(one, column, leaf, (*place, "quality", number))


def _facets(node: Node, what: str, leaf: str | None) -> Iterator[tuple[str, str, Any, Place]]:
    """Kind, sentence, argument and key of what stands on the property itself."""
    logical = node["logicalType"]
    if node.get("required") or node.get("primaryKey"):
        yield "required", f"{what} must be present", None, ()
    if node.get("unique") or node.get("primaryKey"):
        yield "unique", f"no two rows have the same {what}", None, ()
    if not leaf:
        sentence = f"{what} must be readable as {_article(logical)}"
        yield "readable", sentence, _type(node), ("logicalType",)
    if logical == "number":
        yield "finite", f"{what} is a number, not infinite", None, ("logicalType",)
    if node.get("enum"):
        values = [one["value"] for one in node["enum"]]
        yield "enum", f"{what} is one of {_some(values)}", values, ("enum",)
    options = node.get("logicalTypeOptions") or {}
    for name, (kind, sentence) in OPTIONS.items():
        if name in options:
            said = f"{what} {sentence} {options[name]}"
            yield kind, said, options[name], ("logicalTypeOptions", name)
    if options.get("uniqueItems"):
        said = f"no two elements of {what} are the same"
        yield "unique_items", said, None, ("logicalTypeOptions", "uniqueItems")


def _type(node: Node) -> Any:
    """The declared type, so that another type is another rule."""
    items = (node.get("items") or {}).get("properties") or ()
    return [node["logicalType"], *([one["name"], one["logicalType"]] for one in items)]


def _article(logical: str) -> str:
    return {"array": "a list", "integer": "an integer"}.get(logical, f"a {logical}")


def _some(values: Sequence[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:5])
    return shown + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def _quality_rule(node: Node, column: str | None, leaf: str | None, place: Place) -> Rule:
    kind, argument = _asked(node, column)
    said = node.get("description") or node.get("name") or node["id"]
    return Rule(
        id=node["id"],
        kind=kind,
        column=None if kind == "row_count" else column,
        sentence=" ".join(said.split()),
        leaf=leaf,
        argument=argument,
        severity=_severity(node),
        place=place,
    )


def _severity(node: Node) -> str:
    mild = node.get("severity") in ("warning", "info")
    return "warning" if mild or custom(node).get("onViolation") == "warn" else "error"


def _asked(node: Node, column: str | None) -> tuple[str, Any]:
    """Kind and argument of a quality block."""
    arguments = node.get("arguments") or {}
    metric = node.get("metric")
    if node.get("type") == "sql":
        return lifted(node["query"], column)
    if metric == "invalidValues" and "validValues" in arguments:
        return "enum", list(arguments["validValues"])
    if metric == "invalidValues":
        return "pattern", arguments["pattern"]
    if metric == "missingValues":
        return "not_among", list(arguments["missingValues"])
    if metric == "nullValues":
        return "required", None
    if metric == "duplicateValues":
        return "unique", None
    return "row_count", {name: node[name] for name in OPERATORS if name in node}
