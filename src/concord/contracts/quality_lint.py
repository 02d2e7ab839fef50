"""Faults of a contract's quality blocks: what could not be enforced as it is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from concord.contracts.declared import OPERATORS, tolerates_none
from concord.contracts.document import custom
from concord.contracts.patterns import pattern_fault
from concord.contracts.sql import lifted, sql_faults
from concord.contracts.standard import meant
from concord.errors import Fault

__all__ = ["PYTHON_TYPES", "LineOf", "Node", "Place", "QualityLinter", "leaves"]

LineOf = Callable[[tuple[Any, ...]], int]
Node = Mapping[str, Any]
Place = tuple[Any, ...]

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_CUSTOM = frozenset(
    (
        *("role", "channel", "purpose", "purposes", "mask", "keep"),
        *("openEnum", "maxQuarantineRatio", "onViolation"),
    )
)
_ARGUMENTS = {
    "invalidValues": frozenset({"validValues", "pattern"}),
    "missingValues": frozenset({"missingValues"}),
    "nullValues": frozenset[str](),
    "duplicateValues": frozenset[str](),
    "rowCount": frozenset[str](),
}


@dataclass(frozen=True, slots=True)
class QualityLinter:
    """Looks at one contract file.

    Attributes:
        path: the file, relative to the project.
        node: the ODCS schema object.
    """

    path: str
    line_of: LineOf
    node: Node

    def fault(self, place: Place, what: str, hint: str = "") -> Fault:
        """A fault of this file."""
        return Fault(self.path, self.line_of(place), what, hint)

    def pattern(self, pattern: Any, place: Place) -> Iterator[Fault]:
        """Of a pattern."""
        said = pattern_fault(pattern) if isinstance(pattern, str) else "is no text"
        if said:
            yield self.fault(place, f"the pattern {said}")

    def values(self, node: Node, listed: Any, place: Place) -> Iterator[Fault]:
        """The values of an ``enum`` or a ``validValues``, against the column's type."""
        kind = node["logicalType"]
        if listed and kind not in PYTHON_TYPES:
            yield self.fault(place, f"a list of values is not enforced on a {kind}")
            return
        for number, one in enumerate(listed):
            value = one["value"] if isinstance(one, dict) else one
            if isinstance(value, bool) is not (kind == "boolean") or not isinstance(
                value, PYTHON_TYPES[kind]
            ):
                said = f"the list of values holds a {type(value).__name__}, not a {kind}"
                yield self.fault((*place, number), said, "quote it")

    def custom_properties(self, node: Node, place: Place) -> Iterator[Fault]:
        """Of the custom properties of *node* that are, or seem to be, ours."""
        for number, one in enumerate(node.get("customProperties") or ()):
            key, here = one["property"], (*place, "customProperties", number)
            if one.get("vendor") == "concord" and key not in _CUSTOM:
                hint = meant(key, sorted(_CUSTOM))
                yield self.fault(here, f"unknown custom property `{key}`", hint)
            elif key not in _CUSTOM:
                continue
            elif one.get("vendor") is None:
                yield self.fault(here, f"`{key}` has no vendor", "vendor: concord")
            elif one["vendor"] != "concord" and meant(one["vendor"], ["concord"]):
                said = f"`{key}` is left aside: its vendor is `{one['vendor']}`"
                yield self.fault(here, said, "did you mean `concord`?")

    def quality(
        self, rule: Node, node: Node | None, parent: str | None, place: Place
    ) -> Iterator[Fault]:
        """Of one quality block.

        Args:
            node: the property it stands on; None at the dataset.
            parent: the array that *node* is a field of.
            place: where the block stands.
        """
        if not rule.get("id"):
            yield self.fault(place, "a quality rule without id", "reports name rules by their id")
            return
        yield from self.custom_properties(rule, place)
        yield from self._severity(rule, place)
        if rule.get("schedule") or rule.get("scheduler"):
            yield self.fault(place, f"rule {rule['id']}: rules are asked whenever rows are judged")
        if rule.get("type") == "sql":
            yield from self._sql(rule, node, parent, place)
        elif rule.get("metric") in _ARGUMENTS:
            yield from self._metric(rule, node, parent, place)
        else:
            what = rule.get("type") or "library"
            hint = "describe it in the property's description" if what == "text" else ""
            yield self.fault(place, f"rule {rule['id']}: type {what} is not enforced", hint)

    def _severity(self, rule: Node, place: Place) -> Iterator[Fault]:
        if rule.get("severity", "error") not in ("error", "warning", "info"):
            said = f"rule {rule['id']}: severity is error, warning or info"
            yield self.fault((*place, "severity"), said)
        if custom(rule).get("onViolation", "quarantine") not in ("quarantine", "warn"):
            yield self.fault(place, f"rule {rule['id']}: onViolation is quarantine or warn")

    def _sql(
        self, rule: Node, node: Node | None, parent: str | None, place: Place
    ) -> Iterator[Fault]:
        name = f"rule {rule['id']}"
        if parent:
            yield self.fault(place, f"{name}: SQL stands at the dataset, not in an array")
            return
        if rule.get("mustBe") != 0:
            yield self.fault(place, f"{name}: a rule in SQL has `mustBe: 0`")
        try:
            kind, argument = lifted(rule["query"], node["name"] if node else None)
        except ValueError as error:
            yield self.fault((*place, "query"), f"{name} is not enforced", str(error))
            return
        names, predicate = self._known(kind, argument)
        if not names:
            yield self.fault(
                (*place, "query"), f"{name}: list_filter needs an array of the contract"
            )
        for said in sql_faults(predicate, names) if names else ():
            yield self.fault((*place, "query"), f"{name}: {said}")

    def _known(self, kind: str, argument: Any) -> tuple[Collection[str], str]:
        """What the predicate may name, and the predicate."""
        properties = self.node.get("properties") or ()
        if kind == "row":
            return [one["name"] for one in properties], argument
        for one in properties:
            if one["name"] == argument["column"]:
                names = [f"{argument['element']}.{leaf}" for leaf in leaves(one)]
                return names, argument["predicate"]
        return [], argument["predicate"]

    def _metric(
        self, rule: Node, node: Node | None, parent: str | None, place: Place
    ) -> Iterator[Fault]:
        metric, name = rule["metric"], f"rule {rule['id']}"
        arguments = rule.get("arguments") or {}
        if metric == "rowCount":
            if node is not None or rule.get("unit") == "percent":
                yield self.fault(place, f"{name}: rowCount counts the rows of the dataset")
        elif node is None:
            yield self.fault(place, f"{name}: {metric} stands on a property")
        elif not tolerates_none(rule):
            said = f"{name}: {metric} is enforced with `mustBe: 0` only"
            yield self.fault(place, said, _operator(rule))
        if metric == "duplicateValues" and parent:
            yield self.fault(place, f"{name}: elements of a list cannot be unique in the table")
        for key in arguments:
            if key not in _ARGUMENTS[metric]:
                yield self.fault((*place, "arguments", key), f"{name}: `{key}` is not enforced")
        if _ARGUMENTS[metric] and len(arguments.keys() & _ARGUMENTS[metric]) != 1:
            said = " or ".join(sorted(_ARGUMENTS[metric]))
            yield self.fault(place, f"{name}: {metric} says {said} in its arguments")
        elif node is not None:
            yield from self._arguments(arguments, node, (*place, "arguments"))

    def _arguments(self, arguments: Node, node: Node, place: Place) -> Iterator[Fault]:
        if "pattern" in arguments:
            yield from self.pattern(arguments["pattern"], (*place, "pattern"))
            if node["logicalType"] != "string":
                yield self.fault((*place, "pattern"), "a pattern is for text")
        for key in ("validValues", "missingValues"):
            listed = arguments.get(key, ())
            if not isinstance(listed, list | tuple):
                yield self.fault((*place, key), f"`{key}` is no list")
                continue
            given = [one for one in listed if one is not None or key == "validValues"]
            yield from self.values(node, given, (*place, key))


def leaves(node: Node) -> list[str]:
    """Names of the fields of an array's elements; empty for any other property."""
    return [one["name"] for one in (node.get("items") or {}).get("properties") or ()]


def _operator(rule: Node) -> str:
    return ", ".join(f"it says {name}" for name in OPERATORS if name in rule)
