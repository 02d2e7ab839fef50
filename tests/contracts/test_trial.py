from __future__ import annotations

import pytest

from concord.contracts.lint import faults
from concord.contracts.trial import lift_faults
from concord.yaml_text import load_text

PROPERTIES = """
- {name: born, id: born, logicalType: date}
- {name: name, id: name, logicalType: string}
"""


def test_every_rule_of_the_reference_contracts_can_be_carried_out(reference):
    for contract in reference.values():
        assert lift_faults(contract, path="x") == []


@pytest.mark.parametrize(
    "predicate,said",
    [
        ("born < ''1900-01-02''", "DATE"),
        ("LENGTH(name)", "no condition on one row"),
        ("NOT name", "Polars says InvalidOperationError"),
        ("LENGTH(born) > 1", "Polars says"),
    ],
)
def test_a_rule_that_polars_cannot_carry_out_is_told_with_its_line(
    predicate, said, contract_of, contract_text
):
    quality = (
        "- id: odd\n  type: sql\n  mustBe: 0\n"
        f"  query: 'SELECT COUNT(*) FROM ${{table}} WHERE {predicate}'\n"
    )
    text = contract_text(PROPERTIES, quality)
    data, line_of = load_text(text, path="x.odcs.yaml")
    assert faults(data, path="x.odcs.yaml", line_of=line_of) == []

    (fault,) = lift_faults(contract_of(PROPERTIES, quality), path="x.odcs.yaml", line_of=line_of)

    assert said in fault.what
    assert "odd" in fault.what
    assert "id: odd" in text.splitlines()[fault.line - 1]


def test_a_pattern_that_only_rust_refuses_is_told(contract_of):
    contract = contract_of(
        "- {name: a, id: a, logicalType: string, logicalTypeOptions: {pattern: 'a{5000}{5000}'}}\n"
    )
    (fault,) = lift_faults(contract, path="x.odcs.yaml")
    assert "a.pattern cannot be carried out" in fault.what
