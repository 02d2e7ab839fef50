"""What a subscriber may see, against a plain oracle; and the law of splitting."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.steps.entitlement import Entitlement, changed_view, whole_view

SCHEMA = {
    "key": pl.String,
    "name": pl.String,
    "secret": pl.String,
    "ok": pl.Boolean,
    "end": pl.Int64,
}
WITH_CONSENT = Entitlement("golden/contacts", "key", ("key", "name"), ("ok",), ("end",))
WITHOUT = Entitlement("golden/contacts", "key", ("key", "name"), None, ("end",))
NOBODY = Entitlement("golden/contacts", "key", ("key", "name"), (), ("end",))

row = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["Ada", "Bea", None]),
        "secret": st.sampled_from(["x", "y"]),
        "ok": st.sampled_from([True, False, None]),
        "end": st.sampled_from([None, None, 1]),
    }
)
table = st.dictionaries(st.sampled_from([f"k{n}" for n in range(6)]), row)
terms_of = st.sampled_from([WITH_CONSENT, WITHOUT, NOBODY])

Rows = dict[str, dict[str, Any]]


def frame(rows: Rows) -> pl.DataFrame:
    return pl.DataFrame([{"key": key, **one} for key, one in rows.items()], schema=SCHEMA)


def moved(old: Rows, new: Rows) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Net change from *old* to *new*, and the images before."""
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    upserts = frame({key: new[key] for key in keys if key in new})
    gone = pl.DataFrame({"key": [key for key in keys if key not in new]}, schema={"key": pl.String})
    changed = pl.concat(
        [
            upserts.with_columns(_change=pl.lit("upsert")),
            gone.with_columns(_change=pl.lit("delete")),
        ],
        how="diagonal",
    )
    return changed, frame({key: old[key] for key in keys if key in old})


def shown(rows: Rows, terms: Entitlement) -> dict[str, Any]:
    """The oracle: key to name of the rows that may be seen."""
    granted = {WITH_CONSENT: lambda one: one["ok"] is True, WITHOUT: lambda one: True}
    allowed = granted.get(terms, lambda one: False)
    return {k: one["name"] for k, one in rows.items() if one["end"] is None and allowed(one)}


def applied(held: dict[str, Any], view: pl.DataFrame) -> dict[str, Any]:
    found = dict(held)
    for one in view.to_dicts():
        if one["_change"] == "delete":
            found.pop(one["key"], None)
        else:
            found[one["key"]] = one["name"]
    return found


@given(old=table, new=table, terms=terms_of)
def test_the_view_of_a_change_leads_from_what_was_shown_to_what_may_be(old, new, terms):
    changed, before = moved(old, new)
    view = changed_view(changed, before, terms)
    assert applied(shown(old, terms), view) == shown(new, terms)


@given(old=table, new=table, terms=terms_of)
def test_the_view_of_a_change_names_nobody_whose_view_stayed_the_same(old, new, terms):
    changed, before = moved(old, new)
    was, now = shown(old, terms), shown(new, terms)
    same = {key for key in {*old, *new} if was.get(key, ...) == now.get(key, ...)}
    assert same.isdisjoint(changed_view(changed, before, terms)["key"].to_list())


@given(old=table, new=table, terms=terms_of)
def test_a_delete_says_nothing_but_its_key(old, new, terms):
    for before in (moved(old, new)[1], None):
        view = changed_view(moved(old, new)[0], before, terms)
        assert view.columns == ["key", "name", "_change"]
        assert (
            view.filter(pl.col("_change") == "delete")["name"].null_count()
            == view.filter(pl.col("_change") == "delete").height
        )


@given(old=table, new=table, terms=terms_of)
def test_without_the_images_before_the_view_leads_to_the_same(old, new, terms):
    view = changed_view(moved(old, new)[0], None, terms)
    assert applied(shown(old, terms), view) == shown(new, terms)


@given(old=table, new=table, before=terms_of, terms=terms_of)
def test_the_whole_view_leads_there_from_whatever_other_terms_showed(old, new, before, terms):
    view = whole_view(frame(new), frame(old)["key"], terms)
    assert applied(shown(old, before), view) == shown(new, terms)


@given(new=table, terms=terms_of)
def test_the_first_whole_view_holds_no_deletes(new, terms):
    view = whole_view(frame(new), None, terms)
    assert set(view["_change"]) <= {"upsert"}
    assert applied({}, view) == shown(new, terms)


@given(old=table, new=table, terms=terms_of)
def test_a_view_may_be_made_bucket_by_bucket(old, new, terms):
    changed, before = moved(old, new)
    whole = changed_view(changed, before, terms)
    bucket = pl.col("key").str.slice(1).cast(pl.Int64) % 2
    parts = [
        changed_view(changed.filter(bucket == n), before.filter(bucket == n), terms) for n in (0, 1)
    ]
    assert pl.concat(parts).sort("key").equals(whole)


@pytest.mark.parametrize(
    "other",
    [WITHOUT, NOBODY, Entitlement("golden/contacts", "key", ("key",), ("ok",), ("end",))],
)
def test_other_terms_have_another_fingerprint(other):
    assert other.fingerprint() != WITH_CONSENT.fingerprint() > 0
