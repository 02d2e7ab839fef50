"""What Airflow's database needs before its components start: tables and pools."""

from __future__ import annotations

import os
from pathlib import Path

from concord.airflow.engine import Engine

__all__ = ["main"]


def main(engine: Engine | None = None) -> None:
    """Make the database and the pools of the project in the environment."""
    from concord.airflow import database
    from concord.airflow.assets import addresses
    from concord.airflow.pools import make_pools

    project = (engine or Engine()).project(Path(os.environ["CONCORD_PROJECT"]))
    database.prepare()
    database.recover()
    database.release(addresses(project))
    make_pools(project.platforms)


if __name__ == "__main__":
    main()
