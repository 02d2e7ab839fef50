"""`concord platform`: the systems whose contacts are kept the same."""

from __future__ import annotations

from typing import Annotated

import typer

from concord.cli.output import Format, show, show_rows
from concord.cli.session import checked_project, context

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Platforms: try a connection.")


@app.callback()
def _platforms() -> None:
    """Platforms: try a connection."""


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="As in assets/platforms/<name>.yaml.")],
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Try connection and rights, and show five rows as they are mapped, masked.

    Example: concord platform check crm
    """
    from concord.steps.platform_check import checked

    project = checked_project()
    project.platform(name)
    facts, rows = checked(context(project, "platform check"), name)
    if form is Format.JSON:
        show({**facts, "rows": rows}, form=form)
        return
    show(facts, form=form)
    columns = [c for c in (rows[0] if rows else {}) if any(row[c] is not None for row in rows)]
    show_rows(rows, columns=columns, title="as mapped, masked", form=form)
