"""What commands share: the project meant, and a context outside any task."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from concord.project import Project, find_root, load, resolve, state_folder

if TYPE_CHECKING:
    from concord.steps.context import Context

__all__ = ["checked_project", "context", "deployed_project"]


def checked_project() -> Project:
    """The project meant, every file checked."""
    return load(find_root())


def deployed_project() -> Project:
    """The project meant, as deployed."""
    return resolve(find_root())


def context(project: Project, job: str, *, secrets: bool = False) -> Context:
    """A context for a command; its runs are named after the command and the instant.

    Args:
        secrets: whether the command needs the record key.
    """
    from concord.airflow.engine import Attempt, command_context, reading_context
    from concord.airflow.environment import command_environment

    os.environ |= command_environment(project.root, state_folder(project.root) / "airflow")
    started_at = datetime.now(UTC)
    run = f"{started_at:%Y-%m-%dT%H:%M:%S.%f}/{os.getpid()}"
    attempt = Attempt(job=job, dag="command", task=job, run=run)
    return command_context(project, attempt) if secrets else reading_context(project, attempt)
