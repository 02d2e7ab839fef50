"""Rules, audiences and mappings that nothing could carry out, found before they are in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from concord.contracts.document import Contract, Rule
from concord.contracts.trial import lift_faults
from concord.errors import Fault
from concord.jobs import GOLDEN
from concord.normalise.mapping import mapping_faults
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.registry import kind, multivalued
from concord.project import Project
from concord.project_files import read_files

__all__ = ["rule_faults"]

_LineOf = Callable[[tuple[Any, ...]], int]


def rule_faults(project: Project) -> list[Fault]:
    """Faults of a loaded project that only Polars and the connectors can tell."""
    if not any(_faults(project, {}, {})):
        return []
    files, _, _ = read_files(project.root)
    lines = {file.path: file.line_of for file in files}
    places = {
        file.data["schema"][0]["physicalName"]: file.path
        for file in files
        if file.path.endswith(".odcs.yaml")
    }
    return sorted(_faults(project, places, lines))


def _faults(
    project: Project, places: Mapping[str, str], lines: Mapping[str, _LineOf]
) -> Iterator[Fault]:
    """Every fault.

    Args:
        places: dataset to the contract's file; empty when nobody asks where.
        lines: of every file.
    """
    for dataset, contract in project.contracts.items():
        path = places.get(dataset, "contracts")
        yield from lift_faults(contract, path=path, line_of=lines.get(path))
    for name, platform in project.platforms.items():
        path = f"assets/platforms/{name}.yaml"
        line_of = lines.get(path, _nowhere)
        if platform.audience != "existing":
            golden = project.contracts[GOLDEN]
            yield from _audience_faults(platform.audience, golden, path, line_of(("audience",)))
        mapped = project.contract(f"clean/{name}")
        assert mapped is not None
        for fault in mapping_faults(platform, mapped, multivalued(platform)):
            yield Fault(path, line_of(fault.place), fault.what, fault.hint)
        yield from _native_faults(platform, path, line_of)


def _native_faults(platform: PlatformDeclaration, path: str, line_of: _LineOf) -> Iterator[Fault]:
    """Native names that no platform of the kind can have, where the kind knows all there are."""
    told = getattr(kind(platform.kind), "native_fault", None)
    if told is None:
        return
    for place, native in _named_natives(platform):
        fault = told(native)
        if fault is not None:
            yield Fault(path, line_of(place), *fault)


def _named_natives(platform: PlatformDeclaration) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every native name, and the keys that lead to it."""
    for column, declared in platform.fields.items():
        for number, one in enumerate(platform.column(column)):
            place = (column, number) if isinstance(declared, list) else (column,)
            yield ("fields", *place), one.source
    for number, claim in enumerate(platform.consents):
        for key in ("address", "state", "at"):
            native = getattr(claim, key)
            if native is not None:
                yield ("consents", number, key), native


def _nowhere(_: tuple[Any, ...]) -> int:
    return 0


def _audience_faults(audience: str, golden: Contract, path: str, line: int) -> Iterator[Fault]:
    """The condition tried out as if it were a row rule of golden."""
    rule = Rule("audience", "row", None, "", argument=audience)
    for fault in lift_faults(replace(golden, rules=(rule,)), path=path):
        yield replace(fault, line=line, what=fault.what.removeprefix("rule "))
