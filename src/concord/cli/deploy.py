"""`concord deploy`: bring tables, pools and the resolved project up to the declarations."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from concord.cli.output import Format, show_rows
from concord.cli.session import checked_project, context
from concord.errors import NotDeployed
from concord.project import Project

__all__ = ["deploy"]

_AIRFLOW = (
    "AIRFLOW_HOME",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET",
)
"""Variables that point at an Airflow of somebody's own; `run` and `up` see to the embedded one."""


def deploy(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Create tables, add columns, make pools, write the resolved project. Safe to repeat.

    Pools are made in the Airflow that AIRFLOW_HOME points at; without it they come with
    `concord run` and `concord up`, in the Airflow of their own.

    Example: concord deploy --dry-run
    """
    from concord.steps.deploy import deploy as deploy_tables

    project = checked_project()
    embedded = not set(_AIRFLOW) & set(os.environ)
    actions = deploy_tables(context(project, "deploy", secrets=True), dry_run=dry_run)
    if not (dry_run or embedded):
        _make_pools(project)
    rows = [{"dataset": one.dataset, "action": one.what} for one in actions]
    title = "would be done" if dry_run else "done"
    if not rows and form is Format.TABLE:
        print("everything is deployed already")
        return
    show_rows(rows, columns=("dataset", "action"), title=title, form=form)


def _make_pools(project: Project) -> None:
    """One pool a platform in Airflow's database.

    Raises:
        NotDeployed: Airflow's database cannot be used; the tables are deployed.
    """
    from concord.airflow.pools import make_pools

    failure = None
    try:
        make_pools(project.platforms)
    except Exception as error:
        failure = type(error).__name__
    if failure is not None:
        raise NotDeployed(
            f"the tables are deployed, the pools are not: Airflow's database answers {failure}; "
            "run `airflow db migrate`, then `concord deploy` again"
        )
