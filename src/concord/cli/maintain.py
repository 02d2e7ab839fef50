"""`concord maintain`: free what nobody needs any more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from concord.cli.output import Format, show_rows
from concord.cli.session import context, deployed_project
from concord.jobs import LEFTOVERS

__all__ = ["maintain"]

_COLUMNS = ("dataset", "rows", "files", "size", "log_files", "held_by")


def maintain(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be freed; free nothing.")
    ] = False,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Only this dataset; may be repeated.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Remove old versions, expired receipts and what killed tries left; print what was freed.

    Example: concord maintain --dry-run
    """
    from concord.steps.maintain import freed

    project = deployed_project()
    ctx = context(project, "maintain", secrets=not dry_run)
    names = dataset or [*project.datasets, LEFTOVERS]
    done = [freed(ctx, name, dry_run=dry_run) for name in names]
    rows = [asdict(one) for one in done if one.anything or one.held_by]
    title = "would be freed" if dry_run else "freed"
    show_rows(rows, columns=_COLUMNS, title=title, form=form)
