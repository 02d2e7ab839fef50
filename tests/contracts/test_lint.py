from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest

from concord.contracts.lint import faults
from concord.errors import Fault
from concord.yaml_text import load_text


def _faults(text: str) -> list[Fault]:
    data, line_of = load_text(text, path="contracts/test.odcs.yaml")
    return faults(data, path="contracts/test.odcs.yaml", line_of=line_of)


def _line(text: str, marked: str) -> int:
    """The line that holds *marked*; it stands there once."""
    lines = [number for number, line in enumerate(text.splitlines(), 1) if marked in line]
    assert len(lines) == 1, marked
    return lines[0]


def test_the_reference_contracts_have_no_fault(documents):
    assert len(documents) >= 4
    for name, (data, line_of) in documents.items():
        assert faults(data, path=name, line_of=line_of) == []


PROPERTY_FAULTS = {
    "a misspelt key": (
        "- {name: a, id: a, logicalType: string, requierd: true}",
        "requierd",
        "unknown key `requierd` (did you mean `required`?)",
    ),
    "a misspelt option": (
        "- {name: a, id: a, logicalType: string, logicalTypeOptions: {maxLenght: 3}}",
        "maxLenght",
        "unknown key `maxLenght` (did you mean `maxLength`?)",
    ),
    "a misspelt key among elements": (
        """
        - name: a
          id: a
          logicalType: array
          items:
            logicalType: object
            properties:
            - name: value
              id: value
              logicaltype: string
        """,
        "logicaltype",
        "did you mean `logicalType`?",
    ),
    "a key where it does not belong": (
        "- {name: a, id: a, logicalType: string, items: {logicalType: object}}",
        "object",
        "`items` does not belong here",
    ),
    "a type that does not exist": (
        "- {name: a, id: a, logicalType: text}",
        "text",
        "is none of string, date",
    ),
    "a type that cannot be had": (
        "- {name: a, id: a, logicalType: map}",
        "map",
        "logicalType map cannot be had yet",
    ),
    "no type": ("- {name: a, id: a}", "name: a,", "logicalType None"),
    "no id": ("- {name: a, logicalType: string}", "name: a,", "`a` has no id (ids keep"),
    "an unquoted Norway": (
        "- {name: a, id: a, logicalType: string, enum: [{value: NO}]}",
        "NO",
        "`value` is unquoted text that other tools read as something else (quote it)",
    ),
    "a yes among values": (
        """
        - name: a
          id: a
          logicalType: string
          quality:
          - {id: r, metric: invalidValues, mustBe: 0, arguments: {validValues: ['a', true]}}
        """,
        "['a', true]",
        "a bare yes, no, true or false in a list of values",
    ),
    "a number among texts": (
        "- {name: a, id: a, logicalType: string, enum: [{value: 'x'}, {value: 7}]}",
        "value: 7",
        "the list of values holds a int, not a string",
    ),
    "a bare date": (
        "- {name: a, id: a, logicalType: date, logicalTypeOptions: {minimum: 1900-01-02}}",
        "1900-01-02",
        "`minimum` is a bare date (quote it)",
    ),
    "a bound that is no date": (
        "- {name: a, id: a, logicalType: date, logicalTypeOptions: {minimum: '1.2.1900'}}",
        "1.2.1900",
        "`minimum` is no date",
    ),
    "a timestamp without zone": (
        "- {name: a, id: a, logicalType: timestamp}",
        "timestamp",
        "a timestamp without time zone",
    ),
    "a timestamp's bound without zone": (
        "- {name: a, id: a, logicalType: timestamp,"
        " logicalTypeOptions: {timezone: true, minimum: '2000-01-01T00:00:00'}}",
        "2000-01-01T",
        "`minimum` has no time zone (end it with Z)",
    ),
    "a timestamp in local time": (
        "- {name: a, id: a, logicalType: timestamp,"
        " logicalTypeOptions: {timezone: true, defaultTimezone: Europe/Vienna}}",
        "Vienna",
        "kept in UTC",
    ),
    "an array without items": (
        "- {name: a, id: a, logicalType: array}",
        "array",
        "the items of an array are objects with properties",
    ),
    "an array of texts": (
        "- {name: a, id: a, logicalType: array, items: {logicalType: string}}",
        "array",
        "the items of an array are objects with properties",
    ),
    "a rule on items as such": (
        "- {name: a, id: a, logicalType: array, items: {logicalType: object, required: true,"
        " properties: [{name: value, id: v, logicalType: string}]}}",
        "array",
        "`required` is not enforced on items",
    ),
    "a unique element": (
        "- {name: a, id: a, logicalType: array, items: {logicalType: object,"
        " properties: [{name: value, id: v, logicalType: string, unique: true}]}}",
        "array",
        "elements of a list cannot be unique",
    ),
    "a pattern that is none": (
        "- {name: a, id: a, logicalType: string, logicalTypeOptions: {pattern: '(x'}}",
        "(x",
        "the pattern is no regular expression",
    ),
    "a pattern that looks ahead": (
        "- {name: a, id: a, logicalType: string, logicalTypeOptions: {pattern: '(?=x)'}}",
        "(?=x)",
        "the pattern uses (?…)",
    ),
    "a pattern that looks back": (
        r"- {name: a, id: a, logicalType: string, logicalTypeOptions: {pattern: '(x)\1'}}",
        "(x)",
        "the pattern refers back",
    ),
    "a format": (
        "- {name: a, id: a, logicalType: string, logicalTypeOptions: {format: email}}",
        "email",
        "`format` is not enforced on a string (say it as a pattern)",
    ),
    "a relationship": (
        "- {name: a, id: a, logicalType: string, relationships: [{to: people.id}]}",
        "people.id",
        "relationships are not enforced yet",
    ),
    "a technical name": (
        "- {name: _a, id: a, logicalType: string}",
        "_a",
        "names with _ in front are Concord's own",
    ),
    "a column twice": (
        "- {name: id, id: b, logicalType: string}",
        "id: b",
        "name `id` is declared twice",
    ),
    "an unknown role": (
        "- {name: a, id: a, logicalType: string,"
        " customProperties: [{property: role, value: familyname, vendor: concord}]}",
        "familyname",
        "unknown role `familyname` (did you mean `family_name`?)",
    ),
    "an unknown classification": (
        "- {name: a, id: a, logicalType: string, classification: confidental}",
        "confidental",
        "there is no classification `confidental` (did you mean `confidential`?)",
    ),
    "a role on the wrong type": (
        "- {name: a, id: a, logicalType: string,"
        " customProperties: [{property: role, value: email, vendor: concord}]}",
        "value: email",
        "role email is for columns of type array",
    ),
    "a consent flag without purpose": (
        "- {name: a, id: a, logicalType: boolean,"
        " customProperties: [{property: role, value: consent, vendor: concord}]}",
        "value: consent",
        "role consent needs a channel and a purpose",
    ),
    "an unknown property of ours": (
        "- {name: a, id: a, logicalType: string,"
        " customProperties: [{property: rol, value: x, vendor: concord}]}",
        "rol,",
        "unknown custom property `rol` (did you mean `role`?)",
    ),
    "a property of ours without vendor": (
        "- {name: a, id: a, logicalType: string,"
        " customProperties: [{property: role, value: country}]}",
        "value: country",
        "`role` has no vendor (vendor: concord)",
    ),
    "a property of ours with a misspelt vendor": (
        "- {name: a, id: a, logicalType: string,"
        " customProperties: [{property: role, value: country, vendor: concrod}]}",
        "concrod",
        "`role` is left aside: its vendor is `concrod` (did you mean `concord`?)",
    ),
    "a pattern in a word processor's quotes": (
        "- {name: a, id: a, logicalType: string, logicalTypeOptions: {pattern: \u201c^x$\u201d}}",
        "^x$",
        "`pattern` stands in typographic quotes",
    ),
    "an option of another type": (
        "- {name: a, id: a, logicalType: string, logicalTypeOptions: {minimum: '1900-01-01'}}",
        "1900",
        "`minimum` does not go with `logicalType: string`; change one of them",
    ),
    "dates the wrong way round": (
        "- {name: a, id: a, logicalType: date,"
        " logicalTypeOptions: {minimum: '2035-01-01', maximum: '1900-01-01'}}",
        "2035",
        "`minimum` lies above `maximum`: every value would break the rule (exchange them)",
    ),
    "lengths the wrong way round": (
        "- {name: a, id: a, logicalType: string, logicalTypeOptions: {minLength: 9, maxLength: 2}}",
        "minLength",
        "`minLength` lies above `maxLength`",
    ),
    "a switch that is no boolean": (
        "- {name: a, id: a, logicalType: string, required: 'no'}",
        "required",
        "`a.required` is not of type boolean",
    ),
}


@pytest.mark.parametrize("case", PROPERTY_FAULTS.values(), ids=PROPERTY_FAULTS)
def test_a_fault_of_a_property_is_told_with_its_line(case, contract_text):
    added, marked, said = case
    text = contract_text(textwrap.dedent(added).strip("\n") + "\n")

    found = _faults(text)

    assert [fault.line for fault in found if said in str(fault)] == [_line(text, marked)], found
    assert len(found) == 1, found


SQL = "SELECT COUNT(*) FROM ${table} WHERE "
QUALITY_FAULTS = {
    "no id": ("{type: sql, mustBe: 0, query: 'SELECT 1'}", "without id"),
    "a rule in prose": ("{id: r, type: text, description: people are nice}", "type text is not"),
    "another engine's rule": (
        "{id: r, type: custom, engine: soda, implementation: x}",
        "type custom is not enforced",
    ),
    "no operator": (f"{{id: r, type: sql, query: '{SQL}id IS NULL'}}", "exactly one operator"),
    "two operators": (
        f"{{id: r, type: sql, mustBe: 0, mustBeLessThan: 3, query: '{SQL}id IS NULL'}}",
        "exactly one operator",
    ),
    "a tolerance in SQL": (
        f"{{id: r, type: sql, mustBeLessThan: 5, query: '{SQL}id IS NULL'}}",
        "has `mustBe: 0`",
    ),
    "no count": ("{id: r, type: sql, mustBe: 0, query: 'SELECT 1'}", "write SELECT COUNT(*)"),
    "the clock": (
        f"{{id: r, type: sql, mustBe: 0, query: '{SQL}id > CURRENT_DATE'}}",
        "`CURRENT_DATE` is no column and no word",
    ),
    "a sub-query": (
        f"{{id: r, type: sql, mustBe: 0, query: '{SQL}id IN (SELECT id FROM x)'}}",
        "`SELECT` is no column",
    ),
    "an unknown column": (
        f"{{id: r, type: sql, mustBe: 0, query: '{SQL}idd IS NULL'}}",
        "`idd` is no column",
    ),
    "a lambda over no list": (
        f"{{id: r, type: sql, mustBe: 0, query: '{SQL}len(list_filter(id, lambda x: x.a)) > 1'}}",
        "list_filter needs an array",
    ),
    "a severity that is none": (
        f"{{id: r, type: sql, mustBe: 0, severity: bad, query: '{SQL}id IS NULL'}}",
        "severity is error, warning or info",
    ),
    "a schedule": (
        f"{{id: r, type: sql, mustBe: 0, schedule: daily, query: '{SQL}id IS NULL'}}",
        "rules are asked whenever rows are judged",
    ),
    "a metric without column": ("{id: r, metric: nullValues, mustBe: 0}", "stands on a property"),
    "a row count in percent": (
        "{id: r, metric: rowCount, unit: percent, mustBe: 5}",
        "rowCount counts the rows",
    ),
    "a metric that does not exist": ("{id: r, metric: rowcount, mustBe: 5}", "is none of"),
    "an id of a rule that is there": (
        f"{{id: r, type: sql, mustBe: 0, query: '{SQL}id IS NULL'}}\n"
        f"- {{id: r, type: sql, mustBe: 0, query: '{SQL}id IS NULL'}}",
        "rule id `r` is declared twice",
    ),
}


@pytest.mark.parametrize("case", QUALITY_FAULTS.values(), ids=QUALITY_FAULTS)
def test_no_rule_of_the_dataset_is_skipped_in_silence(case, contract_text):
    rule, said = case
    text = contract_text(quality=f"- {rule}\n")

    found = _faults(text)

    assert any(said in str(fault) for fault in found), found
    assert all(fault.line >= _line(text, "quality:") for fault in found), found


METRIC_FAULTS = {
    "a share": ("{id: r, metric: nullValues, unit: percent, mustBeLessThan: 40}", "`mustBe: 0`"),
    "less than one percent": (
        "{id: r, metric: nullValues, unit: percent, mustBeLessThan: 1}",
        "`mustBe: 0`",
    ),
    "values and a pattern": (
        "{id: r, metric: invalidValues, mustBe: 0, arguments: {validValues: ['a'], pattern: a}}",
        "says pattern or validValues in its arguments",
    ),
    "no argument": ("{id: r, metric: invalidValues, mustBe: 0}", "says pattern or validValues"),
    "a foreign argument": (
        "{id: r, metric: nullValues, mustBe: 0, arguments: {properties: [a]}}",
        "`properties` is not enforced",
    ),
}


@pytest.mark.parametrize("case", METRIC_FAULTS.values(), ids=METRIC_FAULTS)
def test_no_rule_of_a_property_is_skipped_in_silence(case, contract_text):
    rule, said = case
    added = f"- name: a\n  id: a\n  logicalType: string\n  quality:\n  - {rule}\n"

    found = _faults(contract_text(added))

    assert [said in str(fault) for fault in found] == [True], found


HEAD_FAULTS = {
    "version: '1.0.0'": (
        {"version: 1.1": "`version` is a number", "version: '1.1'": "`version` is no version"}
    ),
    "status: active": {"status: live": "`status` is none that Concord knows"},
    "id: urn:test:people": {"owner: x": "`the contract` lacks `id`"},
    "apiVersion: v3.2.0": {"apiVersion: v2.2.2": "contracts follow ODCS 3"},
    "team: {name: testers}": {
        "team: {}": "nobody owns the contract (team: {name: …})",
        "team: {description: x}": "nobody owns the contract",
    },
    "physicalName: test/people": {"physicalType: table": "the dataset is not named"},
    "primaryKey: true": {"primaryKey: false": "exactly one property is the primaryKey"},
}


@pytest.mark.parametrize(
    "good,bad,said",
    [(good, bad, said) for good, cases in HEAD_FAULTS.items() for bad, said in cases.items()],
)
def test_a_fault_of_the_contract_itself_is_told(good, bad, said, contract_text):
    found = _faults(contract_text().replace(good, bad))

    assert any(said in str(fault) for fault in found), found


@pytest.mark.parametrize("share", ["2", "-0.1", "true", "half"])
def test_a_quarantine_ratio_is_a_share(share, contract_text):
    tail = (
        f"customProperties: [{{property: maxQuarantineRatio, value: {share}, vendor: concord}}]\n"
    )

    found = _faults(contract_text(tail=tail))

    assert any("no share between 0 and 1" in str(fault) for fault in found), found


def test_every_fault_is_told_at_once(contract_text):
    text = contract_text(
        "- {name: a, id: a, logicalType: timestamp}\n"
        "- {name: b, logicalType: string, logicalTypeOptions: {pattern: '('}}\n",
        "- {id: r, type: text, description: x}\n",
    )

    assert len(_faults(text)) == 4


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_what_is_no_mapping_is_no_contract(data: Any):
    (fault,) = faults(data, path="contracts/x.odcs.yaml", line_of=lambda _: 1)
    assert "is no contract" in str(fault)


def test_reading_contracts_loads_neither_polars_nor_the_validator(documents):
    code = (
        "import sys; import concord.contracts.document, concord.contracts.lint;"
        "heavy = {'polars', 'pandera', 'pyarrow', 'jsonschema', 'deltalake'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
