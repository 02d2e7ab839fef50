"""The pinned traces once more, with the shipped survivorship in place of its stand-in.

The simulation's columns borrow names of the reference contracts; what they mean is no matter here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import test_traces
from simulated_platform import MARKETING
from simulated_world import World

from concord.contracts.document import Contract, read_contract
from concord.contracts.schema import frame_schema
from concord.identity.declaration import People, Survivorship
from concord.identity.survivorship import SOURCES, survive
from concord.sync.cells import CELL, Stamp
from concord.sync.view import Person
from concord.yaml_text import load_text

CONTRACTS = Path(__file__).parents[2] / "contracts"
PEOPLE = People(survivorship=Survivorship(prefer=("A", "B", "C")))
NAMES = {"name": "organisation", "phone": "job_title", "tier": "postal_code", "emails": "emails"}
BACK = {theirs: ours for ours, theirs in NAMES.items()}
TRACES = {name: one for name, one in vars(test_traces).items() if name.startswith("test_")}


def contract(name: str) -> Contract:
    path = CONTRACTS / f"{name}.odcs.yaml"
    data, _ = load_text(path.read_text(encoding="utf-8"), path=path.name)
    return read_contract(data, source=path.name)


CLEAN, GOLDEN = contract("clean"), contract("golden")
SCHEMA: dict[str, Any] = {
    **frame_schema(CLEAN),
    "_cells": pl.List(CELL),
    "_person_id": pl.String,
    "person_id": pl.String,
    "platform": pl.String,
}


def borrowed(row: Mapping[str, Any], person_id: str) -> dict[str, Any]:
    cells = [{**cell, "column": NAMES[cell["column"]]} for cell in row["_cells"]]
    values = {theirs: row.get(ours) for ours, theirs in NAMES.items()}
    known = {"record_id": row["record_id"], "_person_id": row["_person_id"], "_cells": cells}
    known |= {"person_id": person_id, "platform": row["_platform"], **values}
    return {name: known.get(name) for name in SCHEMA}


def shipped(
    person_id: str,
    records: list[dict[str, Any]],
    columns: Iterable[str],
    addresses: Mapping[str, Mapping[str, Any]],
) -> Person:
    found = survive(
        pl.DataFrame([borrowed(row, person_id) for row in records], schema=SCHEMA),
        pl.DataFrame(schema={"person_id": pl.String, "deleted_at": pl.Datetime("us", "UTC")}),
        pl.DataFrame(
            [(r["channel"], r["address"], r["purpose"], r["status"]) for r in addresses.values()],
            schema=dict.fromkeys(("channel", "address", "purpose", "status"), pl.String),
            orient="row",
        ),
        clean=CLEAN,
        golden=GOLDEN,
        people=PEOPLE,
    )
    [row] = found.to_dicts()
    stamps = {
        (BACK[one["column"]], one["element"]): Stamp(
            one["kind"], one["at"], one["dated_at"], one["source"]
        )
        for one in row[SOURCES] or ()
        if one["column"] in BACK
    }
    values = {ours: row[NAMES[ours]] for ours in (*columns, "emails")}
    [flag] = GOLDEN.role("consent")
    return Person(person_id, True, values, stamps, {MARKETING: row[flag]})


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_the_trace_holds(trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "survivor", staticmethod(shipped))
    trace()
