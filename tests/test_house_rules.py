"""Rules of the house that a machine can keep."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "concord"
MODULES = sorted(p for p in SOURCE.rglob("*.py") if p.name not in ("__init__.py", "__main__.py"))
HEAVY = ("polars", "pyarrow", "deltalake", "pandera", "duckdb", "pandas", "numpy")
LIGHT = (
    "concord",
    "concord.project",
    "concord.airflow",
    "concord.airflow.dags",
    "concord.assets.dataset",
    "concord.assets.graph",
    "concord.contracts.document",
    "concord.contracts.lint",
    "concord.identity.declaration",
    "concord.platforms.declaration",
    "concord.privacy.declaration",
    "concord.cli.main",
)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_all_is_what_a_module_defines_for_others(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    defined: set[str] = set()
    declared: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign):
            targets = [one for target in node.targets for one in getattr(target, "elts", [target])]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if names == ["__all__"]:
                declared = ast.literal_eval(node.value)
            defined.update(names)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            defined.update(alias.asname or alias.name for alias in node.names)
    functions = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not any(ast.unparse(one).startswith("app.") for one in node.decorator_list)
    }
    assert functions <= set(declared), "a public name is missing in __all__"
    assert set(declared) <= defined, "__all__ names something that is not here"


def test_importing_loads_nothing_that_a_fork_cannot_survive() -> None:
    declarations = [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        for path in SOURCE.glob("*/declaration.py")
    ]
    assert len(declarations) > 2
    assert loaded_by([f"import {name}" for name in (*LIGHT, *declarations)]) == {}


def test_parsing_the_dag_files_loads_nothing_that_a_fork_cannot_survive() -> None:
    files = [str(path) for path in sorted((ROOT / "dags").glob("*.py"))]
    assert loaded_by([f"import runpy; runpy.run_path({file!r})" for file in files]) == {}


def loaded_by(statements: list[str]) -> dict[str, list[str]]:
    """For each statement, what heavy modules came with it, in one fresh process."""
    program = (
        "import json, sys; before = set(); told = {}\n"
        f"for statement in {statements!r}:\n"
        "    exec(statement, {'__name__': 'fresh'})\n"
        f"    heavy = set({HEAVY!r}) & set(sys.modules)\n"
        "    if heavy - before: told[statement] = sorted(heavy - before)\n"
        "    before = heavy\n"
        "print('\\n' + json.dumps(told))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-1500:]
    told: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return told


def functions_in(dag_file: Path) -> list[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    tree = ast.parse(dag_file.read_text(encoding="utf-8"))
    return [type(node).__name__ for node in ast.walk(tree) if isinstance(node, kinds)]


def test_the_projects_dag_file_only_declares_and_a_subscribers_holds_one_function() -> None:
    found = {path.name: functions_in(path) for path in (ROOT / "dags").glob("*.py")}
    assert found.pop("contact_sync.py") == []
    assert set(map(tuple, found.values())) == {("FunctionDef",)}


def test_airflow_does_not_skip_a_dag_file() -> None:
    for path in (ROOT / "dags").glob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert "airflow" in text, path.name
        assert "dag" in text, path.name


SAID = {"row", "rows", "frame", "record", "records", "headers", "body", "args", "kwargs"} | {
    "fields",
    "values",
    "payload",
    "response",
    "request",
}


def is_log_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith(
        ("log.", "logger.", "logging.", "warnings.")
    )


def says(node: ast.AST) -> set[str]:
    """Names and attributes whose values a call is passed; how many there are may be said."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "len":
        return set()
    own = {node.id} if isinstance(node, ast.Name) else set()
    own |= {node.attr} if isinstance(node, ast.Attribute) else set()
    return own.union(*(says(child) for child in ast.iter_child_nodes(node)))


@pytest.mark.parametrize(
    ("call", "caught"),
    [
        ("log.info('read', rows=len(rows))", False),
        ("log.info('read', dataset=name)", False),
        ("log.info('read', rows=rows)", True),
        ("log.info('sent', to=f'{response.headers}')", True),
        ("log.info('sent', **kwargs)", True),
    ],
)
def test_how_many_rows_there_are_may_be_logged_but_not_the_rows(call: str, caught: bool) -> None:
    assert bool(says(ast.parse(call)) & SAID) == caught


def test_no_log_call_is_passed_a_row_or_a_header() -> None:
    wrong = [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if is_log_call(node)
        for given in (*node.args, *(keyword.value for keyword in node.keywords))
        if says(given) & SAID
    ]
    assert wrong == []


def committed() -> dict[str, bytes]:
    """Every file of the checkout that git knows, or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files are committed cannot be told")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    return {str(file.relative_to(ROOT)): file.read_bytes() for file in files if file.is_file()}


HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "com"),
        ("npmjs", "org"),
        ("anaconda", "org"),
        ("crates", "io"),
    )
]
HOMES = ["/".join(("", *parts, "")) for parts in (("home",), ("Users",), ("root",), ("work",))]
UNDONE = ["TO" + "DO", "FIX" + "ME"]


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("the host of a package registry", "|".join(map(re.escape, HOSTS))),
        ("somebody's own folder", rf"(?<![\w.}})/])(?:{'|'.join(HOMES)})[a-z]"),
        ("a note on what is not done", rf"\b(?:{'|'.join(UNDONE)})\b"),
    ],
)
def test_no_committed_file_holds(what: str, pattern: str) -> None:
    told = [name for name, content in committed().items() if re.search(pattern.encode(), content)]
    assert told == [], f"these hold {what}"
