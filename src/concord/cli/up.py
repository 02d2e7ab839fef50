"""`concord up`: the project in Airflow's own pages."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
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
    exports = state / "connections.sh"
    console = Console(soft_wrap=True)

    def ready(address: Address) -> None:
        console.print(f"Airflow: {address.url}  user {address.user}  password {address.password}")
        if demo:
            command = os.path.relpath(Path(sys.executable).with_name("concord"))
            console.print(f"Its platforms, in another terminal: source {os.path.relpath(exports)}")
            console.print(
                f"                    for example: {command} --env demo platform check crm"
            )
        console.print("Ctrl-C stops it.")

    with contextlib.ExitStack() as stack:
        env: dict[str, str] = {}
        if demo:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            running = stack.enter_context(platforms(state, invent(200)))
            env = {**running.environment(), "CONCORD_ENV": "demo"}
            running.write_exports(exports)
            stack.callback(exports.unlink, missing_ok=True)
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
