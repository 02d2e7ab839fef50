"""`concord dataset`: what is in the lake."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from concord.cli.output import Format, show, show_rows
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


def _dataset(project: Any, name: str) -> Any:
    if name not in project.datasets:
        import difflib

        meant = difflib.get_close_matches(name, project.datasets, n=1)
        hint = f"; did you mean {meant[0]}?" if meant else "; `concord dataset list` lists them"
        raise UsageError(f"there is no dataset of that name{hint}")
    return project.datasets[name]
