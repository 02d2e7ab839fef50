"""The platform of a step: its connector, and its mapping."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from concord.contracts.document import Contract
from concord.normalise.claims import claim_column
from concord.normalise.mapping import FieldMap, mapping_of
from concord.platforms.connection import Connection
from concord.platforms.registry import kind, multivalued, open_platform
from concord.steps.context import Context
from concord.steps.turns import turn
from concord.steps.watched import Watched
from concord.sync.chunks import EVERY_SLOT
from concord.sync.mapped import ClaimColumn, Mapped

__all__ = ["Mapping", "batch_of", "connection_of", "mapping_for", "opened"]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A platform's mapping, as normalise carries it out and as sync sees it."""

    fields: FieldMap
    mapped: Mapped
    contract: Contract


def mapping_for(ctx: Context, platform: str) -> Mapping:
    """The declared mapping of *platform*, made executable; connects to nothing."""
    declaration = ctx.project.platform(platform)
    contract = ctx.project.contract(f"clean/{platform}")
    assert contract is not None
    fields = mapping_of(declaration, contract, multivalued(declaration), ctx.project.region)
    unique = {
        column
        for column in fields.columns
        for one in fields.of(column)
        if one.native in declaration.unique
    }
    mapped = Mapped(
        platform=platform,
        natives={c: tuple(one.native for one in fields.of(c)) for c in fields.columns},
        lists={c: _room(fields, c) for c in fields.columns if fields.of(c)[0].kind != "scalar"},
        writable=frozenset(c for c in fields.columns if fields.writes(c)),
        element_key=lambda _column, value: value,
        claims=_claims(fields, contract),
        unique=frozenset(unique),
    )
    return Mapping(fields, mapped, contract)


def _room(fields: FieldMap, column: str) -> int | None:
    """How many elements a record can hold; None for any number."""
    own = fields.of(column)
    return None if any(one.kind == "list" for one in own) else len(own)


def _claims(fields: FieldMap, contract: Contract) -> tuple[ClaimColumn, ...]:
    return tuple(
        ClaimColumn(
            column=claim_column(one),
            channel=one.channel,
            purpose=one.purpose,
            addresses=next(iter(contract.role(one.channel)), ""),
            state=one.state,
            write=one.write,
        )
        for one in fields.claims
    )


def batch_of(ctx: Context, platform: str) -> int:
    """How many operations the platform takes in one call at most; connects to nothing."""
    return kind(ctx.project.platform(platform).kind).batch


def connection_of(ctx: Context, platform: str) -> Connection:
    """The connection that the platform names; an empty one where it names a folder."""
    named = ctx.project.platform(platform).connection
    return Connection("") if named is None else ctx.connect(named)


@contextmanager
def opened(ctx: Context, platform: str, slots: Collection[int] = EVERY_SLOT) -> Iterator[Watched]:
    """The platform's connector in its turn, every call of it watched, closed at the end.

    Args:
        slots: of the platform's operations, those that nobody else may have meanwhile.
    """
    declaration = ctx.project.platform(platform)
    connection = connection_of(ctx, platform)
    with (
        turn(ctx, platform, slots),
        open_platform(platform, declaration, connection, ctx.project.root) as found,
    ):
        watched = Watched(found, platform, ctx.at)
        try:
            yield watched
        finally:
            ctx.effort.add(watched.effort)
