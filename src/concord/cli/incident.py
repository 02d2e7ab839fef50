"""`concord incident`: what went wrong or looks odd, and what to do about it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from concord.cli.output import Format, show, show_rows
from concord.cli.session import context, deployed_project
from concord.errors import UsageError

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Incidents: list the open ones, show one, close one by hand."
)

Form = Annotated[Format, typer.Option("--format", help="How to print.")]
Id = Annotated[str, typer.Argument(help="As `concord incident list` shows it.")]
_COLUMNS = ("incident_id", "state", "dataset", "times", "first_at", "last_at", "message")


@app.command("list")
def list_incidents(
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    form: Form = Format.TABLE,
) -> None:
    """Open incidents, one a cause, oldest first.

    Example: concord incident list --all --format json
    """
    from concord.steps.incidents import all_incidents

    found = all_incidents(context(deployed_project(), "incident list"))
    rows = [_row(one) for one in found if every or one.is_open]
    columns = _COLUMNS if every else tuple(name for name in _COLUMNS if name != "state")
    show_rows(rows, columns=columns, title="incidents" if every else "open incidents", form=form)


@app.command("show")
def show_incident(incident_id: Id, form: Form = Format.TABLE) -> None:
    """One incident: what it befell, what to do, which run, when it was seen, what closed it.

    Example: concord incident show failed:deliver.crm:PlatformDown:1
    """
    from concord.airflow.alerts import base_url
    from concord.steps.incidents import all_incidents

    project = deployed_project()
    found = all_incidents(context(project, "incident show"))
    meant = next((one for one in found if one.incident_id == incident_id), None)
    if meant is None:
        raise UsageError("there is no incident of that id; `concord incident list --all` has them")
    row = _row(meant, base_url())
    show({name: value for name, value in row.items() if value not in (None, "")}, form=form)


@app.command("close")
def close_incident(
    incident_id: Id,
    reason: Annotated[
        str | None, typer.Option(help="Why, for whoever reads it later; name no people.")
    ] = None,
    form: Form = Format.TABLE,
) -> None:
    """Close an incident by hand; its cause may open another one.

    Example: concord incident close volume:extract.crm:1 --reason "the import was meant"
    """
    from concord.steps.incidents import close_by_hand

    project = deployed_project()
    closed = close_by_hand(context(project, "incident close"), incident_id, reason=reason)
    if form is Format.JSON:
        show(_row(closed), form=form)
    else:
        print(f"closed: {closed.incident_id}")


def _row(one: Any, pages: str | None = None) -> dict[str, Any]:
    """The incident as it is shown.

    Args:
        pages: address of Airflow's pages, for a link.
    """
    from concord.airflow.alerts import run_link
    from concord.steps.incident_kinds import KINDS

    kind = KINDS.get(one.kind)
    return {
        "incident_id": one.incident_id,
        "state": one.state,
        "kind": one.kind,
        "means": kind.means if kind else None,
        "dataset": one.dataset,
        "step": one.step,
        "platform": one.platform,
        "error": one.error,
        "message": one.message,
        "what to do": kind.todo if kind else None,
        "closed by itself": kind.recovers if kind else None,
        "run": run_link(one.run, pages),
        "tries": one.tries or None,
        "times": one.times,
        "first_at": _minute(one.at),
        "last_at": _minute(one.last_at),
        "told_at": _minute(one.told_at),
        "closed_at": _minute(one.closed_at),
        "closed_by": one.closed_by,
        "reason": one.reason,
    }


def _minute(at: Any) -> str | None:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else None
