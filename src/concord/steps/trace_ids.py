"""Whom a trace is of: a person or a record, by its id or the beginning of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from concord.assets.table import Table
from concord.errors import UsageError
from concord.jobs import CROSSWALK, GOLDEN
from concord.steps.context import Context
from concord.steps.plan_scope import owned, roots

__all__ = ["Subject", "subject"]

_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Subject:
    """One person with its records, or one record with the person it belongs to.

    Attributes:
        kind: ``person`` or ``record``.
        persons: the person's id and those that it had before; empty for a record of nobody.
        records: platform to record ids.
    """

    kind: str
    id: str
    persons: tuple[str, ...]
    records: dict[str, tuple[str, ...]]

    @property
    def person(self) -> str | None:
        """The person's id now."""
        return self.persons[0] if self.persons else None


def subject(ctx: Context, wanted: str) -> Subject:
    """Find out what *wanted* names.

    Raises:
        UsageError: nothing, or several.
    """
    if len(wanted) < _SHORTEST:
        raise UsageError(f"an id has at least {_SHORTEST} signs; give more of it")
    tables = {CROSSWALK: ctx.open(CROSSWALK), GOLDEN: ctx.open(GOLDEN)}
    raw = {f"raw/{name}": ctx.open(f"raw/{name}") for name in sorted(ctx.project.platforms)}
    records = pl.concat([_records({**tables, **raw}, name) for name in ctx.project.platforms])
    aliases = roots(tables)
    people = {*tables[GOLDEN].frame(columns=["person_id"]).collect()["person_id"]}
    people |= {*records["owner"].drop_nulls(), *aliases}
    found = _meant(wanted, {*records["record_id"], *people})
    if found in people:
        now = aliases.get(found, found)
        own = records.filter(pl.col("owner") == now)
        former = sorted(one for one, root in aliases.items() if root == now)
        return Subject("person", now, (now, *former), _by_platform(own))
    own = records.filter(pl.col("record_id") == found)
    owner = own["owner"][0]
    return Subject("record", found, (owner,) if owner else (), _by_platform(own))


def _records(tables: Mapping[str, Table], platform: str) -> pl.DataFrame:
    return owned(tables, platform).with_columns(platform=pl.lit(platform))


def _meant(wanted: str, known: set[str]) -> str:
    fits = [wanted] if wanted in known else [one for one in known if one.startswith(wanted)]
    if len(fits) != 1:
        said = f"{len(fits)} ids begin so; give more of it" if fits else "no person or record"
        raise UsageError(f"trace: {said}; `concord dataset read people/crosswalk` shows ids")
    return fits[0]


def _by_platform(own: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for record_id, platform in (
        own.sort("platform", "record_id").select("record_id", "platform").rows()
    ):
        found[platform] = (*found.get(platform, ()), record_id)
    return found
