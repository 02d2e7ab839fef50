"""`concord dataset`: what is in the lake."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from concord.cli.output import Format, cell, show, show_rows
from concord.cli.session import context, deployed_project
from concord.errors import NotDeployed, UsageError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Datasets: list them, show one, read its rows.")

Form = Annotated[Format, typer.Option("--format", help="How to print.")]
Name = Annotated[str, typer.Argument(help="For example golden/contacts.")]


@app.command("list")
def list_datasets(form: Form = Format.TABLE) -> None:
    """Every dataset with its newest snapshot, rows and contract.

    Example: concord dataset list --format json
    """
    from concord.assets.graph import order

    project = deployed_project()
    ctx = context(project, "dataset list")
    rows = []
    for name in order(project.datasets):
        dataset = project.datasets[name]
        contract = (
            f"{dataset.contract.id.rsplit(':', 1)[-1]} {dataset.contract.version}"
            if dataset.contract
            else None
        )
        row: dict[str, Any] = {
            "dataset": name,
            "snapshot": None,
            "rows": None,
            "contract": contract,
        }
        try:
            table = ctx.lake.open(dataset)
            newest = table.newest_snapshot()
            row |= {"snapshot": newest if newest >= 0 else None, "rows": table.count()}
        except NotDeployed:
            row["snapshot"] = "not deployed"
        rows.append(row)
    show_rows(
        rows, columns=("dataset", "snapshot", "rows", "contract"), title="datasets", form=form
    )


@app.command("show")
def show_dataset(name: Name, form: Form = Format.TABLE) -> None:
    """One dataset: inputs, contract, the record of its newest commit.

    Example: concord dataset show golden/contacts
    """
    from dataclasses import asdict

    project = deployed_project()
    dataset = _dataset(project, name)
    table = context(project, "dataset show").lake.open(dataset)
    record = table.newest_record()
    facts = {
        "dataset": name,
        "place": table.uri,
        "version": table.version,
        "inputs": list(dataset.inputs),
        "feedback": list(dataset.feedback),
        "columns": {column: str(kind) for column, kind in table.schema.items()},
        "record": asdict(record) if record else None,
    }
    show(facts, form=form)


@app.command("read")
def read(
    name: Name,
    rows: Annotated[int, typer.Option("--rows", min=1, help="At most so many.")] = 20,
    unmask: Annotated[
        bool, typer.Option("--unmask", help="Show people's values as they are.")
    ] = False,
    form: Form = Format.TABLE,
) -> None:
    """Rows of one dataset; values are masked by their classification. Incidents: newest first.

    Example: concord dataset read quarantine/crm --rows 5
    """
    from concord.steps.masking import masked

    project = deployed_project()
    dataset = _dataset(project, name)
    table = context(project, "dataset read").lake.open(dataset)
    stored = table.frame()
    if "at" in table.schema:
        stored = stored.sort("at", descending=True)
    frame = stored.limit(rows).collect()
    shown = frame.drop([c for c in frame.columns if c.startswith("_")])
    contract = project.contract(name)
    found = shown.to_dicts() if unmask else masked(shown, contract)
    columns = [c for c in shown.columns if any(row[c] not in (None, []) for row in found)]
    newest = table.newest_snapshot()
    snapshot = f"snapshot {newest}" if newest >= 0 else "no snapshot yet"
    title = f"{name}, {snapshot}, {len(found)} of {table.count()} rows"
    show_rows(found, columns=columns or list(shown.columns), title=title, form=form)


@app.command("history")
def history(
    name: Name,
    last: Annotated[int, typer.Option("--last", min=1, help="At most so many.")] = 20,
    every: Annotated[
        bool, typer.Option("--all", help="Also commits that changed no row, as heartbeats.")
    ] = False,
    form: Form = Format.TABLE,
) -> None:
    """Snapshots of one dataset: when, by which run, rows, contract, the inputs they were made from.

    Example: concord dataset history golden/contacts
    """
    from concord.steps.history import history as told

    project = deployed_project()
    table = context(project, "dataset history").lake.open(_dataset(project, name))
    rows = told(table, last=last, every=every)
    facts = ("version", "at", "job", "rows", "upserted", "deleted", "contract", "inputs")
    columns = (*facts, "kind" if every else "folded")
    shown = rows if form is Format.JSON else [{**row, "at": row["at"][:19]} for row in rows]
    show_rows(shown, columns=columns, title=f"history of {name}", form=form)


@app.command("diff")
def diff(
    name: Name,
    after: Annotated[int, typer.Argument(metavar="V1", help="The earlier version.")],
    upto: Annotated[int, typer.Argument(metavar="V2", help="The later version.")],
    rows: Annotated[int, typer.Option("--rows", min=0, help="Show at most so many.")] = 20,
    form: Form = Format.TABLE,
) -> None:
    """What differs between two versions: counts, then rows with masked values.

    Example: concord dataset diff golden/contacts 1 2
    """
    from dataclasses import asdict

    from concord.steps.history import differences

    project = deployed_project()
    table = context(project, "dataset diff").lake.open(_dataset(project, name))
    found = differences(table, after, upto, contract=project.contract(name), rows=rows)
    if form is Format.JSON:
        show(asdict(found), form=form)
        return
    counts = f"{found.new} new, {found.changed} changed, {found.removed} removed"
    key = table.dataset.key
    shown = [{**row, "columns": list(map(_step, row["columns"].items()))} for row in found.rows]
    title = f"{name}, {after} to {upto}: {counts}"
    show_rows(shown, columns=(key, "change", "columns"), title=title, form=form)


def _step(column: tuple[str, dict[str, Any]]) -> str:
    """One column as it was and as it is; nothing stands for null."""
    name, values = column
    before, after = (cell(values[one]) or "-" for one in ("before", "after"))
    return f"{name}: {before} > {after}"


def _dataset(project: Any, name: str) -> Any:
    if name not in project.datasets:
        import difflib

        meant = difflib.get_close_matches(name, project.datasets, n=1)
        hint = f"; did you mean {meant[0]}?" if meant else "; `concord dataset list` lists them"
        raise UsageError(f"there is no dataset of that name{hint}")
    return project.datasets[name]
