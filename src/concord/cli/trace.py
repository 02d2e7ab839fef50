"""`concord trace`: one person's or record's way through every dataset and platform."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from concord.cli.output import Format, show, show_rows
from concord.cli.session import context, deployed_project

__all__ = ["trace"]


def trace(
    wanted: Annotated[
        str, typer.Argument(metavar="ID", help="A person_id or record_id, or its beginning.")
    ],
    most: Annotated[
        int, typer.Option("--versions", min=1, help="At most so many versions of each dataset.")
    ] = 500,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Its versions in every dataset, what was planned and sent, and why something was not.

    Example: concord trace 247014de
    """
    from dataclasses import asdict

    from concord.steps.trace import trace as followed

    found = followed(context(deployed_project(), "trace"), wanted, most=most)
    if form is Format.JSON:
        show(asdict(found), form=form)
        return
    whom = found.subject
    print(f"{whom.kind} {whom.id}" + (f", person {whom.person}" if whom.kind == "record" else ""))
    rows = [_row(asdict(one)) for one in found.entries]
    happened = ("at", "dataset", "version", "what", "columns")
    show_rows(rows, columns=happened, title="what happened, oldest first", form=form)
    reasons = [asdict(one) for one in found.unsent]
    held = ("platform", "of", "reason", "fix")
    show_rows(reasons, columns=held, title="what is not on its way, and why", form=form)
    for one in found.missing:
        print(f"note: {one}")


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    """Of columns with a masked value both are shown."""
    values = entry["values"]
    shown = [f"{one}={_short(values[one])}" if one in values else one for one in entry["columns"]]
    return {**entry, "at": f"{entry['at']:%Y-%m-%d %H:%M:%S}", "columns": shown}


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(
            str(one.get("value")) if isinstance(one, dict) else str(one) for one in value
        )
    return f"{value:%Y-%m-%d}" if hasattr(value, "hour") else str(value)
