from __future__ import annotations

import dataclasses
import json
import pickle

import polars as pl
import pytest

from concord.contracts.document import ROLES, read_contract
from concord.contracts.gate import gate
from concord.contracts.lint import faults
from concord.contracts.schema import frame_schema
from concord.yaml_text import load_text

CODE = "- {{name: code, id: code, logicalType: string, description: {0}, {1}}}\n"


def _fingerprint(contract_of, description="a code", options="required: false"):
    return contract_of(CODE.format(description, options)).fingerprint()


def test_the_fingerprint_is_a_positive_number_that_fits_a_cursor(reference):
    numbers = {contract.fingerprint() for contract in reference.values()}
    assert len(numbers) == len(reference)
    assert all(0 < number < 2**63 for number in numbers)


def test_words_and_layout_leave_the_fingerprint_alone(contract_of):
    assert _fingerprint(contract_of) == _fingerprint(contract_of, description="another")
    assert _fingerprint(contract_of) == _fingerprint(contract_of, options="\n   required: false")


@pytest.mark.parametrize(
    "options",
    [
        "required: true",
        "unique: true",
        "logicalTypeOptions: {pattern: 'a'}",
        "logicalTypeOptions: {maxLength: 3}",
        "enum: [{value: 'a'}]",
        "quality: [{id: q, metric: nullValues, mustBe: 0}]",
    ],
)
def test_another_rule_is_another_fingerprint(options, contract_of):
    assert _fingerprint(contract_of) != _fingerprint(contract_of, options=options)


def test_another_severity_is_another_fingerprint(contract_of):
    def one(severity: str) -> int:
        rule = f"[{{id: q, metric: nullValues, mustBe: 0, severity: {severity}}}]"
        return _fingerprint(contract_of, options=f"quality: {rule}")

    assert one("error") != one("warning")


def test_another_quarantine_ratio_is_another_fingerprint(contract_of):
    def one(share: float) -> int:
        share_of = f"{{property: maxQuarantineRatio, value: {share}, vendor: concord}}"
        tail = f"customProperties: [{share_of}]\n"
        return contract_of(tail=tail).fingerprint()

    assert one(0.1) != one(0.2)


def test_a_contract_survives_pickling_and_can_be_a_key(reference):
    for contract in reference.values():
        again = pickle.loads(pickle.dumps(contract))
        assert again == contract
        assert hash(again) == hash(contract)
        assert again.fingerprint() == contract.fingerprint()


def test_every_rule_has_a_sentence_and_a_place_in_the_file(reference, documents):
    lines = {data["schema"][0]["physicalName"]: line_of for data, line_of in documents.values()}
    for dataset, contract in reference.items():
        for rule in contract.rules:
            assert rule.sentence
            assert "\n" not in rule.sentence
            assert lines[dataset](rule.place) > 20, rule.id


def test_rules_are_made_of_json(reference):
    for contract in reference.values():
        for rule in contract.rules:
            assert json.loads(json.dumps(rule.argument)) == rule.argument


def test_only_our_own_custom_properties_are_read(contract_of):
    contract = contract_of(
        "- {name: a, id: a, logicalType: string,"
        " customProperties: [{property: role, value: country, vendor: atlan},"
        " {property: mask, value: sha256, vendor: concord}]}\n"
    )
    assert contract.column("a").role is None
    assert contract.column("a").options == {"mask": "sha256"}


def test_the_reference_project_has_the_contact_model(reference):
    clean, golden = reference["clean/*"], reference["golden/contacts"]
    assert clean.key == "record_id"
    assert golden.key == "person_id"
    shared = [c.name for c in clean.columns if c.name not in ("record_id", "remote_id")]
    assert [c.name for c in golden.columns][1 : len(shared) + 1] == shared
    assert golden.role("consent") == ("email_marketing",)
    assert golden.column("email_marketing").options == {"channel": "email", "purpose": "marketing"}
    assert [c.name for c in golden.columns if c.required] == ["person_id"]
    assert all(c.owner for c in reference.values())
    assert {c.role for c in (*clean.columns, *golden.columns) if c.role} == set(ROLES)


def test_every_column_of_the_reference_contracts_is_described_and_classified(reference):
    for contract in reference.values():
        for column in contract.columns:
            for one in (column, *column.items):
                assert one.description, (contract.dataset, column.name, one.name)
                assert one.classification, (contract.dataset, column.name, one.name)


def test_clean_and_golden_ask_the_same_of_the_columns_they_share(reference):
    def asked(dataset: str) -> dict[str, str]:
        contract = reference[dataset]
        return {
            rule.id: json.dumps([rule.kind, rule.argument])
            for rule in contract.rules
            if rule.kind != "row"
        }

    clean, golden = asked("clean/*"), asked("golden/contacts")
    shared = clean.keys() & golden.keys()
    assert len(shared) > 40
    assert {rule: clean[rule] for rule in shared} == {rule: golden[rule] for rule in shared}


def test_a_custom_column_is_added_by_editing_the_file_only(contract_of):
    before = contract_of()
    after = contract_of(
        "- {name: loyalty_tier, id: loyalty_tier, logicalType: string, classification: internal,"
        " description: Tier., enum: [{value: gold}, {value: silver}]}\n"
    )
    frame = pl.DataFrame({"id": ["a", "b"], "loyalty_tier": ["gold", "tin"]})

    assert frame_schema(after) == {**frame_schema(before), "loyalty_tier": pl.String()}
    assert gate(frame, after).report.by_rule == {"loyalty_tier.enum": 1}
    assert before.fingerprint() != after.fingerprint()


def test_the_custom_column_fits_the_reference_contract(documents):
    data, line_of = documents["clean.odcs.yaml"]
    added = json.loads(json.dumps(data))
    added["schema"][0]["properties"].append(
        {"name": "loyalty_tier", "id": "loyalty_tier", "logicalType": "string"}
    )

    assert faults(added, path="clean.odcs.yaml", line_of=line_of) == []
    contract = read_contract(added, source="clean.odcs.yaml")
    assert contract.columns[-1] == dataclasses.replace(
        contract.columns[-1], name="loyalty_tier", role=None
    )


def test_the_digest_follows_the_document_not_its_layout(contract_text):
    def digest(text: str) -> str:
        return read_contract(load_text(text, path="x")[0], source="x").sha256

    text = contract_text()
    assert digest(text) == digest("# a comment\n" + text)
    assert digest(text) != digest(text.replace("active", "draft"))
