"""The closing table of a run: what every dataset is at, and what it took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from concord.project import Project

__all__ = ["COLUMNS", "closing_rows", "stood_in", "writes_of"]

COLUMNS = (
    "dataset",
    "version",
    "rows",
    "changed",
    "quarantined",
    "reads",
    "writes",
    "seconds",
)


def closing_rows(project: Project, results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a dataset that some step wrote or looked at, upstream first.

    Args:
        project: gives the order.
        results: what every finished step told, in order.
    """
    rows: dict[str, dict[str, Any]] = {}
    for result in results:
        published = result["published"]
        for one in published:
            row = rows.setdefault(one["dataset"], _empty(one["dataset"]))
            row["version"] = one["version"]
            row["rows"] = one["rows"]
            if one["outcome"] == "written":
                row["changed"] += one["upserted"] + one["deleted"]
        if published:
            _add_effort(rows[_main(published)["dataset"]], result)
    order = {name: place for place, name in enumerate(project.datasets)}
    shown = [row for row in rows.values() if not row["dataset"].startswith(("ops/", "quarantine/"))]
    return sorted(shown, key=lambda row: order[row["dataset"]])


def _empty(dataset: str) -> dict[str, Any]:
    empty = dict.fromkeys(COLUMNS, 0)
    return {**empty, "dataset": dataset, "quarantined": None, "seconds": 0.0}


def _main(published: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The dataset a step is there for: the last that is no quarantine."""
    shown = [one for one in published if not one["dataset"].startswith("quarantine/")]
    return (shown or published)[-1]


def _add_effort(row: dict[str, Any], result: Mapping[str, Any]) -> None:
    row["reads"] += result["reads"]
    row["writes"] += result["writes"]
    row["seconds"] += result["seconds"]
    if result["step"] in ("clean", "survivorship", "consent"):
        row["quarantined"] = result["quarantined"]


def writes_of(results: Iterable[Mapping[str, Any]]) -> int:
    """Operations that platforms carried out."""
    return sum(result["writes"] for result in results)


def stood_in(failed: Iterable[tuple[str, str | None]]) -> list[str]:
    """What stands in for platforms whose branch failed.

    Args:
        failed: step and platform of every task that failed for good.
    """
    platforms = {platform for step, platform in failed if step in ("extract", "clean") and platform}
    return [
        f"{platform}: nothing new was taken in; golden uses its last good snapshot"
        for platform in sorted(platforms)
    ]
