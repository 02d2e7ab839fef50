from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from concord.contracts.document import Contract
from concord.normalise.mapping import mapping_faults, mapping_of
from concord.platforms.declaration import PlatformDeclaration


def declared(fields: dict[str, Any], **more: Any) -> PlatformDeclaration:
    return PlatformDeclaration.model_validate(
        {"kind": "any", "connection": "x", "purpose": "care", "fields": fields, **more}
    )


def test_fields_are_resolved_in_the_contracts_order(contract: Contract) -> None:
    mapping = mapping_of(
        declared(
            {"phones": "TEL", "emails": [{"from": "mail", "type": "Work"}], "given_name": "first"}
        ),
        contract,
        frozenset({"TEL"}),
        "AT",
    )
    assert [(f.column, f.native, f.kind, f.normalise) for f in mapping.fields] == [
        ("given_name", "first", "scalar", "name"),
        ("emails", "mail", "slot", "email"),
        ("phones", "TEL", "list", "phone"),
    ]
    assert mapping.columns == ("given_name", "emails", "phones")
    assert mapping.of("emails")[0].type == "work"


def test_natives_are_everything_that_is_read_claims_included(contract: Contract) -> None:
    claim = {
        "channel": "email",
        "purpose": "marketing",
        "address": "mail",
        "state": "opt_in",
        "at": "opt_in_at",
        "granted": "1",
        "withdrawn": "0",
    }
    mapping = mapping_of(declared({"emails": "mail"}, consents=[claim]), contract)
    assert mapping.natives == ("mail", "opt_in", "opt_in_at")
    assert mapping.claims[0].granted == "1"


def test_a_platforms_own_region_comes_first(contract: Contract) -> None:
    assert mapping_of(declared({}, region="DE"), contract, frozenset(), "AT").region == "DE"
    assert mapping_of(declared({}), contract, frozenset(), "AT").region == "AT"


def test_the_digest_tells_mappings_apart_and_is_the_same_in_every_process(
    contract: Contract,
) -> None:
    one = mapping_of(declared({"given_name": "first"}), contract)
    again = mapping_of(declared({"given_name": "first"}), contract)
    other = mapping_of(declared({"given_name": "vorname"}), contract)
    assert one.digest == again.digest
    assert one.digest != other.digest
    assert one.digest != mapping_of(declared({"given_name": "first"}), contract, region="AT").digest
    assert one.digest.startswith("46b43ce9"), "a new digest makes every platform be read anew"


def test_a_misspelt_column_is_named_with_the_one_meant(contract: Contract) -> None:
    (fault,) = mapping_faults(declared({"emials": "mail"}), contract)
    assert fault.place == ("fields", "emials")
    assert fault.hint == "did you mean `emails`?"


def test_a_misspelt_normaliser_is_named_with_the_one_meant(contract: Contract) -> None:
    fields = {"phones": [{"from": "tel"}, {"from": "fax", "normalise": "fone"}]}
    (fault,) = mapping_faults(declared(fields), contract)
    assert fault.place == ("fields", "phones", 1)
    assert fault.hint == "did you mean `phone`?"


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"given_name": {"from": "first", "type": "work"}}, "belong to lists"),
        ({"given_name": "EMAIL"}, "`EMAIL` holds many values, `given_name` holds one"),
        ({"emails": {"from": "EMAIL", "type": "work"}}, "each with its own type"),
    ],
)
def test_one_and_many_must_fit(contract: Contract, fields: dict[str, Any], what: str) -> None:
    (fault,) = mapping_faults(declared(fields), contract, frozenset({"EMAIL"}))
    assert what in fault.what


def test_a_sound_mapping_has_no_fault(contract: Contract) -> None:
    fields = {"emails": "EMAIL", "phones": {"from": "tel", "type": "work"}, "given_name": "N.given"}
    assert mapping_faults(declared(fields), contract, frozenset({"EMAIL"})) == []


def test_resolving_a_mapping_loads_no_frame_library() -> None:
    code = (
        "import sys, concord.normalise.mapping, concord.normalise.native;"
        "sys.exit(bool({'polars', 'pyarrow', 'deltalake'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
