"""`concord contract`: what a valid row is."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from concord.cli.output import Format, show_rows
from concord.errors import ProjectFaults
from concord.project import find_root, load

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Contracts: check them.")


@app.callback()
def _contracts() -> None:
    """Contracts: check them."""


@app.command("lint")
def lint(
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Check every file of the project; list each fault with its line and what was meant.

    Example: concord contract lint
    """
    from concord.steps.contract_check import rule_faults

    try:
        project = load(find_root())
        faults = tuple(rule_faults(project))
    except ProjectFaults as error:
        faults = error.faults
    if not faults and form is Format.TABLE:
        print("no faults")
        return
    rows = [
        {"file": one.path, "line": one.line, "fault": one.what, "hint": one.hint} for one in faults
    ]
    show_rows(rows, columns=("file", "line", "fault", "hint"), title="faults", form=form)
    sys.exit(3 if faults else 0)
