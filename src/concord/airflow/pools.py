"""One Airflow pool a platform, so that nothing calls it twice at the same time."""

from __future__ import annotations

from collections.abc import Iterable

from airflow.models.pool import Pool
from airflow.utils.session import create_session

from concord.airflow.plans import pool_of

__all__ = ["make_pools"]


def make_pools(platforms: Iterable[str]) -> None:
    """Make the pools of these platforms; one that is there keeps the size people gave it."""
    with create_session() as session:
        for platform in sorted(platforms):
            name = pool_of(platform)
            if Pool.get_pool(name, session=session) is None:
                Pool.create_or_update_pool(
                    name,
                    slots=1,
                    description=f"Calls to {platform}",
                    include_deferred=False,
                    session=session,
                )
