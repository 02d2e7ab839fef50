"""`concord subscription`: who gets what, and how far they are."""

from __future__ import annotations

from typing import Annotated

import typer

from concord.cli.output import Format, show_rows
from concord.cli.session import context, deployed_project

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Subscriptions: who gets what, and how far they are.")


@app.callback()
def _subscriptions() -> None:
    """Subscriptions: who gets what, and how far they are."""


@app.command("list")
def list_subscriptions(
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Every team: dataset, pin, columns, purpose, owner, and the snapshots it has not seen.

    Example: concord subscription list
    """
    from concord.steps.history import snapshots_after
    from concord.steps.publish import subscriber_cursor

    project = deployed_project()
    ctx = context(project, "subscription list")
    rows = []
    for team, declared in sorted(project.subscriptions.items()):
        seen = subscriber_cursor(ctx, team)
        rows.append(
            {
                "team": team,
                "dataset": declared.dataset,
                "pin": declared.version,
                "columns": list(declared.columns),
                "purpose": declared.purpose,
                "owner": declared.owner,
                "publishes": declared.publishes,
                "seen": seen if seen >= 0 else None,
                "behind": snapshots_after(ctx.open(declared.dataset), seen),
            }
        )
    columns = ("team", "dataset", "pin", "columns", "purpose", "owner", "seen", "behind")
    show_rows(rows, columns=columns, title="subscriptions", form=form)
