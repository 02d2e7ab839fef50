"""What a published snapshot says of itself, as OpenLineage datasets with facets; pure.

The same functions serve the operator, the store and repair. Standard facets carry the standard's
words; ours (`concord_…`) have a JSON Schema each in ``schemas/`` beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import attr
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    data_quality_assertions_dataset,
    dataset_version_dataset,
    output_statistics_output_dataset,
    schema_dataset,
    storage_dataset,
    symlinks_dataset,
)

from concord.lineage.names import DatasetName, dataset_name, dataset_uri

if TYPE_CHECKING:
    from concord.contracts.document import Column, Contract

__all__ = [
    "ContractFacet",
    "InputRange",
    "Lineage",
    "RangeFacet",
    "Snapshot",
    "lineage_of",
    "refusal_of",
]

_SCHEMAS = "urn:concord:openlineage"


@dataclass(frozen=True, slots=True)
class InputRange:
    """What one snapshot took from one dataset: every version after *after* up to *upto*.

    Attributes:
        after: -1 when everything was read.
        feedback: the dataset lies downstream of the one that read it.
    """

    dataset: str
    after: int
    upto: int
    feedback: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One published version of one dataset.

    Attributes:
        rows: live rows of the table after it.
        changed: rows that this version wrote or deleted.
        contract: id, version and sha256 of the contract in force; None where code declares.
        failed: rule id to rows that broke it on the way in.
    """

    dataset: str
    version: int
    rows: int
    changed: int
    inputs: tuple[InputRange, ...] = ()
    contract: tuple[str, str, str] | None = None
    failed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Both sides of one run; an input or output stands there once."""

    inputs: tuple[InputDataset, ...]
    outputs: tuple[OutputDataset, ...]


@attr.define
class RangeFacet(InputDatasetFacet):
    """Which versions of an input were consumed; the version facet names only the newest."""

    after: int
    upto: int
    feedback: bool

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}:RangeInputDatasetFacet:1-0-0"


@attr.define
class ContractFacet(DatasetFacet):
    """The contract a version was published under (the shape of OpenLineage PR #4771)."""

    id: str
    version: str
    sha256: str
    standard: str = "odcs"
    enforcement: str = "quarantine"

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}:DataContractDatasetFacet:1-0-0"


def lineage_of(
    snapshots: Sequence[Snapshot],
    *,
    lake: str,
    namespace: str,
    contracts: Mapping[str, Contract],
) -> Lineage:
    """The datasets of one run: what it published, and from which versions.

    Args:
        snapshots: everything the run published.
        lake: absolute folder or URL of the lake.
        namespace: the project's OpenLineage namespace; home of the logical names.
        contracts: by dataset name.
    """
    ranges: dict[str, InputRange] = {}
    for snapshot in snapshots:
        for one in snapshot.inputs:
            known = ranges.get(one.dataset)
            ranges[one.dataset] = one if known is None else _joined(known, one)
    place = _Place(lake, namespace)
    return Lineage(
        inputs=tuple(_input(one, place) for _, one in sorted(ranges.items())),
        outputs=tuple(
            _output(one, place, contracts.get(one.dataset))
            for one in sorted(snapshots, key=lambda one: one.dataset)
        ),
    )


def refusal_of(dataset: str, failed: Mapping[str, int], *, lake: str, namespace: str) -> Lineage:
    """A batch that was refused: the rules it broke, no version."""
    place = _Place(lake, namespace)
    facets = {**place.facets(dataset), "dataQualityAssertions": _assertions(failed)}
    return Lineage((), (OutputDataset(*place.name(dataset), facets=facets),))


@dataclass(frozen=True, slots=True)
class _Place:
    lake: str
    namespace: str

    def name(self, dataset: str) -> tuple[str, str]:
        found: DatasetName = dataset_name(dataset_uri(self.lake, dataset))
        return found.namespace, found.name

    def facets(self, dataset: str) -> dict[str, Any]:
        logical = symlinks_dataset.Identifier(
            namespace=f"concord://{self.namespace}", name=dataset, type="TABLE"
        )
        return {
            "symlinks": symlinks_dataset.SymlinksDatasetFacet(identifiers=[logical]),
            "storage": storage_dataset.StorageDatasetFacet(
                storageLayer="delta", fileFormat="parquet"
            ),
        }


def _joined(one: InputRange, other: InputRange) -> InputRange:
    return InputRange(
        one.dataset,
        min(one.after, other.after),
        max(one.upto, other.upto),
        one.feedback and other.feedback,
    )


def _input(one: InputRange, place: _Place) -> InputDataset:
    facets = {**place.facets(one.dataset), "version": _version(one.upto)}
    own = RangeFacet(after=one.after, upto=one.upto, feedback=one.feedback)
    return InputDataset(*place.name(one.dataset), facets=facets, inputFacets={"concord_range": own})


def _output(one: Snapshot, place: _Place, contract: Contract | None) -> OutputDataset:
    facets = {**place.facets(one.dataset), "version": _version(one.version)}
    if contract is not None:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            fields=[_field(column, number + 1) for number, column in enumerate(contract.columns)]
        )
    if one.contract is not None:
        identity, version, sha256 = one.contract
        facets["concord_dataContract"] = ContractFacet(id=identity, version=version, sha256=sha256)
    if one.failed:
        facets["dataQualityAssertions"] = _assertions(one.failed)
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=one.changed
    )
    return OutputDataset(
        *place.name(one.dataset), facets=facets, outputFacets={"outputStatistics": statistics}
    )


def _version(version: int) -> Any:
    return dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(version))


def _field(column: Column, position: int) -> Any:
    return schema_dataset.SchemaDatasetFacetFields(
        name=column.name,
        type=column.type,
        description=column.description or None,
        ordinal_position=position,
        fields=[_field(leaf, number + 1) for number, leaf in enumerate(column.items)],
    )


def _assertions(failed: Mapping[str, int]) -> Any:
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
        assertions=[
            data_quality_assertions_dataset.Assertion(
                assertion=rule, success=False, severity="error", expected="0", actual=str(rows)
            )
            for rule, rows in sorted(failed.items())
        ]
    )
