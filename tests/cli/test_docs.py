"""The command line and its page say the same."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
import typer.main

from concord.cli.main import assembled

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    inner: dict[str, click.Command] = getattr(command, "commands", {})
    if not inner:
        return [(path, command)]
    return [found for name, one in inner.items() for found in commands(one, f"{path} {name}")]


ALL = commands(typer.main.get_command(assembled()), "concord")


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path for path, _ in ALL])
def test_every_command_is_on_the_page_and_has_help_with_an_example(
    path: str, command: click.Command
) -> None:
    assert f"## {path}\n" in PAGE
    assert command.help is not None
    assert "Example: concord" in command.help


def test_the_page_tells_of_no_command_that_is_not_there() -> None:
    told = {line.removeprefix("## ") for line in PAGE.splitlines() if line.startswith("## ")}
    assert told == {path for path, _ in ALL}
