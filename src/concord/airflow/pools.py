"""One Airflow pool a platform, as large as the number of tasks that may write to it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow.models.pool import Pool
from airflow.utils.session import create_session

from concord.airflow.plans import pool_of

if TYPE_CHECKING:
    from concord.platforms.declaration import PlatformDeclaration

__all__ = ["make_pools"]


def make_pools(platforms: Mapping[str, PlatformDeclaration]) -> None:
    """Bring the pools to the declared size.

    A size that people gave a pool does not stay: with more slots than *extract* takes, a reading
    and a delivery would run at once; with fewer, it would never start.
    """
    with create_session() as session:
        for platform, declaration in sorted(platforms.items()):
            Pool.create_or_update_pool(
                pool_of(platform),
                slots=declaration.writers,
                description=f"Calls to {platform}",
                include_deferred=False,
                session=session,
            )
