"""Faults of a contract file: against YAML's traps, the standard, and what Concord enforces."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any

from concord.contracts.enforced import enforced_faults
from concord.contracts.freshness import freshness_faults
from concord.contracts.quality_lint import LineOf
from concord.contracts.standard import standard_faults
from concord.errors import Fault

__all__ = ["faults"]

_VERSION = re.compile(r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)")
_STATUS = ("proposed", "draft", "active", "deprecated", "retired")
_CURLY = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb")
_VALUES = ("validValues", "missingValues", "examples")


def faults(data: Any, *, path: str, line_of: LineOf) -> list[Fault]:
    """Every fault of one contract file that can be seen without Polars, with its line.

    What only Polars can tell is in `concord.contracts.trial`.

    Args:
        data: the parsed YAML.
        path: the file, relative to the project.
        line_of: path of keys and positions to line; its ``ambiguous``, if it has one, lists places
            whose unquoted text other tools read as something else.
    """
    if not isinstance(data, dict):
        return [Fault(path, 1, "is no contract", "start with apiVersion, kind, id, version")]
    found = [*_trap_faults(data, path, line_of), *_head_faults(data, path, line_of)]
    found += standard_faults(data, path=path, line_of=line_of)
    found += freshness_faults(data, path, line_of)
    if not found:
        found += enforced_faults(data, path=path, line_of=line_of)
    return sorted(set(found))


def _head_faults(data: Mapping[str, Any], path: str, line_of: LineOf) -> Iterator[Fault]:
    version = data.get("version")
    if version is not None and not isinstance(version, str):
        yield Fault(path, line_of(("version",)), "`version` is a number", "quote it: '1.1.0'")
    elif version is not None and not _VERSION.fullmatch(version):
        hint = "write MAJOR.MINOR.PATCH, for example 1.2.0"
        yield Fault(path, line_of(("version",)), "`version` is no version", hint)
    if data.get("status") not in (None, *_STATUS):
        hint = ", ".join(_STATUS)
        yield Fault(path, line_of(("status",)), "`status` is none that Concord knows", hint)
    api = data.get("apiVersion")
    if isinstance(api, str) and not api.startswith("v3."):
        line = line_of(("apiVersion",))
        yield Fault(path, line, "contracts follow ODCS 3", "apiVersion: v3.2.0")


def _trap_faults(data: Mapping[str, Any], path: str, line_of: LineOf) -> Iterator[Fault]:
    """What YAML turns, here or in other tools, into something else than was meant."""
    for place in getattr(line_of, "ambiguous", ()):
        said = f"{_named(place)} is unquoted text that other tools read as something else"
        yield Fault(path, line_of(place), said, "quote it")
    for place, value in _walk(data, ()):
        if isinstance(value, datetime.date):
            yield Fault(path, line_of(place), f"`{place[-1]}` is a bare date", "quote it")
        elif isinstance(value, bool) and _is_listed(place):
            said = "a bare yes, no, true or false in a list of values"
            yield Fault(path, line_of(place), said, "quote it")
        elif isinstance(value, str) and value[:1] in _CURLY and value[-1:] in _CURLY:
            said = f"{_named(place)} stands in typographic quotes, which YAML reads as text"
            yield Fault(path, line_of(place), said, "write ' or \" around it")


def _named(place: tuple[Any, ...]) -> str:
    """The key at *place*, or the position in the list under the nearest one."""
    key = next(part for part in reversed(place) if isinstance(part, str))
    return f"`{key}`" if place[-1] == key else f"entry {place[-1] + 1} of `{key}`"


def _is_listed(place: tuple[Any, ...]) -> bool:
    enumerated = len(place) > 2 and place[-3] == "enum" and place[-1] == "value"
    return enumerated or (len(place) > 1 and place[-2] in _VALUES)


def _walk(node: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, (*place, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _walk(value, (*place, number))
    elif place:
        yield place, node
