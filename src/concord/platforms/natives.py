"""Native fields: which ones a project reads from a platform, and when two values are one."""

from __future__ import annotations

from collections.abc import Mapping

from concord.platforms.base import Native
from concord.platforms.declaration import PlatformDeclaration

__all__ = ["native_fields", "same_native"]


def native_fields(declaration: PlatformDeclaration) -> tuple[str, ...]:
    """Every native field that the declaration maps, states consent by, or calls unique; sorted."""
    mapped = {one.source for column in declaration.fields for one in declaration.column(column)}
    claims = {
        native
        for claim in declaration.consents
        for native in (claim.address, claim.state, claim.at)
        if native is not None
    }
    return tuple(sorted(mapped | claims | set(declaration.unique)))


def same_native(native: Native, other: Native) -> bool:
    """Whether two values are one; elements of a list have no order."""
    if isinstance(native, list) and isinstance(other, list):
        return sorted(map(_said, native)) == sorted(map(_said, other))
    return (native or None) == (other or None)


def _said(element: Mapping[str, object]) -> tuple[str, str, bool]:
    kind = element.get("type")
    return str(element.get("value")), str(kind or ""), bool(element.get("preferred"))
