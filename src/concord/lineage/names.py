"""How OpenLineage names datasets: by their physical address.

See https://openlineage.io/docs/spec/naming; a Delta table is named by its path, as Spark names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["DatasetName", "dataset_name", "dataset_uri"]


@dataclass(frozen=True, slots=True, order=True)
class DatasetName:
    """Namespace and name of one dataset on the wire."""

    namespace: str
    name: str


def dataset_uri(lake: str, dataset: str) -> str:
    """The physical address of a dataset's table: ``file://`` or that of the object store.

    Args:
        lake: absolute folder, or a URL such as ``s3://bucket/prefix``.
        dataset: for example ``golden/contacts``.
    """
    place = f"{lake.rstrip('/')}/{dataset}"
    return place if "://" in place else Path(place).as_uri()


def dataset_name(uri: str) -> DatasetName:
    """Namespace and name of the table at *uri*, as Airflow's own converters give them.

    ``file:///lake/golden/contacts`` is ``/lake/golden/contacts`` in ``file``;
    ``s3://bucket/lake/golden`` is ``lake/golden`` in ``s3://bucket``.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return DatasetName("file", parts.path)
    return DatasetName(f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/"))
