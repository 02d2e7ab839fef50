"""Datasets as Airflow assets; the one place where an `Asset` is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow.sdk import Asset

from concord.lineage.names import dataset_uri

if TYPE_CHECKING:
    from concord.project import Project

__all__ = ["addresses", "asset", "assets"]


def asset(project: Project, dataset: str) -> Asset:
    """The asset of one dataset: logical name, physical address, and the contract in force."""
    declared = project.datasets[dataset]
    contract = declared.contract
    return Asset(
        name=dataset,
        uri=dataset_uri(project.lake, dataset),
        group="concord",
        extra={"contract": f"{contract.id}@{contract.version}"} if contract else {},
    )


def addresses(project: Project) -> dict[str, str]:
    """Name to address of every dataset of the project."""
    return {name: dataset_uri(project.lake, name) for name in project.datasets}


def assets(project: Project, datasets: Iterable[str]) -> list[Asset]:
    """The assets of these datasets, by name."""
    return [asset(project, dataset) for dataset in sorted(datasets)]
