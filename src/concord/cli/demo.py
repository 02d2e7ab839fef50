"""`concord demo`: the reference project against three real platforms of our own, twice over."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from concord.cli.closing import writes_of
from concord.cli.output import Format
from concord.cli.run import once, report_run
from concord.project import find_root, load, state_folder

__all__ = ["demo"]


def demo(
    people: Annotated[
        int, typer.Option(min=12, help="About so many people are known to each platform.")
    ] = 200,
    seed: Annotated[int, typer.Option(help="The same seed invents the same people.")] = 1,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Start a CRM, an address book and a newsletter tool, and keep their contacts the same.

    Everything lives in .concord/demo and starts from nothing each time. The second run must find
    nothing to do: the command exits with 1 if it writes anything.

    Example: concord demo --people 2000
    """
    from concord.demo.people import invent
    from concord.demo.servers import fresh_state, platforms

    os.environ["CONCORD_ENV"] = "demo"
    began = time.monotonic()
    project = load(find_root(), "demo")
    state = fresh_state(state_folder(project.root) / "demo")
    console = Console(stderr=True, soft_wrap=True)
    console.print(
        f"inventing people and starting three platforms in {state.relative_to(project.root)}"
    )
    with platforms(state, invent(people, seed)) as running:
        env = {**running.environment(), "CONCORD_ENV": "demo"}
        started = time.monotonic()
        console.print(f"platforms are up after {started - began:.1f} s")
        first = once(project, state / "airflow", conf={}, env=env)
        report_run(project, first, form=form, title="first run")
        if first.exit_code:
            sys.exit(first.exit_code)
        second = once(project, state / "airflow", conf={}, env=env)
        report_run(project, second, form=form, title="second run")
    writes = writes_of(event.data for event in second.results)
    total = time.monotonic() - began
    console.print(
        f"platforms {started - began:.0f} s, first run {first.seconds:.0f} s, "
        f"second run {second.seconds:.0f} s, all {total:.0f} s"
    )
    console.print(f"the second run made {writes} writes")
    if form is Format.TABLE:
        print(_next())
    sys.exit(second.exit_code or (1 if writes else 0))


def _next() -> str:
    """What a newcomer may type now; the command as it is found from here."""
    command = os.path.relpath(Path(sys.executable).with_name("concord"))
    return "\n".join(
        (
            "What to look at next:",
            f"  the golden records:    {command} --env demo dataset read golden/contacts",
            f"  what was refused, why: {command} --env demo dataset read quarantine/crm",
            "  Airflow's own pages:   make up",
        )
    )
