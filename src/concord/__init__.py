"""Concord: contact-sync pipelines that data people can trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concord.airflow import render_dags, subscribe

__all__ = ["render_dags", "subscribe"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from concord import airflow

    return getattr(airflow, name)
