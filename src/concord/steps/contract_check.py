"""Rules that nothing could carry out, found before they are in force."""

from __future__ import annotations

from collections.abc import Iterator

from concord.errors import Fault
from concord.project import Project

__all__ = ["rule_faults"]


def rule_faults(project: Project) -> Iterator[Fault]:
    """Faults of rules and audience conditions that only Polars can tell."""
    from concord.contracts.trial import lift_faults

    for contract in project.contracts.values():
        yield from lift_faults(contract, path=f"contracts ({contract.dataset})")
