"""Everything that keeps a project from working, found before it does; nothing is changed."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from concord.errors import ConcordError, LakeDown, MissingConnection, ProjectFaults
from concord.platforms.connection import Connection
from concord.project import Project
from concord.steps.context import Context
from concord.steps.contract_check import rule_faults
from concord.steps.deploy import check_record_key, deploy
from concord.steps.doctor_installation import shadows, versions
from concord.steps.doctor_secrets import secrets_of_project
from concord.steps.finding import Finding, Level
from concord.steps.platform_check import checked

__all__ = ["CHECKS", "installation", "of_context", "of_project"]

CHECKS = (
    *("versions", "packages", "secrets", "faults", "connections", "record key"),
    *("tables", "platforms", "lake", "disk", "clock"),
)
"""What is looked at, in order."""

_LITTLE, _TOO_LITTLE = 1 << 30, 100 << 20
_AHEAD = timedelta(minutes=1)


def installation(root: Path) -> Iterator[Finding]:
    """What needs no sound project: versions, hidden packages, secrets in files."""
    yield from versions()
    yield from shadows(root, sys.path)
    for file, line, what in secrets_of_project(root):
        yield Finding(
            Level.ERROR,
            "secrets",
            f"{file}:{line}",
            f"holds {what}",
            "keep it in an Airflow connection or a secrets backend, take it out of the file and "
            "its history, and change it",
        )


def of_project(project: Project | ProjectFaults) -> Iterator[Finding]:
    """The project's faults, as `concord contract lint` lists them."""
    try:
        faults = project.faults if isinstance(project, ProjectFaults) else rule_faults(project)
        for one in faults:
            place = f"{one.path}:{one.line}" if one.line else one.path
            yield Finding(Level.ERROR, "faults", place, one.what, one.hint or "mend the file")
    except ProjectFaults as error:
        yield from of_project(error)


def of_context(ctx: Context, *, patience_s: float = 20.0) -> Iterator[Finding]:
    """Connections, tables, platforms, and where the lake lies.

    Args:
        ctx: with the record key, where the project has one without an Airflow connection.
        patience_s: seconds that all platforms together have to answer.
    """
    connections: dict[str, Connection] = {}
    for name, used_by in _needed(ctx.project).items():
        try:
            connections[name] = ctx.connect(name)
        except ConcordError as error:
            if name == ctx.project.record_key and ctx.record_key:
                continue
            what, _, fix = str(error).partition("; ")
            yield Finding(Level.ERROR, "connections", name, f"{used_by}: {what}", fix)
    yield from _room(ctx)
    down = list(_store(ctx))
    yield from down or _tables(ctx, connections)
    yield from _platforms(ctx, connections, patience_s)


def _needed(project: Project) -> dict[str, str]:
    """Connection to whoever needs it."""
    found = {project.record_key: "the key of all ids"}
    platforms = sorted(project.platforms.items())
    found |= {one.connection: name for name, one in platforms if one.connection is not None}
    return found


def _tables(ctx: Context, connections: Mapping[str, Connection]) -> Iterator[Finding]:
    key = connections.get(ctx.project.record_key)
    if key is not None and not key.password:
        what = "the connection has no password; it is the key that every id is made with"
        yield Finding(Level.ERROR, "record key", key.name, what, "set it once, and keep it")
        return
    try:
        known = replace(ctx, record_key=key.password.encode()) if key else ctx
        if known.record_key and "ops/project" not in _missing(known):
            check_record_key(known)
    except ConcordError as error:
        yield Finding(
            Level.ERROR, "record key", ctx.project.record_key, str(error), "put the old key back"
        )
    yield from _undeployed(ctx)
    yield from _clock(ctx)


def _store(ctx: Context) -> Iterator[Finding]:
    """Asked once: each of the tables would be waited for in vain."""
    try:
        ctx.lake.find(ctx.project.datasets["ops/project"])
    except LakeDown as error:
        said = str(error).removeprefix(f"{error.where}: ")
        what, _, fix = said.partition("; nothing was written. ")
        yield Finding(Level.ERROR, "lake", "lake", what, fix)
    except ConcordError:
        return  # told with the tables


def _missing(ctx: Context) -> set[str]:
    found = set()
    for name, dataset in ctx.project.datasets.items():
        try:
            ctx.lake.open(dataset)
        except ConcordError:
            found.add(name)
    return found


def _undeployed(ctx: Context) -> Iterator[Finding]:
    try:
        actions = deploy(ctx, dry_run=True, checks_key=False)
    except ProjectFaults:
        return  # told already
    except ConcordError as error:
        yield Finding(Level.ERROR, "tables", "lake", str(error), "mend what it says, then deploy")
        return
    made = [one.dataset for one in actions if one.what.startswith("create")]
    if len(made) == len(ctx.project.datasets):
        what = "no table is there yet"
        yield Finding(Level.ERROR, "tables", "lake", what, "`concord deploy`")
        return
    for one in actions:
        yield Finding(
            Level.ERROR, "tables", one.dataset, f"not deployed: {one.what}", "`concord deploy`"
        )


def _clock(ctx: Context) -> Iterator[Finding]:
    try:
        record = ctx.lake.open(ctx.project.datasets["ops/runs"]).newest_record()
    except ConcordError:
        return
    if record is not None and datetime.fromisoformat(record.at) > ctx.now() + _AHEAD:
        what = f"the newest commit is of {record.at[:19]} UTC, which lies ahead of this clock"
        fix = "set the clock by NTP: who is the newest decides between two edits"
        yield Finding(Level.WARNING, "clock", "this host", what, fix)


def _room(ctx: Context) -> Iterator[Finding]:
    if "://" in ctx.lake.root:
        return
    place = Path(ctx.lake.root)
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        fix = "give the user that runs Airflow the right to write there"
        yield Finding(Level.ERROR, "lake", "lake", "its folder cannot be written", fix)
    free = shutil.disk_usage(place).free
    if free < _LITTLE:
        level = Level.ERROR if free < _TOO_LITTLE else Level.WARNING
        what = f"{free >> 20} MiB are left on the lake's disk"
        yield Finding(level, "disk", "lake", what, "make room, or a larger disk")


def _platforms(
    ctx: Context, connections: Mapping[str, Connection], patience_s: float
) -> Iterator[Finding]:
    """All platforms at once; one that does not answer keeps nobody waiting."""
    mine = replace(ctx, connect=connections.__getitem__)
    there = [
        name
        for name, one in ctx.project.platforms.items()
        if one.connection is None or one.connection in connections
    ]
    told: dict[str, list[Finding]] = {}

    def ask(name: str) -> None:
        told[name] = list(_platform(mine, name))

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in sorted(there)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    for name in sorted(there):
        silent = Finding(
            Level.ERROR,
            "platforms",
            name,
            f"did not answer within {patience_s:g} s",
            f"see that it can be reached from here; `concord platform check {name}` waits longer",
        )
        yield from told.get(name, [silent])


def _platform(ctx: Context, name: str) -> Iterator[Finding]:
    fix = f"`concord platform check {name}`"
    try:
        facts, _ = checked(ctx, name)
    except MissingConnection:
        return
    except ConcordError as error:
        yield Finding(Level.ERROR, "platforms", name, str(error), fix)
        return
    except Exception as error:  # its text may quote records
        what = f"fails with {type(error).__name__}"
        yield Finding(Level.ERROR, "platforms", name, what, fix)
        return
    if not facts["readable"]:
        yield Finding(
            Level.ERROR, "platforms", name, "the login may not read it", "grant the right"
        )
    writes = ctx.project.platform(name).direction != "in"
    if writes and facts["writable"] is False:
        what = "the login may not write it, and it is written to"
        yield Finding(Level.ERROR, "platforms", name, what, "grant the right, or set direction: in")
