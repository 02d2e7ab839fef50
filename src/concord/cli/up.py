"""`concord up`: the project in Airflow's own pages."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from concord.project import find_root, load, state_folder

__all__ = ["up"]


def up(
    port: Annotated[int, typer.Option(help="Of the pages; the system chooses when 0.")] = 0,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Also start the demo's platforms, with the people they hold."),
    ] = False,
) -> None:
    """Serve Airflow on 127.0.0.1 until Ctrl-C; nothing is left behind.

    Example: concord up --port 8080
    """
    from concord.airflow.deployment import deploy_embedded
    from concord.airflow.up import Address, serve
    from concord.demo.people import invent
    from concord.demo.servers import platforms

    environment = "demo" if demo else None
    if demo:
        os.environ["CONCORD_ENV"] = "demo"
    project = load(find_root(), environment)
    state = state_folder(project.root) / ("demo" if demo else "airflow")
    console = Console(soft_wrap=True)

    def ready(address: Address) -> None:
        console.print(f"Airflow: {address.url}  user {address.user}  password {address.password}")
        console.print("Ctrl-C stops it.")

    with contextlib.ExitStack() as stack:
        env: dict[str, str] = {}
        if demo:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            env = {
                **stack.enter_context(platforms(state, invent(200))).environment(),
                "CONCORD_ENV": "demo",
            }
            state = state / "airflow"
        deploy_embedded(project.root, state, extra=env)
        code = serve(
            project.root,
            state,
            ready=ready,
            port=port,
            namespace=project.lineage_namespace,
            extra=env,
        )
    sys.exit(code)
