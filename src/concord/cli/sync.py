"""`concord sync`: what is to be written to a platform, and who agrees to it."""

from __future__ import annotations

from typing import Annotated

import typer

from concord.cli.output import Format, show_rows
from concord.cli.session import context, deployed_project

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Writes: see the plan, approve it, see what became of it."
)

Form = Annotated[Format, typer.Option("--format", help="How to print.")]
Platform = Annotated[str, typer.Argument(help="As in assets/platforms/<name>.yaml.")]


@app.command("plan")
def plan(platform: Platform, form: Form = Format.TABLE) -> None:
    """The operations planned for a platform; columns, no values.

    Example: concord sync plan crm
    """
    from concord.steps.approve import planned

    project = deployed_project()
    project.platform(platform)
    rows = planned(context(project, "sync plan"), platform)
    columns = ("op_id", "kind", "person_id", "columns", "state", "reason")
    show_rows(rows, columns=columns, title=f"plan for {platform}", form=form)


@app.command("approve")
def approve(
    platform: Platform,
    op: Annotated[
        list[str] | None, typer.Option(help="Only this operation; may be repeated.")
    ] = None,
    form: Form = Format.TABLE,
) -> None:
    """Let the planned operations be sent; the next run delivers them.

    Example: concord sync approve crm
    """
    from concord.steps.approve import approve as approve_plan

    project = deployed_project()
    project.platform(platform)
    count = approve_plan(context(project, "sync approve"), platform, only=op or None)
    rows = [{"platform": platform, "approved": count}]
    show_rows(rows, columns=("platform", "approved"), title="approved", form=form)


@app.command("status")
def status(form: Form = Format.TABLE) -> None:
    """How many operations wait, for whom or for which window, and what became of the sent ones.

    Example: concord sync status
    """
    from concord.steps.approve import statuses

    project = deployed_project()
    rows = statuses(context(project, "sync status"))
    columns = ("platform", "delivery", "pending", "free", "waiting", "held", "window", "receipts")
    show_rows(rows, columns=columns, title="sync", form=form)
