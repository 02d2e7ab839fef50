"""Deploy: bring every table up to its declaration; what cannot be reached by adding is refused."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from concord.assets.evolution import add_columns, create_table, schema_difference
from concord.assets.exclusive import refuses_to_overwrite
from concord.assets.snapshot import Change, publish
from concord.assets.table import Table
from concord.errors import (
    BreakingChange,
    NotDeployed,
    ProjectFaults,
    RecordKeyChanged,
    UsageError,
)
from concord.project import write_resolved
from concord.steps.context import Context, keyed_hash
from concord.steps.contract_check import rule_faults
from concord.steps.tables import frame_schema

__all__ = ["Action", "check_record_key", "deploy"]

_FINGERPRINT = "record_key"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that deploy does, or would do."""

    dataset: str
    what: str


def deploy(
    ctx: Context, *, dry_run: bool = False, resolved: bool = True, checks_key: bool = True
) -> list[Action]:
    """Create tables, add columns, keep the record key's fingerprint, write the resolved project.

    Args:
        dry_run: only say what would be done.
        resolved: whether to write the resolved project for Dags and tasks.
        checks_key: whether the record key is compared; not where a dry run has none.

    Raises:
        ProjectFaults: a rule that cannot be carried out.
        BreakingChange: a table differs in a way that adding columns does not mend; nothing was
            done.
        RecordKeyChanged: the tables were filled under another record key.
        UsageError: the lake begins in an object store that cannot keep two writers apart.
    """
    faults = tuple(rule_faults(ctx.project))
    if faults:
        raise ProjectFaults(faults)
    tables = {name: _existing(ctx, name) for name in ctx.project.datasets}
    reasons = [reason for name, table in tables.items() for reason in _breaking(ctx, name, table)]
    if reasons:
        raise BreakingChange(
            f"{'; '.join(reasons)}. Nothing was done: declare what the tables have as it was, and "
            "what is new beside it"
        )
    if checks_key and tables["ops/project"] is not None:
        check_record_key(ctx)
    actions = [action for name, table in tables.items() for action in _actions(ctx, name, table)]
    if dry_run:
        return actions
    if all(table is None for table in tables.values()):
        _check_store(ctx)
    for name, table in tables.items():
        _bring_up(ctx, name, table)
    _store_record_key(ctx)
    if resolved:
        write_resolved(ctx.project.root)
    return actions


def _check_store(ctx: Context) -> None:
    if "://" in ctx.lake.root and not refuses_to_overwrite(ctx.lake):
        raise UsageError(
            "the lake's object store lets one writer overwrite another's commit, so work would be "
            "lost; nothing was made. Take one that refuses a PUT with If-None-Match where an "
            "object is, as Amazon S3 does (docs/deployment.md lists others)"
        )


def _existing(ctx: Context, name: str) -> Table | None:
    try:
        return ctx.lake.open(ctx.project.datasets[name])
    except NotDeployed:
        return None


def _breaking(ctx: Context, name: str, table: Table | None) -> list[str]:
    if table is None:
        return []
    difference = schema_difference(table.schema, frame_schema(ctx.project, name))
    return [f"{name}: {reason}" for reason in difference.breaking]


def _actions(ctx: Context, name: str, table: Table | None) -> list[Action]:
    wanted = frame_schema(ctx.project, name)
    if table is None:
        return [Action(name, f"create with {len(wanted)} columns")]
    added = schema_difference(table.schema, wanted).added
    return [Action(name, f"add column {column}") for column in added]


def _bring_up(ctx: Context, name: str, table: Table | None) -> None:
    wanted = frame_schema(ctx.project, name)
    if table is None:
        create_table(ctx.lake, ctx.project.datasets[name], wanted, run=ctx.run)
        return
    added = schema_difference(table.schema, wanted).added
    if added:
        add_columns(table, {column: wanted[column] for column in added}, run=ctx.run)


def check_record_key(ctx: Context) -> None:
    """Refuse a record key other than the one the project's ids were made with."""
    stored = (
        ctx.lake.open(ctx.project.datasets["ops/project"])
        .frame()
        .filter(pl.col("name") == _FINGERPRINT)
        .collect()
    )
    if stored.height and stored["value"][0] != _fingerprint(ctx):
        raise RecordKeyChanged(
            f"the connection {ctx.project.record_key} holds another record key than the one this "
            "lake's ids were made with; put the old one back, or start an empty lake"
        )


def _fingerprint(ctx: Context) -> str:
    return keyed_hash(ctx.record_key, "fingerprint")


def _store_record_key(ctx: Context) -> None:
    table = ctx.open("ops/project")
    frame = pl.DataFrame({"name": [_FINGERPRINT], "value": [_fingerprint(ctx)]})
    publish(table, lambda _table, _cursors: Change(upserts=frame), upto={"deploy": 1}, run=ctx.run)
