"""Faults of a contract file against the ODCS JSON Schema (Draft 2019-09), with the key meant."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import orjson

from concord.errors import Fault

__all__ = ["meant", "standard_faults"]

LineOf = Callable[[tuple[Any, ...]], int]
_UNEXPECTED = re.compile(r"'([^']+)'")
_CLOSED = ("additionalProperties", "unevaluatedProperties")
_OPERATORS = "mustBe, mustNotBe, mustBeGreaterThan, …"


@functools.cache
def _schema() -> Mapping[str, Any]:
    found = orjson.loads(files("open_data_contract_standard").joinpath("schema.json").read_bytes())
    assert isinstance(found, dict)
    return found


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft201909Validator

    return Draft201909Validator(_schema())


def meant(key: str, known: list[str]) -> str:
    """The known key that a misspelt one is nearest to, as a hint; empty when none is near."""
    from rapidfuzz import fuzz, process

    found = process.extractOne(key, known, scorer=fuzz.ratio, score_cutoff=70)
    return f"did you mean `{found[0]}`?" if found else ""


def standard_faults(data: Mapping[str, Any], *, path: str, line_of: LineOf) -> Iterator[Fault]:
    """Every place where the document does not follow the standard.

    Args:
        data: the parsed YAML.
        path: the file, relative to the project.
        line_of: path of keys and positions to line.
    """
    plain = orjson.loads(orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS))
    errors = list(_validator().iter_errors(plain))
    unknown = list(_unknown_keys(errors))
    for place, key, known in unknown:
        line = line_of((*place, key))
        hint = meant(key, known) or _of_another_type(plain, place, key)
        yield Fault(path, line, f"unknown key `{key}`", hint)
    if unknown:  # a key too many makes errors of its own
        for place, key, _ in unknown:
            _without(plain, place, key)
        errors = list(_validator().iter_errors(plain))
    yield from _told(errors, plain, path, line_of)


def _told(errors: list[Any], document: Any, path: str, line_of: LineOf) -> Iterator[Fault]:
    """Faults of errors whose keys are all known.

    A key that is known and all the same unexpected follows from another error of the same property,
    where there is one.
    """
    causes = [error for error in errors if error.validator not in _CLOSED]
    for error in causes:
        if not _is_map(error):  # left to `enforced`
            yield _fault(error, document, path, line_of)
    for error in errors if not causes else ():
        for key in _UNEXPECTED.findall(error.message) if error.validator in _CLOSED else ():
            line = line_of((*error.absolute_path, key))
            yield Fault(path, line, f"`{key}` does not belong here")


def _is_map(error: Any) -> bool:
    """The standard asks for `map` of every property without logicalType."""
    return bool(error.validator == "required" and error.validator_value == ["map"])


def _unknown_keys(errors: list[Any]) -> Iterator[tuple[tuple[Any, ...], str, list[str]]]:
    for error in errors:
        if error.validator in _CLOSED and isinstance(error.instance, dict):
            known = _known_keys(error)
            for key in error.instance:
                if key not in known:
                    yield tuple(error.absolute_path), key, known


def _known_keys(error: Any) -> list[str]:
    """Property names that the standard knows where *error* is."""
    known: set[str] = set()
    pending = [error.schema]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if id(node) in seen or not isinstance(node, dict):
            continue
        seen.add(id(node))
        known |= set(node.get("properties", ()))
        if "$ref" in node:
            pending.append(_schema()["$defs"].get(node["$ref"].rsplit("/", 1)[-1], {}))
        for name in ("allOf", "anyOf", "oneOf"):
            pending += node.get(name, ())
        pending += [node[name] for name in ("then", "else") if name in node]
    return sorted(known)


def _of_another_type(document: Any, place: tuple[Any, ...], key: str) -> str:
    """Of an option that the standard knows, but not for the property's type."""
    if place[-1:] != ("logicalTypeOptions",):
        return ""
    for part in place[:-1]:
        document = document[part]
    kind = document.get("logicalType")
    return f"`{key}` does not go with `logicalType: {kind}`; change one of them" if kind else ""


def _without(node: Any, place: tuple[Any, ...], key: str) -> None:
    for part in place:
        node = node[part]
    node.pop(key, None)


def _fault(error: Any, document: Any, path: str, line_of: LineOf) -> Fault:
    from jsonschema.exceptions import best_match

    place = tuple(error.absolute_path)
    if error.validator == "oneOf" and _are_operators(error.schema):
        return Fault(path, line_of(place), "a rule has exactly one operator", _OPERATORS)
    best = best_match([error])
    where = _named(document, tuple(best.absolute_path)) or "the contract"
    line = line_of(tuple(best.absolute_path))
    if best.validator == "required":
        keys = [key for key in best.validator_value if key not in best.instance]
        return Fault(path, line, f"`{where}` lacks `{'`, `'.join(keys)}`")
    said = {
        "type": f"is not of type {best.validator_value}",
        "enum": f"is none of {', '.join(map(str, best.validator_value or ()))}"
        if best.validator == "enum"
        else "",
        "pattern": f"does not match {best.validator_value}",
        "uniqueItems": "holds something twice",
        "minItems": "is empty",
    }.get(best.validator, f"does not follow ODCS ({best.validator})")
    return Fault(path, line, f"`{where}` {said}")


def _named(node: Any, place: tuple[Any, ...]) -> str:
    """The keys down to *place*; what has a name is called by it, not by its position."""
    said: list[str] = []
    for part in place:
        node = node[part]
        name = node.get("name") if isinstance(node, dict) and isinstance(part, int) else None
        if isinstance(name, str):
            said = [name]
        elif part not in ("properties", "items", "schema"):
            said.append(str(part))
    return ".".join(said)


def _are_operators(schema: Any) -> bool:
    return any("mustBe" in one.get("properties", ()) for one in schema.get("oneOf", ()))
