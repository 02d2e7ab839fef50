"""How far a step's inputs are: what its cursors are compared with."""

from __future__ import annotations

from collections.abc import Mapping

from concord.assets.commit import Position
from concord.assets.snapshot import newest_snapshot
from concord.assets.table import Table
from concord.contracts.document import Contract

__all__ = ["RULES", "positions"]

RULES = "rules"
"""The cursor on the fingerprint of the rules in force."""


def positions(tables: Mapping[str, Table], *contracts: Contract) -> dict[str, Position]:
    """Newest snapshots of the inputs, and the fingerprints of the contracts that judge.

    An input without a snapshot stands at -1, where every cursor starts.
    """
    found = {name: Position(newest_snapshot(table), table.id) for name, table in tables.items()}
    for contract in contracts:
        name = RULES if len(contracts) == 1 else f"{RULES}:{contract.dataset}"
        found[name] = Position(contract.fingerprint())
    return found
