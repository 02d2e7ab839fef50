"""`concord run`: extract once, then drain the graph on Airflow's real scheduler."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from concord.cli.closing import COLUMNS, closing_rows, stood_in
from concord.cli.output import Format, show, show_rows
from concord.errors import ConcordError
from concord.project import Project, find_root, load, state_folder

if TYPE_CHECKING:
    from concord.airflow.front import RunReport

__all__ = ["once", "report_run", "run"]


def run(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Read every platform whole.")
    ] = False,
    accept_deletes: Annotated[
        bool,
        typer.Option("--accept-deletes", help="Believe a listing that lacks many known records."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and compute; print the plan, send nothing.")
    ] = False,
    select: Annotated[
        list[str] | None,
        typer.Option(
            help="Only what makes this dataset; +name all upstream too, name+ all downstream."
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Read every platform, then run all that follows, on Airflow's own scheduler.

    Example: concord run --env demo --format json
    """
    project = load(find_root())
    only = _selected(project, select or [])
    conf = {"full_refresh": full_refresh, "accept_deletes": accept_deletes}
    if dry_run:
        sys.exit(_dry_run(project, conf, only, form))
    state = Path(project.lake).parent / "airflow" if "://" not in project.lake else None
    state = state or state_folder(project.root) / "airflow"
    asked = {name: True for name, on in conf.items() if on}
    report = once(project, state, conf=asked, env={}, only=only)
    report_run(project, report, form=form, more=_waiting(project))
    sys.exit(report.exit_code)


def _waiting(project: Project) -> list[str]:
    """What waits for later; nothing where the lake cannot be read, which the run has told."""
    from concord.cli.session import context
    from concord.steps.approve import waiting

    try:
        return waiting(context(project, "run"))
    except ConcordError:
        return []


def _selected(project: Project, patterns: list[str]) -> tuple[str, ...] | None:
    """The jobs meant; None for all. As in dbt, blanks separate patterns, too."""
    from concord.airflow.plans import selected_jobs

    words = [word for pattern in patterns for word in pattern.split()]
    return selected_jobs(project, words) if words else None


def _dry_run(
    project: Project, reading: dict[str, bool], only: tuple[str, ...] | None, form: Format
) -> int:
    from concord.cli.session import context
    from concord.steps.dry_run import dry_run

    ctx = context(project, "dry run", secrets=True)
    intended = dry_run(ctx, reading=reading, only=only)
    columns = ("platform", "kind", "state", "operations", "columns")
    show_rows(intended.rows, columns=columns, title="would be written", form=form)
    for job, error in intended.failed.items():
        print(f"failed: {job}: {error}", file=sys.stderr)
    return 1 if intended.failed else 0


def once(
    project: Project,
    state: Path,
    *,
    conf: dict[str, Any],
    env: dict[str, str],
    only: tuple[str, ...] | None = None,
) -> RunReport:
    """Deploy, then one run to its end.

    Args:
        state: folder of the embedded Airflow.
        conf: parameters of the extracts.
        env: more variables, for example connections.
        only: jobs that may run; None for all.
    """
    from concord.airflow.deployment import deploy_embedded
    from concord.airflow.front import run_in_front
    from concord.airflow.messages import Order

    deploy_embedded(project.root, state, extra=env)
    return run_in_front(project.root, state, order=Order(conf=conf, only=only), extra=env)


def report_run(
    project: Project,
    report: RunReport,
    *,
    form: Format,
    title: str = "run",
    more: Sequence[str] = (),
) -> None:
    """Print the closing table, what failed, the notes of the steps, and *more* notes."""
    results = [event.data for event in report.results]
    rows = closing_rows(project, results)
    failed = [_failed(event) for event in report.failed]
    notes = [note for result in results for note in result["notes"]]
    notes += stood_in((event.step, event.platform) for event in report.failed)
    notes = list(dict.fromkeys([*notes, *more]))
    if form is Format.JSON:
        show(
            {
                "exit_code": report.exit_code,
                "seconds": round(report.seconds, 1),
                "datasets": rows,
                "failed": failed,
                "notes": notes,
                "text": report.text,
            },
            form=form,
        )
        return
    took = f"{title}: {report.seconds:.0f} s"
    if rows:
        show_rows(rows, columns=COLUMNS, title=took, form=form)
    else:
        print(f"{took}, no step came to its end")
    console = Console(soft_wrap=True)
    for note in notes:
        console.print(f"note: {note}", markup=False)
    for one in failed:
        console.print(f"failed: {one}", markup=False, style="red")
    if report.text:
        console.print(report.text, markup=False, style="yellow")


def _failed(event: Any) -> str:
    place = f"{event.step} {event.platform or ''}".strip()
    return f"{place} after {event.try_number} tries; `concord incident list` says why"
