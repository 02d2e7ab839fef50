"""The files of a project: which they are, what stands in them, and their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concord.errors import Fault, ProjectFaults

__all__ = ["File", "digests_of", "read_files"]

_NEEDED = ("concord.yaml", "assets/people.yaml", "lineage/processing.yaml")
_BESIDE_CONTRACTS = ("waivers.yaml", "approvals.yaml")


@dataclass(frozen=True, slots=True)
class File:
    """One declared file.

    Attributes:
        path: relative to the project.
        data: dicts, lists and scalars.
        line_of: path of keys and positions to 1-based line.
    """

    path: str
    data: Any
    line_of: Callable[[tuple[Any, ...]], int]


def _declared(root: Path) -> Iterator[Path]:
    for name in _NEEDED:
        if (root / name).is_file():
            yield root / name
    yield from sorted((root / "assets" / "platforms").glob("*.yaml"))
    yield from sorted((root / "contracts").glob("*.odcs.yaml"))
    yield from sorted((root / "contracts" / "subscriptions").glob("*.yaml"))


def digests_of(root: Path) -> dict[str, str]:
    """Sha256 of every declared file, by its path in the project."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _declared(root)
    }


def read_files(root: Path) -> tuple[list[File], dict[str, str], list[Fault]]:
    """Every declared file that can be read, the digests, and what is wrong with the others."""
    from concord.yaml_text import load_text

    files: list[File] = []
    faults = [*_missing(root), *_unread(root)]
    digests: dict[str, str] = {}
    for path in _declared(root):
        name = path.relative_to(root).as_posix()
        content = path.read_bytes()
        digests[name] = hashlib.sha256(content).hexdigest()
        try:
            data, line_of = load_text(content.decode("utf-8"), path=name)
        except ProjectFaults as error:
            faults += error.faults
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            faults.append(Fault(name, line, "is not UTF-8 text", "save it as UTF-8"))
        else:
            files.append(File(name, data, line_of))
    return files, digests, faults


def _missing(root: Path) -> Iterator[Fault]:
    for name in _NEEDED:
        if not (root / name).is_file():
            yield Fault(name, 0, "is missing")
    if not any((root / "assets" / "platforms").glob("*.yaml")):
        yield Fault("assets/platforms", 0, "holds no platform", "declare one: <name>.yaml")


def _unread(root: Path) -> Iterator[Fault]:
    """Files that somebody wrote for Concord under a name that it does not read."""
    for folder in ("assets/platforms", "contracts", "contracts/subscriptions"):
        for path in sorted((root / folder).glob("*.yml")):
            hint = f"name it {path.stem}.yaml"
            yield Fault(f"{folder}/{path.name}", 0, "is not read: its name ends in .yml", hint)
    for path in sorted((root / "contracts").glob("*.yaml")):
        if not path.name.endswith(".odcs.yaml") and path.name not in _BESIDE_CONTRACTS:
            hint = f"name it {path.stem}.odcs.yaml"
            yield Fault(f"contracts/{path.name}", 0, "is not read: it is no contract's name", hint)
