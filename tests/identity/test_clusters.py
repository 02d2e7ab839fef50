"""Links that stay, joins that keep the older id, and nothing that depends on the order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.identity.clusters import Link, Resolver, candidate_pairs, root_of, touched_links
from concord.identity.name_agreement import Agreement, Named, agreement

NOW = datetime(2026, 11, 25, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
CROSSWALK = dict.fromkeys(("record_id", "person_id", "platform", "rule"), pl.String())
CROSSWALK |= {"linked_at": INSTANT, "ended_at": INSTANT}


def resolved(
    links: Mapping[str, Link],
    changed: Iterable[tuple[str, str, str | None]],
    keys: Mapping[str, set[str]],
    *,
    names: Mapping[str, str | None] | None = None,
    ended: Iterable[str] = (),
    day: int = 0,
) -> dict[str, Link]:
    rows = [(r, "email", key) for r, own in sorted(keys.items()) for key in sorted(own)]
    frame = pl.DataFrame(rows, schema=["record_id", "role", "key"], orient="row")
    if not rows:
        frame = pl.DataFrame(schema={"record_id": pl.String, "role": pl.String, "key": pl.String})
    news = list(changed)
    pairs = candidate_pairs(frame, [record for record, _, _ in news])
    named = {r: Named((names or {}).get(r, "Anna"), "Gruber", None, None) for r in keys}
    crosswalk = pl.DataFrame(
        [dataclasses.asdict(link) for link in links.values()], schema=CROSSWALK, orient="row"
    )
    touched = [*(record for record, _, _ in news), *ended, *pairs["left"], *pairs["right"]]
    few = touched_links(crosswalk, touched, [one for _, _, one in news if one is not None])
    found, same = (
        Resolver(
            known, now=NOW + timedelta(days=day), new_person_id=lambda record: f"p-{record}"
        ).resolve(news, list(ended), pairs.iter_rows(), named)
        for known in (links, few)
    )
    assert found == same, "links of people who are not touched have a say"
    return {**links, **{link.record_id: link for link in found}}


def person(links: Mapping[str, Link], record: str) -> str:
    return root_of(links[record].person_id, links)


def test_records_with_one_address_and_one_name_are_one_person() -> None:
    links = resolved({}, [("a", "crm", None), ("b", "book", None)], {"a": {"x"}, "b": {"x"}})
    assert person(links, "a") == person(links, "b") == "p-a"


def test_one_mailbox_for_a_family_stays_many_persons() -> None:
    records = [("a", "crm", None), ("b", "crm", None)]
    links = resolved({}, records, {"a": {"x"}, "b": {"x"}}, names={"a": "Anna", "b": "Georg"})
    assert person(links, "a") != person(links, "b")


@pytest.mark.parametrize("between", ["A.", None])
def test_who_may_be_either_of_two_people_joins_neither(between: str | None) -> None:
    names = {"a": "Anna", "b": "Anton", "w": between}
    records = [(name, "crm", None) for name in names]
    links = resolved({}, records, {name: {"x"} for name in names}, names=names)
    assert len({person(links, name) for name in names}) == 3


def test_who_came_before_the_second_of_two_people_stays_with_the_first() -> None:
    names = {"a": "Anna", "w": "A."}
    keys = {"a": {"x"}, "w": {"x"}}
    links = resolved({}, [("a", "crm", None), ("w", "book", None)], keys, names=names)
    keys, names = {**keys, "b": {"x"}}, {**names, "b": "Anton"}
    links = resolved(links, [("b", "crm", None)], keys, names=names, day=1)
    assert person(links, "w") == person(links, "a") != person(links, "b")


def test_surer_links_hold_where_an_unsure_one_would_bring_two_people_together() -> None:
    names = {"a": "Anna", "b": "Anton", "c": "Anna", "w": "A."}
    records = [(name, "crm", None) for name in names]
    links = resolved({}, records, {name: {"x"} for name in names}, names=names)
    assert person(links, "a") == person(links, "c")
    assert len({person(links, name) for name in names}) == 3


given_names = st.sampled_from(
    ["Anna", "Anton", "A.", "Eva", None, "Alex", "Alexander", "Alexandra"]
)


@given(
    found=st.dictionaries(st.sampled_from("abcdefg"), given_names, min_size=1),
    cuts=st.lists(st.integers(0, 7), max_size=2),
)
def test_no_person_ever_holds_two_people(found: dict[str, str | None], cuts: list[int]) -> None:
    """However the records come; and records that come at once are told apart in any order."""
    records = sorted(found)
    links: dict[str, Link] = {}
    for start, end in pairwise([0, *sorted(cuts), len(records)]):
        known = {name: {"x"} for name in records[:end]}
        news = [(name, "crm", None) for name in records[start:end]]
        links = resolved(links, news, known, names=found)
    for one, other in combinations(records, 2):
        if person(links, one) == person(links, other):
            names = [Named(found[name], "Gruber", None, None) for name in (one, other)]
            assert agreement(*names) is not Agreement.AGAINST


def test_a_linked_record_stays_when_its_address_changes() -> None:
    links = resolved({}, [("a", "crm", None), ("b", "book", None)], {"a": {"x"}, "b": {"x"}})
    moved = resolved(links, [("b", "book", None)], {"a": {"x"}, "b": {"y"}}, day=1)
    assert person(moved, "a") == person(moved, "b")


def test_two_persons_that_turn_out_to_be_one_keep_the_older_id_and_an_alias() -> None:
    links = resolved({}, [("b", "crm", None)], {"b": {"y"}})
    links = resolved(links, [("a", "book", None)], {"a": {"x"}, "b": {"y"}}, day=1)
    links = resolved(links, [("a", "book", None)], {"a": {"x", "y"}, "b": {"y"}}, day=2)
    assert person(links, "a") == person(links, "b") == "p-b"
    assert links["p-a"] == Link("p-a", "p-b", None, "alias", NOW + timedelta(days=2))


def test_a_record_that_we_made_is_linked_by_the_person_it_was_made_for() -> None:
    links = resolved({}, [("a", "crm", None)], {"a": {"x"}})
    links = resolved(links, [("c", "news", "p-a")], {"a": {"x"}, "c": set()})
    assert (links["c"].person_id, links["c"].rule) == ("p-a", "own")


def test_a_record_made_for_a_person_who_was_joined_follows_her() -> None:
    links = resolved({}, [("b", "crm", None)], {"b": {"y"}})
    links = resolved(links, [("a", "book", None)], {"a": {"x"}, "b": {"y"}}, day=1)
    links = resolved(links, [("a", "book", None)], {"a": {"y"}, "b": {"y"}}, day=2)
    links = resolved(links, [("c", "news", "p-a")], {"c": set()}, day=3)
    assert person(links, "c") == "p-b"


def test_a_deleted_record_that_returns_returns_to_its_person() -> None:
    links = resolved({}, [("a", "crm", None)], {"a": {"x"}})
    links = resolved(links, [], {}, ended=["a"], day=1)
    assert links["a"].ended_at == NOW + timedelta(days=1)
    links = resolved(links, [("a", "crm", None)], {"a": {"z"}}, day=2)
    assert (links["a"].person_id, links["a"].ended_at) == ("p-a", None)


record_keys = st.dictionaries(
    st.sampled_from("abcdef"), st.sets(st.sampled_from("uvwxyz"), max_size=2), min_size=1
)


@given(keys=record_keys, cut=st.integers(0, 6))
def test_any_batching_of_the_same_records_gives_the_same_partition(
    keys: dict[str, set[str]], cut: int
) -> None:
    names = sorted(keys)
    whole = resolved({}, [(name, "crm", None) for name in names], keys)
    first = {name: keys[name] for name in names[:cut]}
    parts = resolved({}, [(name, "crm", None) for name in first], first)
    parts = resolved(parts, [(name, "crm", None) for name in names[cut:]], keys, day=1)

    def partition(links: Mapping[str, Link]) -> set[frozenset[str]]:
        groups: dict[str, set[str]] = {}
        for name in names:
            groups.setdefault(person(links, name), set()).add(name)
        return {frozenset(group) for group in groups.values()}

    assert partition(whole) == partition(parts)


@given(keys=record_keys)
def test_resolving_again_changes_nothing(keys: dict[str, set[str]]) -> None:
    records = [(name, "crm", None) for name in sorted(keys)]
    links = resolved({}, records, keys)
    assert resolved(links, records, keys, day=1) == links
