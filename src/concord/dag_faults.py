"""Faults of the Dag files of subscribers, seen without running them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from concord.errors import Fault

__all__ = ["dag_faults"]

_WORDS = ("airflow", "dag")  # without both Airflow passes a file over


@dataclass(frozen=True, slots=True)
class _Use:
    """One ``@subscribe("team", __file__)``."""

    path: str
    line: int
    team: str


def dag_faults(root: Path, teams: Collection[str]) -> list[Fault]:
    """Teams that two Dag files serve or none does, and files that Airflow could not read.

    A project without a folder of Dags is asked for none.

    Args:
        root: the project.
        teams: those with a file in contracts/subscriptions.
    """
    if not (root / "dags").is_dir():
        return []
    found: list[Fault] = []
    uses: list[_Use] = []
    clear = True
    for file in sorted((root / "dags").rglob("*.py")):
        path = file.relative_to(root).as_posix()
        text = file.read_text(encoding="utf-8", errors="replace")
        passed_over = not all(word in text.lower() for word in _WORDS)
        if passed_over and "subscribe" not in text:
            continue
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            found.append(Fault(path, line, f"is no Python ({type(error).__name__})"))
            clear = False
            continue
        here = list(_uses(tree, path))
        uses += here
        clear &= bool(here) or not _knows_subscribe(tree)
        if here and passed_over:
            hint = "write the words Airflow Dag into its docstring"
            found.append(Fault(path, here[0].line, "Airflow passes this file over", hint))
    found += [*_twice(uses), *_unknown(teams, uses)]
    return found + (list(_unserved(teams, uses)) if clear else [])


def _uses(tree: ast.Module, path: str) -> Iterator[_Use]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in function.decorator_list:
            match call:
                case ast.Call(
                    func=ast.Name(id="subscribe") | ast.Attribute(attr="subscribe"),
                    args=[ast.Constant(value=str(team)), *_],
                ):
                    yield _Use(path, call.lineno, team)


def _knows_subscribe(tree: ast.Module) -> bool:
    """Whether the file may make Dags of teams in a way that cannot be read off it."""
    return any(
        (isinstance(node, ast.alias) and node.name == "subscribe")
        or (isinstance(node, ast.Attribute) and node.attr == "subscribe")
        for node in ast.walk(tree)
    )


def _twice(uses: list[_Use]) -> Iterator[Fault]:
    first: dict[str, _Use] = {}
    for use in uses:
        other = first.setdefault(use.team, use)
        if other is not use:
            what = f"the team `{use.team}` has its Dag in {other.path}:{other.line} already"
            hint = "a team has one Dag: name another team, or delete one of the two"
            yield Fault(use.path, use.line, what, hint)


def _unknown(teams: Collection[str], uses: list[_Use]) -> Iterator[Fault]:
    for use in uses:
        if use.team not in teams:
            what = f"the team `{use.team}` has no file in contracts/subscriptions"
            known = ", ".join(sorted(teams)) or "none"
            yield Fault(use.path, use.line, what, f"known: {known}")


def _unserved(teams: Collection[str], uses: list[_Use]) -> Iterator[Fault]:
    for team in sorted(set(teams) - {use.team for use in uses}):
        what = f'no file in dags/ has @subscribe("{team}", __file__): the team would get nothing'
        hint = f"write dags/{team}.py, as docs/subscriptions.md shows"
        yield Fault(f"contracts/subscriptions/{team}.yaml", 1, what, hint)
