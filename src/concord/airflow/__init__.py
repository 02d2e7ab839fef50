"""The outermost layer: a project as Airflow Dags; the only importer of Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concord.airflow.dags import render_dags

__all__ = ["render_dags"]


def __getattr__(name: str) -> Any:
    if name == "render_dags":
        from concord.airflow.dags import render_dags

        return render_dags
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
