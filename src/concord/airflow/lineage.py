"""A step's result as what the OpenLineage provider takes from an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.openlineage.extractors import OperatorLineage

from concord.errors import ConcordError, ContractBroken
from concord.lineage.facets import InputRange, Lineage, Snapshot, lineage_of, refusal_of

if TYPE_CHECKING:
    from concord.project import Project
    from concord.steps.context import Result

__all__ = ["Told", "lineage_of_failure", "lineage_of_result"]

Told = OperatorLineage[Any, Any]


def lineage_of_result(project: Project, result: Result) -> Told | None:
    """Both sides of a step that ended well; None when it published nothing."""
    snapshots = [
        _snapshot(one) for one in result.published if one.outcome in ("written", "already")
    ]
    if not snapshots:
        return None
    contracts = {
        one.dataset: contract
        for one in snapshots
        if (contract := project.contract(one.dataset)) is not None
    }
    return _told(
        lineage_of(
            snapshots,
            lake=project.lake,
            namespace=project.lineage_namespace,
            contracts=contracts,
        )
    )


def lineage_of_failure(project: Project, error: ConcordError) -> Told | None:
    """The dataset that a broken contract kept from being published; None for other errors."""
    if not isinstance(error, ContractBroken):
        return None
    return _told(
        refusal_of(
            error.dataset,
            error.by_rule,
            lake=project.lake,
            namespace=project.lineage_namespace,
        )
    )


def _told(lineage: Lineage) -> Told:
    return OperatorLineage(inputs=list(lineage.inputs), outputs=list(lineage.outputs))


def _snapshot(published: Any) -> Snapshot:
    record = published.record
    contract = record.contract if record is not None else None
    return Snapshot(
        dataset=published.dataset,
        version=published.version,
        rows=published.rows,
        changed=published.upserted + published.deleted,
        inputs=tuple(
            InputRange(one.dataset, one.after, one.upto, one.feedback)
            for one in (record.inputs if record is not None else ())
            if one.table_id is not None
        ),
        contract=(contract.id, contract.version, contract.sha256) if contract else None,
        failed=dict(record.rules) if record is not None else {},
    )
