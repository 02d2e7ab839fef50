"""A step's figures as Airflow metrics: sent wherever Airflow's own settings send its metrics.

Each goes out twice: with the tags ``step`` and ``platform``, for OpenTelemetry, Datadog and StatsD
of InfluxDB, and under a dotted name that ends in both, for a StatsD that knows no tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.observability import stats

if TYPE_CHECKING:
    from concord.platforms.effort import Effort

__all__ = ["send"]


def send(*, step: str, platform: str | None, rows: int, effort: Effort) -> None:
    """Count what one try did; what is 0 is not sent.

    Args:
        step: the step; its metrics are ``concord.<figure>`` and
            ``concord.<figure>.<step>[.<platform>]``.
        rows: rows that it wrote and deleted.
    """
    figures: dict[str, float] = {
        "rows": rows,
        "calls": effort.calls,
        "retries": effort.retries,
        "throttled_seconds": effort.throttled_s,
        "batch_seconds": effort.batch_s,
    }
    place = {"step": step, "platform": platform} if platform else {"step": step}
    for name, value in figures.items():
        if value:
            _add(f"concord.{name}", value, place)
            _add(f"concord.{name}.{'.'.join(place.values())}", value, {})


def _add(name: str, value: float, tags: dict[str, str]) -> None:
    """Counters grow by fractions too, in StatsD and OpenTelemetry; Airflow types integers."""
    count: int = round(value, 6)  # type: ignore[assignment]
    stats.incr(name, count, tags=tags)
