"""Which native fields a project reads from a platform: those it maps, and no other."""

from __future__ import annotations

from concord.platforms.declaration import PlatformDeclaration

__all__ = ["native_fields"]


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
