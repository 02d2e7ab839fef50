"""Two private corners of Airflow 3.3 that cost an embedded run seconds; each may stay slow.

Everything here touches private names. Where one has changed, the run goes on at Airflow's own
speed; a smoke test says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

__all__ = ["apply_patches", "no_second_lost", "only_newest_api"]

log = structlog.get_logger(__name__)


def apply_patches() -> tuple[str, ...]:
    """Apply all; returns the names of those that Airflow did not take."""
    patches: tuple[Callable[[], None], ...] = (only_newest_api, no_second_lost)
    refused = []
    for patch in patches:
        try:
            patch()
        except Exception as error:
            log.warning("patch not taken", patch=patch.__name__, error=type(error).__qualname__)
            refused.append(patch.__name__)
    return tuple(refused)


def only_newest_api() -> None:
    """Build the execution API's routes for one version, not for nine (6.6 s to 1.9 s).

    Call it before the in-process API is built.
    """
    from airflow.api_fastapi.execution_api import routes, versions
    from cadwyn import HeadVersion, Version, VersionBundle

    newest = Version(versions.bundle.versions[0].value)
    kept: list[Any] = [
        route
        for route in routes.execution_api_router.routes
        if "_CADWYN_DELETED_ROUTE" not in getattr(route, "tags", ())
    ]
    versions.bundle = VersionBundle(HeadVersion(), newest)
    routes.execution_api_router.routes[:] = kept


def no_second_lost() -> None:
    """Do not wait a heartbeat for a task whose sockets are all closed (9 s over a first run)."""
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess

    supervised: Any = ActivitySubprocess
    plain = supervised._service_subprocess
    if not hasattr(ActivitySubprocess, "_open_sockets") and "_open_sockets" not in {
        one.name for one in getattr(ActivitySubprocess, "__attrs_attrs__", ())
    }:
        raise AttributeError("_open_sockets")

    def quick(self: Any, max_wait_time: float, **options: Any) -> Any:
        waits = max_wait_time if self._open_sockets else min(max_wait_time, 0.02)
        return plain(self, waits, **options)

    supervised._service_subprocess = quick
