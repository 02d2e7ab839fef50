"""Kinds of platforms, found by entry point: another package may bring its own."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, Self

from concord.errors import UsageError
from concord.platforms.base import Sink, Source
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration

__all__ = ["Kind", "Platform", "kind", "kinds", "multivalued", "open_platform"]

_GROUP = "concord.platforms"


class Platform(Source, Sink, Protocol):
    """One opened platform: reads, writes, and is closed at the end of a `with`.

    A connector that counts what its calls take shows it in an attribute ``effort``
    (`concord.platforms.effort.Effort`); of one that has none its own calls are counted.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def close(self) -> None:
        """Give up the connection; harmless when there is none."""
        ...


class Kind(Protocol):
    """A class of connectors.

    Attributes:
        batch: operations that one call takes at most.
    """

    batch: int

    def __call__(
        self, name: str, declaration: PlatformDeclaration, connection: Connection, *, root: Path
    ) -> Platform:
        """Make a connector; *root* is the project's folder."""
        ...


def kinds() -> tuple[str, ...]:
    """The names of all kinds that are installed, sorted."""
    return tuple(sorted(found.name for found in entry_points(group=_GROUP)))


def kind(name: str) -> Kind:
    """The class behind a kind's name; imports its library only now.

    Raises:
        UsageError: no installed package brings this kind.
    """
    for found in entry_points(group=_GROUP, name=name):
        loaded: Kind = found.load()
        return loaded
    raise UsageError(f"no kind of platform is called {name!r}; installed are {', '.join(kinds())}")


def multivalued(declaration: PlatformDeclaration) -> frozenset[str]:
    """Native fields that hold a list, where the platform is declared so."""
    found: Any = getattr(kind(declaration.kind), "multivalued", frozenset())
    return frozenset(found(declaration) if callable(found) else found)


def open_platform(
    name: str, declaration: PlatformDeclaration, connection: Connection, root: Path
) -> Platform:
    """Make the connector of one declared platform; it connects when it is first used."""
    return kind(declaration.kind)(name, declaration, connection, root=root)
