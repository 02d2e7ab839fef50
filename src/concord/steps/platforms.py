"""The platform of a step: its connector, and its mapping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from concord.normalise.mapping import FieldMap, mapping_of
from concord.platforms.registry import Platform, kind, open_platform
from concord.steps.context import Context

__all__ = ["mapping_of_platform", "opened"]


def mapping_of_platform(ctx: Context, platform: str) -> FieldMap:
    """The declared mapping of *platform*, made executable."""
    declaration = ctx.project.platform(platform)
    contract = ctx.project.contract(f"clean/{platform}")
    assert contract is not None
    multivalued = kind(declaration.kind).multivalued
    return mapping_of(declaration, contract, multivalued, ctx.project.region)


@contextmanager
def opened(ctx: Context, platform: str) -> Iterator[Platform]:
    """The platform's connector, closed at the end."""
    declaration = ctx.project.platform(platform)
    connection = ctx.connect(declaration.connection)
    with open_platform(platform, declaration, connection, root=ctx.project.root) as found:
        yield found
