"""The lake that a project declares, with the credentials of its Airflow connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concord.assets.table import Lake
    from concord.platforms.connection import Connection
    from concord.project import Project

__all__ = ["lake_of", "storage_options"]

_AWS = ("aws", "s3")
_OF_AWS: Mapping[str, str] = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
    "region_name": "AWS_REGION",
    "endpoint_url": "AWS_ENDPOINT_URL",
}
"""What Airflow's Amazon connections call things, to what the Delta library calls them."""


def lake_of(project: Project, connect: Callable[[str], Connection]) -> Lake:
    """The project's lake; a folder asks for no connection.

    Raises:
        MissingConnection: there is no connection of the name that ``lake_connection`` says.
    """
    from concord.assets.table import Lake

    if project.lake_connection is None or "://" not in project.lake:
        return Lake(project.lake, {})
    return Lake(project.lake, storage_options(connect(project.lake_connection)))


def storage_options(connection: Connection) -> dict[str, str]:
    """Options of the object store that *connection* leads to, for delta-rs and Polars alike.

    A connection of type ``aws`` reads as Airflow's Amazon provider writes it; without login and
    password the machine's own role counts. Whatever else stands in its extra is passed on.
    """
    found = {name: _text(value) for name, value in connection.extra.items()}
    if connection.kind in _AWS:
        found = {_OF_AWS.get(name, name): value for name, value in found.items()}
        if found.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            found.setdefault("AWS_ALLOW_HTTP", "true")
    if connection.login:
        found |= {
            "AWS_ACCESS_KEY_ID": connection.login,
            "AWS_SECRET_ACCESS_KEY": connection.password,
        }
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
