"""What receipts teach the base, and which images they give raw."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from sync_values import MARKETING, at, edit, elements, mapping

from concord.sync.base import Base
from concord.sync.fold import fold_base, foldings
from concord.sync.operations import PlannedOperation, StoredReceipt
from concord.sync.values import dump

FIELDS = {"PHONE": "1"}


def receipt(status: str, kind: str = "update", record: str = "r1", **facts: Any) -> StoredReceipt:
    usual = {"person_id": "p", "remote_id": record, "image": FIELDS}
    number = facts.pop("number", 1)
    usual["seen_at"] = facts.pop("seen_at", at(number))
    return StoredReceipt(
        f"op{number}", f"c{number}", kind, record, status=status, **{**usual, **facts}
    )


def folded(*receipts: StoredReceipt, base: dict[str, Base] | None = None, **stored: Any) -> Any:
    return fold_base(base or {}, receipts, stored, mapping())


def test_what_was_sent_and_what_was_stored_become_the_agreed_pair() -> None:
    sent = receipt("ok", pairs={"given_name": '"annabel"', "emails": '["a","b"]'})
    moved = folded(sent, op1={"given_name": "ann", "emails": elements("a"), "phone": "9"})
    assert moved["r1"].pairs == {
        "given_name": ('"annabel"', '"ann"'),
        "emails": ('["a","b"]', '["a"]'),
    }


def test_an_agreement_is_taken_without_an_image() -> None:
    moved = folded(receipt("agree", "agree", image=None, pairs={"phone": ['"1"', '"01"']}))
    assert moved["r1"].pairs == {"phone": ('"1"', '"01"')}


def test_other_answers_leave_the_pairs_alone() -> None:
    base = {"r1": Base("r1", {"phone": ('"1"', '"1"')})}
    for status in ("conflict", "gone", "exists", "settled", "not_sent"):
        assert not folded(receipt(status, pairs={"phone": '"2"'}), base=base, op1={"phone": "2"})


def test_a_refusal_is_kept_until_something_of_the_kind_succeeds() -> None:
    moved = folded(receipt("rejected", image=None))
    assert moved["r1"].rejects == {"update": "c1"}
    other = folded(receipt("ok", "grant"), base=moved, op1={})
    assert not other
    assert folded(receipt("ok"), base=moved, op1={})["r1"].rejects == {}


def test_a_refused_create_stands_under_the_person_until_one_lands() -> None:
    refused = folded(receipt("rejected", "create", "new:p", image=None))
    assert refused["new:p"].rejects == {"create": "c1"}
    landed = receipt("ok", "create", "r7", pairs={"phone": '"1"'})
    moved = folded(landed, base=refused, op1={"phone": "1"})
    assert moved["new:p"] == Base("new:p")
    assert moved["r7"].pairs == {"phone": ('"1"', '"1"')}


def test_a_deleted_record_has_no_base() -> None:
    base = {"r1": Base("r1", {"phone": ('"1"', '"1"')})}
    assert folded(receipt("ok", "delete", image=None), base=base)["r1"] == Base("r1")


def test_base_and_receipts_may_be_folded_again_without_harm() -> None:
    receipts = [
        receipt("ok", pairs={"phone": '"1"'}),
        receipt("rejected", "grant", number=2, image=None),
    ]
    once = folded(*receipts, op1={"phone": "1"})
    assert not folded(*receipts, base=once, op1={"phone": "1"})


def test_all_our_operations_on_a_record_are_compared_with_its_last_image() -> None:
    receipts = [
        receipt("ok", number=1, payload={"phone": "1"}),
        receipt("ok", "grant", number=2, payload={MARKETING: "granted"}),
        receipt("conflict", number=3, image={"PHONE": "7"}, payload={"phone": "2"}),
        receipt("ok", record="r2", number=4),
        receipt("agree", "agree", record="r3", number=5),
        receipt("rejected", record="r4", number=6),
        receipt("settled", record="r5", number=7),
    ]
    first, second = foldings(receipts)
    assert first.record_id == "r1"
    assert first.last.image == {"PHONE": "7"}
    assert [dict(op.payload) for op in first.ops] == [{"phone": "1"}, {MARKETING: "granted"}]
    assert all(op.sure for op in first.ops)
    assert second.record_id == "r2"


def test_of_receipts_seen_at_one_time_the_one_delivered_last_shows_the_record() -> None:
    grant = receipt("ok", "grant", number=1, image={"OPT": "granted", "PHONE": "2"}, seen_at=at(5))
    update = receipt("ok", "update", number=2, image={"OPT": None, "PHONE": "2"}, seen_at=at(5))
    [one] = foldings([grant, update])
    assert one.last == grant
    assert len(one.ops) == 2


def test_a_record_that_was_there_already_is_ours_but_not_surely_as_sent() -> None:
    [one] = foldings([receipt("exists", "create", "r7", payload={"phone": "1"})])
    assert [(op.kind, op.sure) for op in one.ops] == [("create", False)]


def test_a_record_that_is_gone_reads_as_a_tombstone() -> None:
    [one] = foldings([receipt("gone", image=None)])
    assert one.ops == ()
    assert one.reading(values={}, before={}).fields is None


def test_operations_and_receipts_come_back_from_their_rows() -> None:
    op = PlannedOperation(
        "op1", "c1", 3, "update", "r1", "remote", "p", {"phone": "1"}, {"PHONE": None},
        {("emails", "a"): edit(2)}, {"phone": '"1"'}, "held", "because", 4,
    )  # fmt: skip
    assert PlannedOperation.of({**op.row(), "_row_hash": 1}) == op
    filed = StoredReceipt.to(op, "ok", at(3), image={"PHONE": "1"}, version="7")
    frame = pl.DataFrame([filed.row()])
    assert StoredReceipt.of(frame.to_dicts()[0]) == filed


@given(
    st.dictionaries(st.sampled_from(["phone", "emails"]), st.tuples(st.text(), st.text())),
    st.dictionaries(st.sampled_from(["update", "create"]), st.text()),
)
def test_a_base_comes_back_from_its_row(pairs: dict[str, Any], rejects: dict[str, str]) -> None:
    base = Base("r1", {c: (dump(a), dump(b)) for c, (a, b) in pairs.items()}, rejects)
    assert Base.of(base.row()) == base
