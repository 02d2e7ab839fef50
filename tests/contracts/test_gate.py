from __future__ import annotations

import string
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from concord.contracts.gate import RULES, breaker, gate, gate_beside
from concord.contracts.report import Report
from concord.contracts.schema import frame_schema
from concord.errors import ContractBroken, SchemaDrift

texts = st.sampled_from(
    ["", " ", "Ada", "ada@acme.example", "ada@acme.example\n", "+4312345678", "NO", "XX", "x" * 300]
) | st.text(max_size=6)
instants = st.datetimes(
    datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)
) | st.just(datetime(1969, 12, 31, tzinfo=UTC))
element = st.fixed_dictionaries(
    {
        "value": st.none() | texts,
        "type": st.none() | texts,
        "preferred": st.none() | st.booleans(),
    }
)
elements = st.none() | st.lists(st.none() | element, max_size=3)
VALUES = {
    pl.String: texts,
    pl.Boolean: st.booleans(),
    pl.Date: st.dates(date(1850, 1, 1), date(2050, 1, 1)),
    pl.Datetime: instants,
    pl.List: elements,
}


@st.composite
def frames(draw: Any, contract: Any, max_size: int = 6, keys: str = "abc") -> pl.DataFrame:
    """Rows of a contract, good and bad, with columns that could not be read."""
    schema = frame_schema(contract)
    row = {
        name: st.none() | VALUES[kind.base_type()]
        for name, kind in schema.items()
        if name != contract.key
    }
    key = st.none() | st.sampled_from(keys)
    unreadable = st.none() | st.lists(st.sampled_from(list(schema)), max_size=2, unique=True)
    rows = draw(
        st.lists(
            st.fixed_dictionaries({contract.key: key, **row, "_unreadable": unreadable}),
            max_size=max_size,
        )
    )
    return pl.DataFrame(rows, schema={**schema, "_unreadable": pl.List(pl.String)}, orient="row")


@given(data=st.data())
def test_every_row_comes_out_on_exactly_one_side_and_order_is_kept(data, reference):
    contract = reference["clean/*"]
    frame = data.draw(frames(contract)).with_row_index("_row")

    verdict = gate(frame, contract)

    accepted, quarantined = verdict.accepted["_row"], verdict.quarantined["_row"]
    assert sorted([*accepted, *quarantined]) == list(range(frame.height))
    assert accepted.is_sorted()
    assert quarantined.is_sorted()
    assert_frame_equal(frame[accepted.to_list()], verdict.accepted)
    assert_frame_equal(frame[quarantined.to_list()], verdict.quarantined.drop(RULES))


@given(data=st.data())
def test_the_report_counts_what_the_quarantine_says(data, reference):
    contract = reference["clean/*"]
    frame = data.draw(frames(contract))

    verdict = gate(frame, contract)

    said = verdict.quarantined.explode(RULES).group_by(RULES).len().rows()
    assert dict(said) == verdict.report.by_rule
    assert verdict.report.checked == frame.height
    assert verdict.report.rejected == verdict.quarantined.height
    assert verdict.quarantined[RULES].list.len().min() in (None, *range(1, 100))


@given(data=st.data())
def test_but_for_uniqueness_judging_parts_is_judging_the_whole(data, reference):
    contract = reference["clean/*"]
    one = data.draw(frames(contract, keys="abc")).unique("record_id", maintain_order=True)
    other = data.draw(frames(contract, keys="def")).unique("record_id", maintain_order=True)

    whole, parts = (
        gate(pl.concat([one, other]), contract),
        [gate(f, contract) for f in (one, other)],
    )

    assert_frame_equal(whole.accepted, pl.concat(part.accepted for part in parts))
    assert_frame_equal(whole.quarantined, pl.concat(part.quarantined for part in parts))


@given(data=st.data())
def test_what_was_accepted_is_accepted_again(data, reference):
    contract = reference["clean/*"]
    accepted = gate(data.draw(frames(contract)), contract).accepted

    again = gate(accepted, contract)

    assert again.accepted is accepted
    assert again.quarantined.is_empty()


def _clean(**values: Any) -> dict[str, Any]:
    return {"record_id": "r1", "remote_id": "1", "full_name": "Ada Byron", **values}


def _judged(contract: Any, *rows: dict[str, Any]) -> list[list[str]]:
    frame = pl.DataFrame(list(rows), schema=frame_schema(contract), orient="row")
    return gate(frame, contract).quarantined[RULES].to_list()


def _mail(value: str | None, *, preferred: bool | None = None, kind: str | None = None) -> Any:
    return {"value": value, "type": kind, "preferred": preferred}


UGLY = {
    "a name of blanks": (_clean(given_name="   "), "given_name.pattern"),
    "a name over two lines": (_clean(family_name="Byron\nKing"), "family_name.pattern"),
    "a name with a zero byte": (_clean(given_name="A\x00da"), "given_name.pattern"),
    "an endless name": (_clean(given_name="x" * 101), "given_name.max_length"),
    "a street of blanks": (_clean(street=" \t"), "street.pattern"),
    "an e-mail with a newline at its end": (
        _clean(emails=[_mail("ada@acme.example\n")]),
        "emails.value.pattern",
    ),
    "an e-mail without domain": (_clean(emails=[_mail("ada@")]), "emails.value.pattern"),
    "a good e-mail beside a bad one": (
        _clean(emails=[_mail("ada@acme.example"), _mail("ada")]),
        "emails.value.pattern",
    ),
    "an element without value": (_clean(emails=[_mail(None)]), "emails.value.required"),
    "an element that is null": (_clean(emails=[None]), "emails.value.required"),
    "two preferred e-mails": (
        _clean(
            emails=[
                _mail("ada@acme.example", preferred=True),
                _mail("ada@home.example", preferred=True),
            ]
        ),
        "emails_at_most_one_preferred",
    ),
    "a national phone number": (_clean(phones=[_mail("01 234567")]), "phones.value.pattern"),
    "a phone in Arabic digits": (_clean(phones=[_mail("+٤٣١٢٣٤٥٦٧٨")]), "phones.value.pattern"),
    "a country that is none": (_clean(country="UK"), "country_iso3166"),
    "a country in small letters": (_clean(country="no"), "country_iso3166"),
    "a date before anybody living": (_clean(birth_date=date(1899, 12, 31)), "birth_date.minimum"),
    "a birth in the next century": (_clean(birth_date=date(2168, 1, 1)), "birth_date.maximum"),
    "a language that is a country": (_clean(language="AT"), "language.pattern"),
    "an instant at the epoch": (
        _clean(created_at=datetime(1970, 1, 1, tzinfo=UTC)),
        "created_at.minimum",
    ),
    "no platform id": (_clean(remote_id=None), "remote_id.required"),
    "no record id": (_clean(record_id=None), "record_id.required"),
    "nobody": (_clean(full_name=None, emails=[]), "has_somebody"),
}


@pytest.mark.parametrize("row,rule", UGLY.values(), ids=UGLY)
def test_every_ugly_row_is_named_by_its_rule(row, rule, reference):
    assert _judged(reference["clean/*"], row) == [[rule]]


FINE = {
    "Norway": _clean(country="NO"),
    "only nulls beside the keys and a name": _clean(),
    "a person reached by phone only": _clean(full_name=None, phones=[_mail("+4312345678")]),
    "a name in any script": _clean(given_name="Åsa-Łucja 李 O'Neil"),
    "one preferred of three": _clean(
        emails=[
            _mail("a@b.example", preferred=True),
            _mail("c@d.example"),
            _mail("e@f.example", preferred=False),
        ]
    ),
    "an address over two lines": _clean(street="Main Street 1\nStair 2"),
    "a list without elements": _clean(emails=[]),
}


@pytest.mark.parametrize("row", FINE.values(), ids=FINE)
def test_real_people_pass(row, reference):
    assert _judged(reference["clean/*"], row) == []


def test_a_lone_surrogate_cannot_enter_a_frame_so_its_column_is_unreadable(reference):
    contract = reference["clean/*"]
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        pl.Series(["\ud800"])
    frame = pl.DataFrame([_clean()], schema=frame_schema(contract), orient="row")
    frame = frame.with_columns(pl.Series("_unreadable", [["given_name", "emails"]]))

    verdict = gate(frame, contract)

    assert verdict.quarantined[RULES].to_list() == [["emails.readable", "given_name.readable"]]


def test_a_warning_is_counted_and_rejects_nobody(reference):
    contract = reference["clean/*"]
    row = _clean(
        created_at=datetime(2026, 2, 1, tzinfo=UTC), updated_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    frame = pl.DataFrame([row], schema=frame_schema(contract), orient="row")

    verdict = gate(frame, contract)

    assert verdict.accepted is frame
    assert verdict.report == Report(1, 0, {}, {"updated_after_created": 1})
    assert verdict.report.counts == {"updated_after_created": 1}


def test_of_rows_with_one_key_none_is_accepted_and_null_keys_are_no_duplicates(contract_of):
    contract = contract_of("- {name: code, id: code, logicalType: string, unique: true}\n")
    frame = pl.DataFrame(
        {"id": list("abcde"), "code": ["1", "1", None, None, "2"]}, schema=frame_schema(contract)
    )

    verdict = gate(frame, contract)

    assert verdict.accepted["id"].to_list() == ["c", "d", "e"]
    assert verdict.report.by_rule == {"code.unique": 2}


def test_a_value_that_another_row_of_the_dataset_holds_is_a_duplicate(contract_of):
    contract = contract_of("- {name: code, id: code, logicalType: string, unique: true}\n")
    frame = pl.DataFrame({"id": ["a", "b", "c"], "code": ["1", None, "2"]})

    verdict = gate(frame, contract, elsewhere={"code": pl.Series(["1", None, "9"])})

    assert verdict.quarantined["id"].to_list() == ["a"]
    assert verdict.quarantined[RULES].to_list() == [["code.unique"]]


@given(values=st.lists(st.none() | st.sampled_from("abcd"), max_size=8))
def test_duplicates_are_what_sql_calls_duplicates(values, contract_of):
    contract = contract_of("- {name: code, id: code, logicalType: string, unique: true}\n")
    ids = [str(number) for number in range(len(values))]
    frame = pl.DataFrame({"id": ids, "code": values}, schema=frame_schema(contract))

    rejected = gate(frame, contract).quarantined["id"].to_list()

    assert rejected == [
        ids[at] for at, value in enumerate(values) if value is not None and values.count(value) > 1
    ]


codes = st.dictionaries(st.sampled_from("abcdef"), st.none() | st.sampled_from("1234"), max_size=6)


@given(before=codes, coming=codes, bad=st.sets(st.sampled_from("abcdef")))
def test_what_is_accepted_beside_a_published_dataset_leaves_it_unique(
    before, coming, bad, contract_of
):
    contract = contract_of(
        "- {name: code, id: code, logicalType: string, unique: true}\n"
        "- {name: note, id: note, logicalType: string, required: true}\n"
    )
    schema = frame_schema(contract)
    start = pl.DataFrame(
        [{"id": key, "code": code, "note": "x"} for key, code in before.items()], schema=schema
    )
    published = gate(start, contract).accepted
    rows = [
        {"id": key, "code": code, "note": None if key in bad else "x"}
        for key, code in coming.items()
    ]
    frame = pl.DataFrame(rows, schema=schema)

    verdict = gate_beside(frame, contract, published.lazy())

    accepted = verdict.accepted["id"].to_list()
    assert sorted([*accepted, *verdict.quarantined["id"]]) == sorted(coming)
    assert verdict.report.rejected == verdict.quarantined.height
    said = dict(verdict.quarantined.explode(RULES).group_by(RULES).len().rows())
    assert said == verdict.report.by_rule
    merged = pl.concat([published.filter(~pl.col("id").is_in(accepted)), verdict.accepted])
    assert merged["code"].drop_nulls().is_unique().all()
    for key, code in coming.items():
        alone = code is None or list(coming.values()).count(code) == 1
        if key not in bad and alone and code not in published["code"].drop_nulls().to_list():
            assert key in accepted


def test_a_row_may_break_more_rules_than_a_word_has_bits(contract_of):
    names = [f"c{number:03}" for number in range(130)]
    contract = contract_of(
        "".join(f"- {{name: {n}, id: {n}, logicalType: string, required: true}}\n" for n in names)
    )
    frame = pl.DataFrame(
        [
            {"id": "a"},
            {"id": "b", **dict.fromkeys(names[::2], "x")},
            {"id": "c", **dict.fromkeys(names, "x")},
        ],
        schema=frame_schema(contract),
        orient="row",
    )

    verdict = gate(frame, contract)

    assert verdict.accepted["id"].to_list() == ["c"]
    assert verdict.quarantined[RULES].to_list() == [
        [f"{name}.required" for name in names],
        [f"{name}.required" for name in names[1::2]],
    ]


def test_a_frame_with_other_columns_is_drift_and_its_error_names_no_value(reference):
    contract = reference["people/consents"]
    frame = pl.DataFrame({"consent_id": [1], "secret": ["ada@acme.example"]})

    with pytest.raises(
        SchemaDrift, match=r"it lacks: channel, .*another type: consent_id; not in"
    ) as told:
        gate(frame, contract)
    assert "ada@" not in str(told.value)


def test_technical_columns_pass_untouched(reference):
    contract = reference["clean/*"]
    frame = pl.DataFrame(
        [_clean(), _clean(record_id="r2", country="UK")],
        schema=frame_schema(contract),
        orient="row",
    ).with_columns(pl.Series("_held", [["emails"], None]))

    verdict = gate(frame, contract)

    assert verdict.accepted["_held"].to_list() == [["emails"]]
    assert verdict.quarantined["_held"].to_list() == [None]


def test_an_empty_frame_gives_both_sides_their_columns(reference):
    contract = reference["golden/contacts"]
    frame = pl.DataFrame(schema=frame_schema(contract))

    verdict = gate(frame, contract)

    assert verdict.accepted.schema == frame.schema
    assert verdict.quarantined.schema == {**frame.schema, RULES: pl.List(pl.String)}
    assert verdict.report.ratio == 0


def test_a_tombstone_of_id_and_instant_passes_and_one_with_a_name_does_not(reference):
    contract = reference["golden/contacts"]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    bare = {"person_id": "p1", "deleted_at": now}

    assert _judged(contract, bare) == []
    assert _judged(contract, {**bare, "given_name": "Ada"}) == [["tombstone_is_empty"]]
    assert _judged(contract, {"person_id": "p1"}) == [["has_somebody"]]


@given(rejected=st.integers(0, 50), live=st.integers(0, 50))
def test_the_breaker_trips_exactly_over_the_declared_share_of_live_rows(rejected, live, reference):
    contract = reference["clean/*"]
    report = Report(rejected, rejected, {"emails.value.pattern": rejected})

    if live and rejected / live > contract.max_quarantine_ratio:
        with pytest.raises(ContractBroken, match=r"emails\.value\.pattern \(\d+\)"):
            breaker(report, open_rows=rejected, live_rows=live, contract=contract)
    else:
        breaker(report, open_rows=rejected, live_rows=live, contract=contract)


def test_the_breaker_holds_back_a_table_with_too_few_rows(contract_of):
    contract = contract_of(
        quality="- {id: enough, metric: rowCount, mustBeGreaterThan: 10, dimension: coverage}\n"
    )
    breaker(Report(0, 0), open_rows=0, live_rows=11, contract=contract)
    with pytest.raises(ContractBroken, match=r"number of rows breaks the contract: enough \(9\)"):
        breaker(Report(0, 0), open_rows=1, live_rows=10, contract=contract)


def test_nothing_that_the_gate_says_holds_a_value(reference):
    contract = reference["clean/*"]
    secret = "".join(string.ascii_lowercase)
    row = _clean(given_name=f" {secret} ", emails=[_mail(secret)])
    frame = pl.DataFrame([row], schema=frame_schema(contract), orient="row")

    verdict = gate(frame, contract)

    assert verdict.report.rejected == 1
    assert secret not in repr(verdict.report)
