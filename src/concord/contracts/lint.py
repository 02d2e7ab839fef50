"""Faults of a contract file: against the ODCS JSON Schema, and against what Concord enforces."""

from __future__ import annotations

import datetime
import difflib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import orjson

from concord.contracts.document import custom
from concord.contracts.sql import lifted
from concord.errors import Fault

__all__ = ["faults"]

LineOf = Callable[[tuple[Any, ...]], int]
_TYPES = ("string", "boolean", "integer", "number", "date", "timestamp", "array")
_VERSION = re.compile(r"^\d+\.\d+\.\d+$")
_NOT_RUST = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]")
_UNEXPECTED = re.compile(r"'([^']+)'")
_MINE = frozenset(
    "role channel purpose onViolation maxQuarantineRatio uniqueTogether keep mask purposes openEnum "
    "from counterExamples".split()
)


@functools.cache
def _validator() -> Any:
    from jsonschema.validators import validator_for

    text = files("open_data_contract_standard").joinpath("schema.json").read_bytes()
    schema = orjson.loads(text)
    return validator_for(schema)(schema)


def faults(data: Any, *, path: str, line_of: LineOf) -> list[Fault]:
    """Every fault of one contract file, with its line.

    Args:
        data: the parsed YAML.
        path: the file, relative to the project.
        line_of: path of keys and positions to line.
    """
    if not isinstance(data, dict):
        return [Fault(path, 1, "is no contract", "start with apiVersion, kind, id, version")]
    found = list(_traps(data, path, line_of))
    found += _standard(data, path, line_of)
    if not found:
        found += _enforced(data, path, line_of)
    return sorted(set(found))


def _standard(data: Mapping[str, Any], path: str, line_of: LineOf) -> Iterator[Fault]:
    for error in _validator().iter_errors(_json(data)):
        place = tuple(error.absolute_path)
        if error.validator in ("additionalProperties", "unevaluatedProperties"):
            known = _known_keys(error)
            for key in _UNEXPECTED.findall(error.message):
                if isinstance(error.instance, dict) and key in error.instance and key not in known:
                    meant = difflib.get_close_matches(key, known, n=1)
                    hint = f"did you mean `{meant[0]}`?" if meant else ""
                    yield Fault(path, line_of((*place, key)), f"unknown key `{key}`", hint)
        elif error.validator == "required":
            yield Fault(path, line_of(place), f"{error.message.replace(chr(39), '`')}")
        else:
            where = ".".join(str(part) for part in place) or "the contract"
            yield Fault(path, line_of(place), f"`{where}` does not follow ODCS ({error.validator})")


def _json(data: Any) -> Any:
    return orjson.loads(orjson.dumps(data, default=str))


def _known_keys(error: Any) -> list[str]:
    """Property names that the standard knows where *error* is; near and far, for suggestions."""
    known: set[str] = set()
    if error.validator == "additionalProperties":
        known |= set(error.schema.get("properties", ()))
        return sorted(known)
    defs = _validator().schema.get("$defs", {})
    pending = [error.schema]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if id(node) in seen or not isinstance(node, dict):
            continue
        seen.add(id(node))
        known |= set(node.get("properties", ()))
        if "$ref" in node:
            pending.append(defs.get(node["$ref"].rsplit("/", 1)[-1], {}))
        for name in ("allOf", "anyOf", "oneOf"):
            pending += node.get(name, ())
        pending += [node[name] for name in ("if", "then", "else") if name in node]
    return sorted(known)


def _traps(data: Mapping[str, Any], path: str, line_of: LineOf) -> Iterator[Fault]:
    """What YAML turns into something else than was meant."""
    if not isinstance(data.get("version"), str):
        yield Fault(path, line_of(("version",)), "`version` is a number", "quote it: '1.1.0'")
    elif not _VERSION.match(data["version"]):
        hint = "write MAJOR.MINOR.PATCH, for example 1.2.0"
        yield Fault(path, line_of(("version",)), "`version` is no version", hint)
    for place, value in _walk(data, ()):
        listed = len(place) > 1 and place[-2] in ("validValues", "examples") or place[-1] == "value"
        if isinstance(value, datetime.date):
            yield Fault(path, line_of(place), f"`{place[-1]}` is a bare date", "quote it")
        elif isinstance(value, bool) and listed and "enum" in place + ("enum",) * ("validValues" in place):
            yield Fault(path, line_of(place), "an unquoted yes or no in a list of values", "quote it")


def _walk(node: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, (*place, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _walk(value, (*place, number))
    elif place:
        yield place, node


def _enforced(data: Mapping[str, Any], path: str, line_of: LineOf) -> Iterator[Fault]:
    tables = data.get("schema") or ()
    if len(tables) != 1:
        yield Fault(path, line_of(("schema",)), "a contract describes exactly one dataset")
        return
    table = tables[0]
    place: tuple[Any, ...] = ("schema", 0)
    if not table.get("physicalName"):
        hint = "physicalName: golden/contacts, or a pattern such as clean/*"
        yield Fault(path, line_of(place), "the dataset is not named", hint)
    properties = table.get("properties") or ()
    if sum(bool(one.get("primaryKey")) for one in properties) != 1:
        yield Fault(path, line_of(place), "exactly one property is the primaryKey")
    names: set[str] = set()
    for number, one in enumerate(properties):
        here = (*place, "properties", number)
        if one["name"] in names:
            yield Fault(path, line_of(here), f"`{one['name']}` is declared twice")
        names.add(one["name"])
        yield from _property(one, path, here, line_of)
    for where, rules in (((*place, "quality"), table.get("quality") or ()),):
        for number, rule in enumerate(rules):
            yield from _quality(rule, None, path, (*where, number), line_of)


def _property(
    node: Mapping[str, Any], path: str, place: tuple[Any, ...], line_of: LineOf, *, leaf: bool = False
) -> Iterator[Fault]:
    name = node.get("name", "")
    line = line_of(place)
    if not node.get("id"):
        yield Fault(path, line, f"`{name}` has no id", "ids keep their column through renames")
    kind = node.get("logicalType")
    if kind not in _TYPES or (leaf and kind == "array"):
        yield Fault(path, line, f"`{name}`: Concord has no columns of logicalType {kind}")
    if kind == "array":
        items = node.get("items") or {}
        if items.get("logicalType") != "object" or not items.get("properties"):
            yield Fault(path, line, f"`{name}`: the items of an array are objects with properties")
        for number, one in enumerate(items.get("properties") or ()):
            inner = (*place, "items", "properties", number)
            yield from _property(one, path, inner, line_of, leaf=True)
    options = node.get("logicalTypeOptions") or {}
    yield from _pattern(options.get("pattern"), path, (*place, "logicalTypeOptions"), line_of)
    if kind == "timestamp":
        for bound in ("minimum", "maximum"):
            if bound in options and not re.search(r"(Z|[+-]\d\d:\d\d)$", str(options[bound])):
                yield Fault(path, line, f"`{name}`: {bound} has no time zone", "end it with Z")
    for key in custom(node):
        if key not in _MINE:
            meant = difflib.get_close_matches(key, sorted(_MINE), n=1)
            hint = f"did you mean `{meant[0]}`?" if meant else ""
            if _is_ours(node, key):
                yield Fault(path, line, f"`{name}`: unknown custom property `{key}`", hint)
    for number, rule in enumerate(node.get("quality") or ()):
        yield from _quality(rule, name, path, (*place, "quality", number), line_of)


def _is_ours(node: Mapping[str, Any], key: str) -> bool:
    return any(
        one.get("property") == key and one.get("vendor") == "concord"
        for one in node.get("customProperties") or ()
    )


def _pattern(
    pattern: str | None, path: str, place: tuple[Any, ...], line_of: LineOf
) -> Iterator[Fault]:
    if pattern is None:
        return
    line = line_of((*place, "pattern"))
    if _NOT_RUST.search(pattern):
        yield Fault(path, line, "the pattern looks around or back", "no (?=…), (?!…), \\1 here")
        return
    try:
        re.compile(pattern)
    except re.error:
        yield Fault(path, line, "the pattern is no regular expression")


def _quality(
    rule: Mapping[str, Any],
    column: str | None,
    path: str,
    place: tuple[Any, ...],
    line_of: LineOf,
) -> Iterator[Fault]:
    line = line_of(place)
    if not rule.get("id"):
        yield Fault(path, line, "a quality rule without id", "reports name rules by their id")
        return
    name = rule["id"]
    if rule.get("type") == "sql":
        if rule.get("mustBe") != 0:
            yield Fault(path, line, f"rule {name}: a row rule has `mustBe: 0`")
        try:
            lifted(rule.get("query") or "")
        except ValueError as error:
            yield Fault(path, line, f"rule {name} is not enforced", str(error))
    elif rule.get("metric") in ("invalidValues", "nullValues", "missingValues"):
        if column is None or rule.get("mustBe") != 0 or rule.get("unit") == "percent":
            yield Fault(path, line, f"rule {name}: on a column, with `mustBe: 0`, in rows")
        arguments = rule.get("arguments") or {}
        if rule["metric"] == "invalidValues" and not (arguments.keys() & {"validValues", "pattern"}):
            yield Fault(path, line, f"rule {name}: says neither validValues nor pattern")
        yield from _pattern(arguments.get("pattern"), path, (*place, "arguments"), line_of)
    else:
        what = rule.get("metric") or rule.get("type") or "text"
        yield Fault(path, line, f"rule {name}: Concord does not enforce `{what}` yet")
