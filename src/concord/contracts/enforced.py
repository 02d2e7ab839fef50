"""Faults of a contract file against what Concord enforces: no rule is skipped in silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from concord.contracts.declared import rules_of
from concord.contracts.document import ROLES, custom
from concord.contracts.quality_lint import (
    LineOf,
    Node,
    Place,
    QualityLinter,
    leaves,
)
from concord.contracts.standard import meant
from concord.errors import Fault

__all__ = ["enforced_faults"]

_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_RANGES = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
_OPTIONS = {
    "string": frozenset({"pattern", "minLength", "maxLength"}),
    "boolean": frozenset[str](),
    "integer": _BOUNDS | {"multipleOf"},
    "number": _BOUNDS,
    "date": _BOUNDS,
    "timestamp": _BOUNDS | {"timezone", "defaultTimezone"},
    "array": frozenset({"minItems", "maxItems", "uniqueItems"}),
}
_CLASSES = ("public", "internal", "confidential", "restricted")
_UTC = ("UTC", "Etc/UTC")
_ITEM = frozenset(
    {"logicalType", "properties", "id", "name", "description", "physicalType", "tags"}
)


def enforced_faults(data: Node, *, path: str, line_of: LineOf) -> list[Fault]:
    """What the document declares and Concord would not enforce.

    Args:
        data: a document that follows the standard.
        path: the file, relative to the project.
        line_of: path of keys and positions to line.
    """
    tables: Any = data.get("schema") or ()
    if len(tables) != 1:
        line = line_of(("schema",))
        return [Fault(path, line, "a contract describes exactly one dataset")]
    linter = _FieldLinter(path, line_of, tables[0])
    found = [*linter.contract(data), *linter.table()]
    if not found:
        found = list(linter.identities())
    return found


class _FieldLinter(QualityLinter):
    def contract(self, data: Node) -> Iterator[Fault]:
        yield from self.custom_properties(data, ())
        yield from self.custom_properties(self.node, ("schema", 0))
        team = data.get("team")
        if not (isinstance(team, dict) and team.get("name")):
            yield self.fault(("team",), "nobody owns the contract", "team: {name: …}")
        ratio = {**custom(data), **custom(self.node)}.get("maxQuarantineRatio", 0)
        if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio <= 1:
            place = ("customProperties",)
            yield self.fault(place, "maxQuarantineRatio is no share between 0 and 1")

    def table(self) -> Iterator[Fault]:
        place: Place = ("schema", 0)
        if not self.node.get("physicalName"):
            hint = "physicalName: golden/contacts, or a pattern such as clean/*"
            yield self.fault(place, "the dataset is not named", hint)
        properties = self.node.get("properties") or ()
        if sum(bool(one.get("primaryKey")) for one in properties) != 1:
            yield self.fault((*place, "properties"), "exactly one property is the primaryKey")
        yield from self._relationships(self.node, place)
        for number, one in enumerate(properties):
            yield from self._property(one, (*place, "properties", number))
        for number, rule in enumerate(self.node.get("quality") or ()):
            yield from self.quality(rule, None, None, (*place, "quality", number))

    def _property(self, node: Node, place: Place, parent: str | None = None) -> Iterator[Fault]:
        name, kind = node["name"], node.get("logicalType")
        if not node.get("id"):
            hint = "ids keep their column through renames"
            yield self.fault(place, f"`{name}` has no id", hint)
        if parent is None and name.startswith("_"):
            yield self.fault(place, f"`{name}`: names with _ in front are Concord's own")
        if kind not in _OPTIONS or (parent and kind == "array"):
            where = "in an array" if parent else "yet"
            yield self.fault(place, f"`{name}`: logicalType {kind} cannot be had {where}")
            return
        if parent and (node.get("unique") or node.get("primaryKey")):
            yield self.fault(place, f"`{name}`: elements of a list cannot be unique in the table")
        if kind == "array":
            yield from self._items(node, place)
        yield from self._relationships(node, place)
        yield from self._options(node, place)
        yield from self.values(node, node.get("enum") or (), (*place, "enum"))
        yield from self.custom_properties(node, place)
        yield from self._classification(node, place)
        yield from self._role(node, place)
        for number, rule in enumerate(node.get("quality") or ()):
            yield from self.quality(rule, node, parent, (*place, "quality", number))

    def _items(self, node: Node, place: Place) -> Iterator[Fault]:
        items = node.get("items") or {}
        if items.get("logicalType") != "object" or not items.get("properties"):
            hint = "items: {logicalType: object, properties: […]}"
            said = f"`{node['name']}`: the items of an array are objects with properties"
            yield self.fault(place, said, hint)
        for key in items.keys() - _ITEM:
            yield self.fault((*place, "items", key), f"`{key}` is not enforced on items")
        for number, one in enumerate(items.get("properties") or ()):
            there = (*place, "items", "properties", number)
            yield from self._property(one, there, node["name"])

    def _relationships(self, node: Node, place: Place) -> Iterator[Fault]:
        if node.get("relationships"):
            yield self.fault((*place, "relationships"), "relationships are not enforced yet")

    def _options(self, node: Node, place: Place) -> Iterator[Fault]:
        kind, options = node["logicalType"], node.get("logicalTypeOptions") or {}
        here = (*place, "logicalTypeOptions")
        for key in options:
            if key not in _OPTIONS[kind]:
                hint = "say it as a pattern" if kind == "string" else "leave it out"
                yield self.fault((*here, key), f"`{key}` is not enforced on a {kind}", hint)
        if "pattern" in options:
            yield from self.pattern(options["pattern"], (*here, "pattern"))
        if kind == "timestamp":
            yield from self._zone(options, place)
        for key in sorted(_BOUNDS):
            if key in options and kind in ("date", "timestamp"):
                yield from self._instant(kind, options[key], (*here, key))
        for low, high in _RANGES if kind != "timestamp" else ():
            if {low, high} <= options.keys() and options[low] > options[high]:
                said = f"`{low}` lies above `{high}`: every value would break the rule"
                yield self.fault((*here, low), said, "exchange them")

    def _zone(self, options: Node, place: Place) -> Iterator[Fault]:
        if options.get("timezone") is not True:
            hint = "logicalTypeOptions: {timezone: true}"
            yield self.fault(place, "a timestamp without time zone", hint)
        if options.get("defaultTimezone", "UTC") not in _UTC:
            where = (*place, "logicalTypeOptions", "defaultTimezone")
            yield self.fault(where, "timestamps are kept in UTC")

    def _instant(self, kind: str, text: str, place: Place) -> Iterator[Fault]:
        try:
            if kind == "date":
                date.fromisoformat(text)
            elif datetime.fromisoformat(text).tzinfo is None:
                yield self.fault(place, f"`{place[-1]}` has no time zone", "end it with Z")
        except ValueError:
            yield self.fault(place, f"`{place[-1]}` is no {kind}", "write it as ISO 8601 does")

    def _classification(self, node: Node, place: Place) -> Iterator[Fault]:
        found = node.get("classification")
        if found is not None and found not in _CLASSES:
            said = f"`{node['name']}`: there is no classification `{found}`"
            hint = meant(str(found), list(_CLASSES)) or ", ".join(_CLASSES)
            yield self.fault((*place, "classification"), said, hint)

    def _role(self, node: Node, place: Place) -> Iterator[Fault]:
        declared, name = custom(node), node["name"]
        role = declared.get("role")
        if role is None:
            return
        if role not in ROLES:
            yield self.fault(
                place, f"`{name}`: unknown role `{role}`", meant(str(role), list(ROLES))
            )
        elif node["logicalType"] != ROLES[role]:
            yield self.fault(place, f"`{name}`: role {role} is for columns of type {ROLES[role]}")
        elif role == "consent" and not {"channel", "purpose"} <= declared.keys():
            yield self.fault(place, f"`{name}`: role consent needs a channel and a purpose")
        elif ROLES[role] == "array" and "value" not in leaves(node):
            yield self.fault(place, f"`{name}`: elements of role {role} have a property `value`")

    def identities(self) -> Iterator[Fault]:
        """Names and ids that stand twice."""
        properties = self.node.get("properties") or ()
        found = []
        for what in ("name", "id"):
            seen: set[str] = set()
            for number, one in enumerate(properties):
                if one[what] in seen:
                    place = ("schema", 0, "properties", number, what)
                    found.append(self.fault(place, f"{what} `{one[what]}` is declared twice"))
                seen.add(one[what])
        yield from found or self._rule_identities()

    def _rule_identities(self) -> Iterator[Fault]:
        seen: set[str] = set()
        for rule in rules_of(self.node):
            if rule.id in seen:
                yield self.fault(rule.place, f"rule id `{rule.id}` is declared twice")
            seen.add(rule.id)
