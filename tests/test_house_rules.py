"""Rules of the house that a machine can keep."""

from __future__ import annotations

import ast
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


@pytest.mark.parametrize("module", LIGHT)
def test_importing_loads_nothing_that_a_fork_cannot_survive(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_projects_dag_file_only_declares() -> None:
    tree = ast.parse((ROOT / "dags" / "contact_sync.py").read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, kinds)]


def test_no_log_call_is_passed_a_row_or_a_header() -> None:
    forbidden = {"row", "rows", "frame", "record", "headers", "body", "args", "fields", "values"}

    def passes(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).startswith("log."):
            return False
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        return any(isinstance(one, ast.Name) and one.id in forbidden for one in given)

    wrong = [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if passes(node)
    ]
    assert wrong == []


def test_no_committed_file_names_a_registry() -> None:
    hosts = [
        ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "com"))
    ]
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files are committed cannot be told")
    told = [
        name
        for name in listed.stdout.splitlines()
        if (ROOT / name).is_file()
        and any(host.encode() in (ROOT / name).read_bytes() for host in hosts)
    ]
    assert told == []
