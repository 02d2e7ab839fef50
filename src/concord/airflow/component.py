"""One Airflow component that dies with whoever started it: ``python -m … scheduler``."""

from __future__ import annotations

import sys

from concord.airflow.processes import die_with_parent

__all__ = ["main"]


def main() -> None:
    """Become ``airflow <arguments>``; every fork of it dies with its parent too."""
    die_with_parent()
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", *sys.argv[1:]]
    airflow()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
