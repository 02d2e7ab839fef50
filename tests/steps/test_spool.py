"""A reading on disk gives back what differs, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from concord.platforms.base import Page, Record
from concord.steps.raw_rows import fields_text
from concord.steps.spool import Spool

KNOWN = {"record_id": pl.String, "fields": pl.String, "fault": pl.String}
names = st.sampled_from("abcd")
values = st.one_of(st.none(), st.text(max_size=4))
records = st.builds(
    lambda name, value, deleted: Record(name, {} if deleted else {"x": value}, deleted=deleted),
    names,
    values,
    st.booleans(),
)


def spooled(folder: Path, pages: Sequence[Sequence[Record]], *, full: bool = False) -> Spool:
    spool = Spool(folder, lambda record: record.remote_id or "place")
    for number, page in enumerate(pages):
        spool.take(Page(page, cursor=str(number), full=full))
    return spool


def differing(spool: Spool, known: Sequence[tuple[str, str | None, str | None]]) -> list[Record]:
    frame = pl.DataFrame(list(known), schema=KNOWN, orient="row").lazy()
    return [one for some in spool.differing(frame, whole=False) for _, one in some]


@given(pages=st.lists(st.lists(records, max_size=3), max_size=4))
def test_what_is_as_known_is_left_out_and_the_rest_comes_back_whole(
    tmp_path_factory, pages: list[list[Record]]
) -> None:
    every = [one for page in pages for one in page]
    spool = spooled(tmp_path_factory.mktemp("spool"), pages)
    assert differing(spool, []) == every
    known = [(one.remote_id or "", fields_text(one.fields), None) for one in every[:1]]
    same = {(name, fields) for name, fields, _ in known}
    left = [
        one for one in every if one.deleted or (one.remote_id, fields_text(one.fields)) not in same
    ]
    assert differing(spool, known) == left


def test_dates_versions_and_places_survive_the_disk(tmp_path: Path) -> None:
    sound = Record("a", {"x": [{"value": "é", "type": None, "preferred": True}]}, "v1",
                   datetime(2026, 1, 1, tzinfo=UTC))  # fmt: skip
    faulty = Record(None, {"x": "1"}, fault="id.missing", place="list.csv:3")
    assert differing(spooled(tmp_path, [[sound, faulty]]), []) == [sound, faulty]


def test_a_damaged_row_without_an_id_may_hide_a_known_record(tmp_path: Path) -> None:
    damaged = Record(None, fault="record.damaged", place="list.csv:4")
    assert spooled(tmp_path, [[damaged]], full=True).hides


def test_nothing_read_is_nothing_to_look_at(tmp_path: Path) -> None:
    spool = spooled(tmp_path, [[]], full=True)
    assert (spool.cursor, spool.full, len(spool.ids()), differing(spool, [])) == ("0", True, 0, [])
