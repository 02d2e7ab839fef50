from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.assets.commit import KEY, CommitRecord, Input, Position
from concord.assets.dataset import ContractRef
from concord.errors import SchemaDrift

names = st.text("abcdefg/_", min_size=1, max_size=12)
counts = st.dictionaries(names, st.integers(1, 10**9), max_size=4)
versions = st.integers(-1, 2**63 - 1)
records = st.builds(
    CommitRecord,
    kind=st.sampled_from(["snapshot", "heartbeat", "schema", "maintenance"]),
    dataset=names,
    version=versions,
    snapshot=versions,
    run=names,
    job=names,
    writer=names,
    at=st.just("2026-11-25T08:00:00+00:00"),
    ol_run=st.none() | names,
    inputs=st.lists(
        st.builds(
            Input,
            dataset=names,
            table_id=st.none() | names,
            after=versions,
            upto=versions,
            feedback=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    contract=st.none() | st.builds(ContractRef, id=names, version=names, sha256=names),
    definitions=st.dictionaries(names, names, max_size=3),
    rows=counts,
    rules=counts,
    extra=st.dictionaries(names, st.none() | st.integers(0, 9) | names, max_size=3),
)


@given(record=records)
def test_a_record_comes_back_from_json_as_it_was(record: CommitRecord) -> None:
    stored = json.loads(json.dumps(record.to_metadata()))
    assert CommitRecord.from_metadata(stored) == record


def record(**said: object) -> CommitRecord:
    base = {
        "kind": "snapshot",
        "dataset": "clean/crm",
        "version": 3,
        "snapshot": 3,
        "run": "r",
        "job": "clean.crm",
        "writer": "w",
        "at": "2026-11-25T08:00:00+00:00",
    }
    return CommitRecord(**{**base, **said})  # type: ignore[arg-type]


def test_a_record_over_four_kilobytes_is_refused_by_its_size() -> None:
    with pytest.raises(SchemaDrift, match=r"clean/crm: the commit record would take \d+ bytes"):
        record(extra={"reading": "x" * 4096}).to_metadata()


def test_of_very_many_failed_rules_the_rarest_are_one_count() -> None:
    rules = {f"column_{n:03}.pattern": n + 1 for n in range(200)}
    kept = record(rules=rules).to_metadata()[KEY]["rules"]
    assert kept["column_199.pattern"] == 200
    assert sum(kept.values()) == sum(rules.values())


def test_a_record_of_a_newer_concord_is_read_as_far_as_we_know_it() -> None:
    stored = record().to_metadata()
    stored[KEY]["mood"] = "good"
    assert CommitRecord.from_metadata(stored) == record()


def test_a_commit_of_another_program_has_no_record() -> None:
    assert CommitRecord.from_metadata({"operation": "OPTIMIZE"}) is None


@pytest.mark.parametrize(
    ("position", "cursor", "ahead"),
    [
        (Position(0, "t"), -1, True),
        (Position(0, "t"), 0, False),
        (Position(3, "t"), 5, False),
        (Position(-1, "t"), -1, False),
        (Position(7), 9, True),
        (Position(7), 7, False),
    ],
)
def test_a_table_is_ahead_when_it_is_later_a_fingerprint_when_it_differs(
    position: Position, cursor: int, ahead: bool
) -> None:
    assert position.is_ahead_of(cursor) is ahead
