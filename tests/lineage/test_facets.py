"""What a published snapshot says of itself on the wire."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openlineage.client.serde import Serde

import concord.lineage.facets as module
from concord.contracts.document import Column, Contract
from concord.lineage.facets import InputRange, Snapshot, lineage_of, refusal_of

SCHEMAS = Path(module.__file__).with_name("schemas")
names = st.sampled_from(["raw/crm", "clean/crm", "people/crosswalk", "golden/contacts"])
ranges = st.builds(
    lambda name, after, more, feedback: InputRange(name, after, after + more, feedback),
    names,
    st.integers(-1, 50),
    st.integers(1, 50),
    st.booleans(),
)


def contract(*columns: Column) -> Contract:
    return Contract(
        id="golden",
        name="Golden",
        version="1.0.0",
        status="active",
        dataset="golden/contacts",
        columns=columns,
        rules=(),
        key="person_id",
        max_quarantine_ratio=0.1,
        sha256="0" * 64,
    )


def wire(snapshots, contracts=None):
    found = lineage_of(snapshots, lake="/lake", namespace="acme", contracts=contracts or {})
    told = {"in": found.inputs, "out": found.outputs}
    return {side: [Serde.to_dict(one) for one in datasets] for side, datasets in told.items()}


GOLDEN = Snapshot(
    "golden/contacts",
    version=4,
    rows=190,
    changed=7,
    inputs=(InputRange("clean/crm", 2, 5), InputRange("raw/crm", -1, 3, feedback=True)),
    contract=("golden", "1.0.0", "a" * 64),
    failed={"emails.value.pattern": 2},
)


def test_an_output_tells_its_version_rows_contract_and_broken_rules():
    out = wire([GOLDEN])["out"][0]
    assert (out["namespace"], out["name"]) == ("file", "/lake/golden/contacts")
    assert out["facets"]["version"]["datasetVersion"] == "4"
    assert out["facets"]["symlinks"]["identifiers"][0]["name"] == "golden/contacts"
    assert out["facets"]["concord_dataContract"]["version"] == "1.0.0"
    assert out["outputFacets"]["outputStatistics"]["rowCount"] == 7
    broken = out["facets"]["dataQualityAssertions"]["assertions"]
    assert [(one["assertion"], one["success"], one["actual"]) for one in broken] == [
        ("emails.value.pattern", False, "2")
    ]


def test_an_input_tells_its_newest_version_and_the_range_consumed():
    clean, raw = wire([GOLDEN])["in"]
    assert clean["facets"]["version"]["datasetVersion"] == "5"
    assert [clean["inputFacets"]["concord_range"][key] for key in ("after", "upto")] == [2, 5]
    assert raw["inputFacets"]["concord_range"]["feedback"] is True


def test_the_schema_is_the_contracts_leaves_included():
    leaf = Column(id="v", name="value", type="string")
    columns = (Column(id="e", name="emails", type="array", items=(leaf,)),)
    fields = wire([GOLDEN], {"golden/contacts": contract(*columns)})["out"][0]["facets"]["schema"]
    assert fields["fields"][0]["name"] == "emails"
    assert fields["fields"][0]["fields"][0]["name"] == "value"


def test_a_refused_batch_has_rules_and_no_version():
    found = refusal_of("clean/crm", {"country.enum": 9}, lake="s3://b/lake", namespace="acme")
    out = found.outputs[0]
    assert (out.namespace, out.name) == ("s3://b", "lake/clean/crm")
    assert "version" not in out.facets
    assert out.facets["dataQualityAssertions"].assertions[0].actual == "9"


@given(st.lists(ranges, max_size=8))
def test_an_input_stands_once_and_covers_all_its_ranges(inputs):
    snapshot = Snapshot("golden/contacts", 0, 0, 0, inputs=tuple(inputs))
    found = {one["name"].removeprefix("/lake/"): one for one in wire([snapshot])["in"]}
    assert set(found) == {one.dataset for one in inputs}
    for one in inputs:
        told = found[one.dataset]["inputFacets"]["concord_range"]
        assert told["after"] <= one.after < one.upto <= told["upto"]


@pytest.mark.parametrize(
    "path, facet",
    [
        ("DataContractDatasetFacet", ("out", "facets", "concord_dataContract")),
        ("RangeInputDatasetFacet", ("in", "inputFacets", "concord_range")),
    ],
)
def test_our_own_facets_keep_to_their_schemas(path, facet):
    schema = json.loads((SCHEMAS / f"{path}.json").read_text())
    side, kind, key = facet
    told = wire([GOLDEN])[side][0][kind][key]
    jsonschema.validate(told, schema)
    assert told["_schemaURL"] == schema["$id"]
