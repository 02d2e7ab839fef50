"""The command line: `concord <noun> <verb>`.

Exit codes: 0 done, 1 something failed (the message says what), 2 the command was not understood,
3 the project has faults, 4 the project is not deployed or deploy refused, 130 stopped by Ctrl-C
or SIGTERM.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from concord.errors import (
    BreakingChange,
    ConcordError,
    NotDeployed,
    ProjectFaults,
    RecordKeyChanged,
    UsageError,
)

__all__ = ["app", "assembled", "exit_code", "main"]

STOPPED = 130

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Contact-sync pipelines that data people can trust.",
    epilog="Example: concord run --env demo",
)


def _version(asked: bool) -> None:
    if asked:
        print(f"concord {version_of('concord-contacts')}")
        raise typer.Exit


@app.callback()
def _options(
    project: Annotated[
        Path | None,
        typer.Option(help="Folder with concord.yaml; else CONCORD_PROJECT, else the folder here."),
    ] = None,
    env: Annotated[
        str | None, typer.Option(help="One of the environments in concord.yaml; else CONCORD_ENV.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option(
            "--version", help="Print the version and end.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    if project is not None:
        os.environ["CONCORD_PROJECT"] = str(project)
    if env is not None:
        os.environ["CONCORD_ENV"] = env


@functools.cache
def assembled() -> typer.Typer:
    """The application with all its commands."""
    from concord.cli import (
        contract,
        dataset,
        demo,
        deploy,
        doctor,
        incident,
        init,
        maintain,
        platform,
        run,
        runs,
        subscription,
        sync,
        trace,
        up,
    )

    app.command("demo")(demo.demo)
    app.command("init")(init.init)
    app.command("run")(run.run)
    app.command("up")(up.up)
    app.command("deploy")(deploy.deploy)
    app.command("maintain")(maintain.maintain)
    app.add_typer(runs.app, name="runs")
    app.command("doctor")(doctor.doctor)
    app.command("trace")(trace.trace)
    app.add_typer(platform.app, name="platform")
    app.add_typer(dataset.app, name="dataset")
    app.add_typer(subscription.app, name="subscription")
    app.add_typer(contract.app, name="contract")
    app.add_typer(sync.app, name="sync")
    app.add_typer(incident.app, name="incident")
    return app


def exit_code(error: ConcordError) -> int:
    """The exit code that stands for *error*."""
    if isinstance(error, UsageError):
        return 2
    if isinstance(error, ProjectFaults):
        return 3
    return 4 if isinstance(error, NotDeployed | BreakingChange | RecordKeyChanged) else 1


def main() -> None:
    """Run the command line; an error is one sentence, not a traceback, which may quote records."""
    from concord.airflow.foreign import translated

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        assembled()()
    except SystemExit as ended:
        if ended.code == STOPPED:
            print("concord: stopped; run again to go on", file=sys.stderr)
        raise
    except Exception as error:
        ours = translated(error, "an unexpected error")
        print(f"concord: {ours}", file=sys.stderr)
        sys.exit(exit_code(ours))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a command as Ctrl-C does: whatever it made for the while is taken away."""
    raise KeyboardInterrupt
