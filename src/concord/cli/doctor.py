"""`concord doctor`: what keeps this project from working, each with its fix."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from concord.cli.output import Format, show, show_rows
from concord.cli.session import context
from concord.errors import ConcordError, MissingConnection, ProjectFaults
from concord.project import Project, find_root, load

if TYPE_CHECKING:
    from concord.steps.context import Context
    from concord.steps.finding import Finding

__all__ = ["doctor"]


def doctor(
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Versions, hidden packages, faults, tables, connections, secrets in files; changes nothing.

    Example: concord doctor
    """
    from dataclasses import asdict

    from concord.steps.doctor import CHECKS

    found = list(_findings())
    errors = sum(one.level == "error" for one in found)
    rows = [asdict(one) for one in sorted(found, key=lambda one: CHECKS.index(one.check))]
    if form is Format.JSON:
        show({"checks": list(CHECKS), "errors": errors, "findings": rows}, form=form)
    elif rows:
        columns = ("level", "check", "where", "what", "fix")
        show_rows(rows, columns=columns, title="found", form=form)
    else:
        print(f"nothing found: {', '.join(CHECKS)}")
    sys.exit(1 if errors else 0)


def _context(project: Project) -> Context:
    """With the record key if there is one; a missing one is a finding, not an end."""
    try:
        return context(project, "doctor", secrets=True)
    except MissingConnection:
        return context(project, "doctor")


def _findings() -> Iterator[Finding]:
    from concord.steps.doctor import installation, of_context, of_project
    from concord.steps.finding import Finding, Level

    root = find_root()
    yield from installation(root)
    project: Project | ProjectFaults
    try:
        project = load(root)
    except ProjectFaults as error:
        project = error
    yield from of_project(project)
    if isinstance(project, ProjectFaults):
        return
    try:
        ctx = _context(project)
    except ConcordError as error:
        name = project.lake_connection or "lake"
        yield Finding(Level.ERROR, "connections", name, str(error), "add the connection")
        return
    yield from of_context(ctx)
