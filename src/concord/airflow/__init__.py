"""The outermost layer: a project as Airflow Dags; the only importer of Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concord.airflow.dags import render_dags
    from concord.airflow.subscribers import subscribe

__all__ = ["render_dags", "subscribe"]


def __getattr__(name: str) -> Any:
    if name == "render_dags":
        from concord.airflow.dags import render_dags

        return render_dags
    if name == "subscribe":
        from concord.airflow.subscribers import subscribe

        return subscribe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
