from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.assets.dataset import Dataset
from concord.assets.graph import order, selected
from concord.errors import UsageError


def declared(
    inputs: dict[str, tuple[str, ...]], feedback: dict[str, tuple[str, ...]] | None = None
) -> dict[str, Dataset]:
    back = feedback or {}
    return {
        name: Dataset(name, "id", inputs=read, feedback=back.get(name, ()))
        for name, read in inputs.items()
    }


CHAIN = declared(
    {"raw": (), "clean": ("raw",), "golden": ("clean",), "plan": ("golden", "clean")},
    feedback={"raw": ("plan",)},
)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Dataset]:
    above = st.sets(st.integers(0, 7), max_size=3)
    rows = draw(st.lists(above, min_size=1, max_size=8))
    return declared(
        {f"d{n}": tuple(f"d{m}" for m in sorted(row) if m < n) for n, row in enumerate(rows)}
    )


@given(datasets=graphs())
def test_every_input_comes_before_its_reader(datasets: dict[str, Dataset]) -> None:
    found = order(datasets)
    assert sorted(found) == sorted(datasets)
    assert all(
        found.index(read) < found.index(one.name)
        for one in datasets.values()
        for read in one.inputs
    )


def test_feedback_does_not_make_a_cycle() -> None:
    assert order(CHAIN) == ("raw", "clean", "golden", "plan")


def test_undeclared_input_is_named_with_its_reader() -> None:
    with pytest.raises(UsageError, match=r"golden reads clean/crn, which is declared nowhere"):
        order(declared({"golden": ("clean/crn",)}))


def test_datasets_made_from_each_other_are_named() -> None:
    with pytest.raises(UsageError, match=r"a -> b -> a|b -> a -> b"):
        order(declared({"a": ("b",), "b": ("a",)}))


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("golden", {"golden"}),
        ("+golden", {"raw", "clean", "golden"}),
        ("clean+", {"clean", "golden", "plan"}),
        ("+golden+", {"raw", "clean", "golden", "plan"}),
        ("raw+", {"raw", "clean", "golden", "plan"}),
        ("+raw", {"raw"}),
    ],
)
def test_a_plus_selects_what_lies_on_its_side(pattern: str, meant: set[str]) -> None:
    assert selected(CHAIN, pattern) == meant


def test_selecting_a_dataset_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no dataset golden/people"):
        selected(CHAIN, "golden/people+")


def test_declaring_datasets_loads_no_engine() -> None:
    script = (
        "import sys, concord.assets.dataset, concord.assets.graph, concord.assets.commit\n"
        "print(sorted({'polars', 'pyarrow', 'deltalake', 'pandera', 'duckdb'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
