"""`concord runs`: what ran, how it went, and where the time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from concord.cli.output import Format, show_rows
from concord.cli.session import context, deployed_project

if TYPE_CHECKING:
    import polars as pl

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Runs: list them, show one, find what is slow.")

Form = Annotated[Format, typer.Option("--format", help="How to print.")]
Last = Annotated[int, typer.Option("--last", min=1, help="The newest so many runs.")]


@app.command("list")
def list_runs(last: Last = 20, form: Form = Format.TABLE) -> None:
    """One line a run, newest first.

    Example: concord runs list --last 5
    """
    from concord.steps.run_report import runs

    columns = (
        "run",
        "outcome",
        "steps",
        "changed",
        "quarantined",
        "reads",
        "writes",
        "calls",
        "retries",
        "throttled_s",
        "seconds",
    )
    found = [{"run": one.pop("name"), **one} for one in runs(_rows(), last=last)]
    show_rows(found, columns=columns, title="runs", form=form)


@app.command("show")
def show_run(
    run: Annotated[str, typer.Argument(help="As `concord runs list` names it.")] = "last",
    form: Form = Format.TABLE,
) -> None:
    """Every step of one run and every dataset it published.

    Example: concord runs show last
    """
    from concord.steps.run_report import run_named, steps_of

    rows = run_named(_rows(), run)
    columns = (
        "job",
        "dataset",
        "version",
        "outcome",
        "changed",
        "quarantined",
        "calls",
        "writes",
        "retries",
        "seconds",
    )
    show_rows(steps_of(rows), columns=columns, title=f"run {rows['name'][0]}", form=form)


@app.command("slowest")
def slowest(last: Last = 20, form: Form = Format.TABLE) -> None:
    """Steps by the seconds they took over the last runs.

    Example: concord runs slowest --last 50
    """
    from concord.steps.run_report import slowest as ranked

    columns = (
        "step",
        "platform",
        "times",
        "median_s",
        "max_s",
        "total_s",
        "percent",
        "calling_percent",
    )
    rows = ranked(_rows(), last=last)
    show_rows(rows, columns=columns, title=f"slowest of the last {last} runs", form=form)


def _rows() -> pl.DataFrame:
    from concord.steps.run_report import named

    return named(context(deployed_project(), "runs").open("ops/runs").frame().collect())
