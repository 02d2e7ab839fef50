"""Whose value wins: the vectorised function against a plain one, and the law of splitting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.contracts.document import Contract, read_contract
from concord.contracts.schema import frame_schema
from concord.identity.declaration import Group, People, Survivorship
from concord.identity.survivorship import survive
from concord.sync.cells import CELL
from concord.yaml_text import load_text

CONTRACTS = Path(__file__).parents[2] / "contracts"
START = datetime(2026, 1, 1, tzinfo=UTC)
PREFER = ("crm", "book", "news")
PEOPLE = People(
    survivorship=Survivorship(
        prefer=PREFER,
        groups={"address": Group(columns=("street", "locality"), prefer=("book", "crm", "news"))},
    )
)
CONSENTS = {"channel": pl.String, "address": pl.String, "purpose": pl.String, "status": pl.String}
DEAD = {"person_id": pl.String, "deleted_at": pl.Datetime("us", "UTC")}


def contract(name: str) -> Contract:
    path = CONTRACTS / f"{name}.odcs.yaml"
    data, _ = load_text(path.read_text(encoding="utf-8"), path=path.name)
    return read_contract(data, source=path.name)


CLEAN, GOLDEN = contract("clean"), contract("golden")


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def cell(
    column: str,
    at: int = 0,
    *,
    kind: str = "found",
    dated: int | None = None,
    source: str = "crm",
    ours: bool = False,
    element: str | None = None,
    removed: bool = False,
) -> dict[str, Any]:
    return {
        "column": column,
        "element": element,
        "removed": removed,
        "kind": kind,
        "at": day(at),
        "dated_at": None if dated is None else day(dated),
        "source": source,
        "since": day(at),
        "ours": ours,
        "claim": None,
        "claimed_at": None,
    }


def element(value: str, *, preferred: bool = False) -> dict[str, Any]:
    return {"value": value, "type": None, "preferred": preferred}


def record(name: str, cells: Sequence[Mapping[str, Any]], **values: Any) -> dict[str, Any]:
    return {"record_id": name, "person_id": "p", "platform": "crm", "_cells": cells, **values}


def frame(records: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    schema = {
        **frame_schema(CLEAN),
        "_cells": pl.List(CELL),
        "_person_id": pl.String(),
        "person_id": pl.String(),
        "platform": pl.String(),
    }
    return pl.DataFrame([{n: one.get(n) for n in schema} for one in records], schema=schema)


def golden(
    records: Iterable[Mapping[str, Any]],
    *,
    consents: Sequence[tuple[str, str, str, str]] = (),
    dead: Sequence[tuple[str, datetime]] = (),
) -> dict[str, dict[str, Any]]:
    found = survive(
        frame(records),
        pl.DataFrame(list(dead), schema=DEAD, orient="row"),
        pl.DataFrame(list(consents), schema=CONSENTS, orient="row"),
        clean=CLEAN,
        golden=GOLDEN,
        people=PEOPLE,
    )
    return {row["person_id"]: row for row in found.to_dicts()}


def test_an_edit_outranks_what_a_more_trusted_platform_was_found_with() -> None:
    rows = [
        record("a", [cell("job_title", source="crm")], job_title="clerk"),
        record("b", [cell("job_title", 3, kind="edit", source="news")], job_title="chief"),
    ]
    assert golden(rows)["p"]["job_title"] == "chief"


def test_found_values_are_ranked_by_trust_then_by_the_records_own_date() -> None:
    rows = [
        record("a", [cell("job_title", source="book", dated=9)], job_title="new"),
        record("b", [cell("job_title", source="crm", dated=1)], job_title="trusted"),
        record("c", [cell("job_title", source="crm", dated=2)], job_title="trusted and newer"),
    ]
    assert golden(rows)["p"]["job_title"] == "trusted and newer"


def test_a_clear_beats_what_was_seen_before_and_not_what_was_found_later() -> None:
    cleared = record("a", [cell("job_title", 5, kind="edit")])
    older = record("b", [cell("job_title", 4, source="book")], job_title="old")
    later = record("c", [cell("job_title", 6, source="book")], job_title="new")
    assert golden([cleared, older])["p"]["job_title"] is None
    assert golden([cleared, older, later])["p"]["job_title"] == "new"


def test_an_address_is_taken_from_one_record() -> None:
    rows = [
        record("a", [cell("street"), cell("locality")], street="Ring 1", locality="Wien"),
        record(
            "b", [cell("street", source="book"), cell("locality", source="book")], locality="Graz"
        ),
    ]
    found = golden(rows)["p"]
    assert (found["street"], found["locality"]) == (None, "Graz")


def test_a_column_that_the_winner_does_not_know_comes_from_the_next_record() -> None:
    rows = [
        record("a", [cell("street"), cell("locality")], street="Ring 1", locality="Wien"),
        record("b", [cell("locality", source="book")], locality="Graz"),
    ]
    found = golden(rows)["p"]
    assert (found["street"], found["locality"]) == ("Ring 1", "Graz")


def test_two_edits_of_two_columns_that_move_together_both_survive() -> None:
    rows = [
        record(
            "a",
            [cell("street", 5, kind="edit"), cell("locality")],
            street="Ring 2",
            locality="Wien",
        ),
        record(
            "b",
            [cell("street", source="book"), cell("locality", 6, kind="edit", source="book")],
            street="Ring 1",
            locality="Graz",
        ),
    ]
    found = golden(rows)["p"]
    assert (found["street"], found["locality"]) == ("Ring 2", "Graz")


def test_what_the_leading_record_leaves_empty_is_cleared_nowhere_else() -> None:
    rows = [
        record("a", [cell("street"), cell("locality")], street="ring 1", locality="Wien"),
        record(
            "b", [cell("street", source="book"), cell("locality", source="book")], street="Ring 1"
        ),
    ]
    found = golden(rows)["p"]
    assert (found["street"], found["locality"]) == ("Ring 1", "Wien")


def test_a_clear_of_a_grouped_column_yields_to_what_is_found_later() -> None:
    cleared = record("a", [cell("street"), cell("locality", 5, kind="edit")], street="Ring 1")
    later = record("b", [cell("locality", 6, source="book")], locality="Graz")
    assert golden([cleared])["p"]["locality"] is None
    assert golden([cleared, later])["p"]["locality"] == "Graz"


def test_a_removed_element_is_gone_everywhere_until_it_is_seen_again() -> None:
    seen = record("a", [cell("emails", 1, element="x@y.z")], emails=[element("x@y.z")])
    gone = record("b", [cell("emails", 2, element="x@y.z", kind="edit", removed=True)])
    again = record("c", [cell("emails", 3, element="x@y.z")], emails=[element("x@y.z")])
    assert golden([seen, gone])["p"]["emails"] is None
    assert [one["value"] for one in golden([seen, gone, again])["p"]["emails"]] == ["x@y.z"]


def test_only_the_first_element_is_preferred() -> None:
    rows = [
        record(
            "a",
            [cell("emails", element="a@x.y"), cell("emails", 5, kind="edit", element="b@x.y")],
            emails=[element("a@x.y", preferred=True), element("b@x.y")],
        )
    ]
    found = golden(rows)["p"]["emails"]
    assert [(one["value"], one["preferred"]) for one in found] == [
        ("b@x.y", True),
        ("a@x.y", False),
    ]


def test_the_name_as_shown_follows_the_name() -> None:
    people = PEOPLE.survivorship.groups | {
        "name": Group(columns=("given_name", "family_name", "full_name"))
    }
    mine = People(survivorship=Survivorship(prefer=PREFER, groups=people))
    rows = frame(
        [
            record(
                "a",
                [cell("given_name", 5, kind="edit"), cell("family_name")],
                given_name="Ann",
                family_name="Gruber",
            ),
            record("b", [cell("full_name", source="book")], full_name="Anna Gruber"),
        ]
    )
    empty = pl.DataFrame(schema=DEAD), pl.DataFrame(schema=CONSENTS)
    found = survive(rows, *empty, clean=CLEAN, golden=GOLDEN, people=mine).to_dicts()[0]
    assert found["full_name"] == "Ann Gruber"
    shown = next(one for one in found["_sources"] if one["column"] == "full_name")
    assert shown["record_id"] == "a"


def test_a_title_in_the_name_as_shown_is_kept_while_both_names_are_in_it() -> None:
    name = Group(columns=("given_name", "family_name", "full_name"))
    mine = People(survivorship=Survivorship(prefer=PREFER, groups={"name": name}))
    said = [cell("given_name"), cell("family_name")]
    rows = [
        record("a", said, given_name="Anna", family_name="Gruber"),
        record("b", [cell("full_name", source="book")], full_name="Dr. Anna Gruber"),
    ]
    empty = pl.DataFrame(schema=DEAD), pl.DataFrame(schema=CONSENTS)
    found = survive(frame(rows), *empty, clean=CLEAN, golden=GOLDEN, people=mine).to_dicts()[0]
    assert found["full_name"] == "Dr. Anna Gruber"


def test_a_name_as_shown_that_only_repeats_the_name_changes_nothing() -> None:
    name = Group(columns=("given_name", "family_name", "full_name"))
    mine = People(survivorship=Survivorship(prefer=PREFER, groups={"name": name}))
    names = {"given_name": "Anna", "family_name": "Gruber"}
    said = [cell("given_name"), cell("family_name")]
    ours = [cell(c, ours=True) for c in ("given_name", "family_name", "full_name")]
    original = record("a", said, **names)
    copy = record("0", ours, full_name="Anna Gruber", _person_id="p", **names)
    empty = pl.DataFrame(schema=DEAD), pl.DataFrame(schema=CONSENTS)
    alone, both = (
        survive(frame(rows), *empty, clean=CLEAN, golden=GOLDEN, people=mine).to_dicts()
        for rows in ([original], [original, copy])
    )
    assert alone == both


@pytest.mark.parametrize(
    ("statuses", "flag"),
    [
        ({"a@x.y": "granted"}, True),
        ({"b@x.y": "granted"}, None),
        ({"a@x.y": "granted", "b@x.y": "withdrawn"}, False),
        ({}, None),
    ],
)
def test_consent_needs_the_preferred_address_granted_and_none_withdrawn(
    statuses: dict[str, str], flag: bool | None
) -> None:
    rows = [
        record(
            "a",
            [cell("emails", element="a@x.y"), cell("emails", element="b@x.y")],
            emails=[element("a@x.y", preferred=True), element("b@x.y")],
        )
    ]
    consents = [("email", address, "marketing", said) for address, said in statuses.items()]
    assert golden(rows, consents=consents)["p"]["email_marketing"] is flag


def test_the_dead_keep_their_id_and_date_only() -> None:
    row = golden([], dead=[("p", day(3))])["p"]
    assert {name for name, value in row.items() if value is not None} == {"person_id", "deleted_at"}


kinds = st.sampled_from(["found", "edit"])
small = st.integers(0, 3)
sources = st.sampled_from(PREFER)


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(1, 5))):
        title = draw(st.one_of(st.none(), st.sampled_from("abc")))
        cells = [
            cell(
                "job_title",
                draw(small),
                kind=draw(kinds),
                dated=draw(st.one_of(st.none(), small)),
                source=draw(sources),
                ours=draw(st.booleans()),
            )
        ]
        mails = []
        for name in draw(st.sets(st.sampled_from(["a@x", "b@x", "c@x"]))):
            removed = draw(st.booleans())
            cells.append(
                cell(
                    "emails",
                    draw(small),
                    kind="edit" if removed else draw(kinds),
                    source=draw(sources),
                    ours=draw(st.booleans()),
                    element=name,
                    removed=removed,
                )
            )
            mails += [] if removed else [element(name)]
        person = draw(st.sampled_from("pqr"))
        row = record(f"r{number}", cells, job_title=title, emails=mails or None)
        found.append({**row, "person_id": person})
    return found


def plain_title(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The same rules, one person at a time."""
    cells = [(row["_cells"][0], row) for row in rows]
    rank = {name: place for place, name in enumerate(PREFER)}

    def as_edit(item: tuple[Any, Any]) -> tuple[Any, ...]:
        one, row = item
        return (-one["at"].timestamp(), one["ours"], rank[one["source"]], row["record_id"])

    def as_found(item: tuple[Any, Any]) -> tuple[Any, ...]:
        one, row = item
        dated = -one["dated_at"].timestamp() if one["dated_at"] else 0
        return (rank[one["source"]], dated, one["ours"], row["record_id"])

    edits = sorted((i for i in cells if i[0]["kind"] == "edit"), key=as_edit)
    found = [i for i in cells if i[0]["kind"] == "found" and i[1]["job_title"] is not None]
    if edits:
        first, row = edits[0]
        later = sorted((i for i in found if i[0]["at"] > first["at"]), key=as_found)
        if row["job_title"] is not None or not later:
            return row["job_title"]
        return later[0][1]["job_title"]
    return sorted(found, key=as_found)[0][1]["job_title"] if found else None


ADDRESS = ("street", "locality")


@st.composite
def addresses(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        known = draw(st.sets(st.sampled_from(ADDRESS)))
        values = {name: draw(st.one_of(st.none(), st.sampled_from("xy"))) for name in known}
        cells = [
            cell(
                name, draw(small), kind=draw(kinds), source=draw(sources), ours=draw(st.booleans())
            )
            for name in sorted(known)
        ]
        found.append(record(f"r{number}", cells, **values))
    return found


def plain_address(rows: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Edits column by column; the rest from the record that leads, or from one that is like it."""
    rank = {name: place for place, name in enumerate(("book", "crm", "news"))}

    def order(row: Mapping[str, Any], one: Mapping[str, Any]) -> tuple[Any, ...]:
        edit = one["kind"] == "edit"
        keys = (-one["at"].timestamp(), one["ours"], rank[one["source"]])
        found = (rank[one["source"]], 0, one["ours"])
        return (not edit, *(keys if edit else found), row["record_id"])

    cells = [(order(row, one), row, one) for row in rows for one in row["_cells"]]
    says = [x for x in cells if x[2]["kind"] == "edit" or x[1][x[2]["column"]] is not None]
    places: list[Mapping[str, Any]] = []
    for _, row, _ in sorted(says, key=lambda x: x[0]):
        places += [row] if row not in places else []

    def unlike(row: Mapping[str, Any]) -> bool:
        first = places[0]
        edited = {one["column"] for one in first["_cells"] if one["kind"] == "edit"}
        return any(
            first.get(name) and row.get(name) and first[name] != row[name]
            for name in ADDRESS
            if name not in edited
        )

    golden: dict[str, str | None] = {}
    for name in ADDRESS:
        mine = sorted((x for x in cells if x[2]["column"] == name), key=lambda x: x[0])
        edits = [x for x in mine if x[2]["kind"] == "edit"]
        if edits and edits[0][1][name] is not None:
            golden[name] = edits[0][1][name]
            continue
        since = edits[0][2]["at"] if edits else None
        found = {
            row["record_id"]
            for _, row, one in mine
            if one["kind"] == "found" and (since is None or one["at"] > since)
        }
        speak = [row for row in places if row["record_id"] in found]
        silent = bool(speak) and speak[0][name] is None
        speak = [row for row in speak if row[name] and not (silent and unlike(row))]
        golden[name] = speak[0][name] if speak else None
    return golden


@given(rows=addresses())
def test_the_vectorised_group_is_the_plain_one(rows: list[dict[str, Any]]) -> None:
    found = golden(rows)["p"]
    assert {name: found[name] for name in ADDRESS} == plain_address(rows)


def plain_emails(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    cells = [one for row in rows for one in row["_cells"][1:]]
    there: dict[str, datetime] = {}
    gone: dict[str, datetime] = {}
    for one in cells:
        side = gone if one["removed"] else there
        side[one["element"]] = max(one["at"], side.get(one["element"], one["at"]))
    return {name for name, at in there.items() if name not in gone or at >= gone[name]}


@given(rows=records())
def test_the_vectorised_rules_are_the_plain_ones(rows: list[dict[str, Any]]) -> None:
    found = golden(rows)
    for person in {row["person_id"] for row in rows}:
        mine = [row for row in rows if row["person_id"] == person]
        assert found[person]["job_title"] == plain_title(mine)
        assert {one["value"] for one in found[person]["emails"] or ()} == plain_emails(mine)


@given(rows=records())
def test_surviving_bucket_by_bucket_is_surviving_all(rows: list[dict[str, Any]]) -> None:
    parts = [golden([row for row in rows if row["person_id"] == person]) for person in "pqr"]
    assert golden(rows) == parts[0] | parts[1] | parts[2]


def test_no_rows_give_the_same_columns() -> None:
    empty = pl.DataFrame(schema=DEAD), pl.DataFrame(schema=CONSENTS)
    none = survive(frame([]), *empty, clean=CLEAN, golden=GOLDEN, people=PEOPLE)
    some = survive(
        frame([record("a", [cell("job_title")], job_title="x")]),
        *empty,
        clean=CLEAN,
        golden=GOLDEN,
        people=PEOPLE,
    )
    assert none.schema == some.schema
