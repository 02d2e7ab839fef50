"""Contracts to judge with: small ones made from properties, and the reference project's."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from concord.contracts.document import Contract, read_contract
from concord.yaml_text import load_text

Build = Callable[..., Contract]
FOLDER = Path(__file__).parents[2] / "contracts"

HEAD = """\
apiVersion: v3.2.0
kind: DataContract
id: urn:test:people
version: '1.0.0'
status: active
team: {name: testers}
schema:
- name: people
  id: people
  physicalName: test/people
  properties:
  - name: id
    id: id
    logicalType: string
    primaryKey: true
"""


def text_of(properties: str = "", quality: str = "", tail: str = "") -> str:
    """A contract's text: a key, and what a test adds."""
    text = HEAD + textwrap.indent(textwrap.dedent(properties), "  ")
    if quality:
        text += "  quality:\n" + textwrap.indent(textwrap.dedent(quality), "  ")
    return text + textwrap.dedent(tail)


@pytest.fixture(scope="session")
def contract_text() -> Callable[..., str]:
    return text_of


@pytest.fixture(scope="session")
def contract_of() -> Build:
    def build(properties: str = "", quality: str = "", tail: str = "") -> Contract:
        data, _ = load_text(text_of(properties, quality, tail), path="test.odcs.yaml")
        return read_contract(data, source="test.odcs.yaml")

    return build


@pytest.fixture(scope="session")
def documents() -> dict[str, tuple[Any, Any]]:
    """Every reference contract, parsed, with its lines."""
    return {
        path.name: load_text(path.read_text(encoding="utf-8"), path=path.name)
        for path in sorted(FOLDER.glob("*.odcs.yaml"))
    }


@pytest.fixture(scope="session")
def reference(documents: dict[str, tuple[Any, Any]]) -> dict[str, Contract]:
    """Every reference contract by its dataset."""
    found = [read_contract(data, source=name) for name, (data, _) in documents.items()]
    return {contract.dataset: contract for contract in found}
