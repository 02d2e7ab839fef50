"""Commit records, read out of a table's own log: one small file a version, on any store.

`DeltaTable.history` is not used: on a handle that is not at the head it numbers versions wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from deltalake.fs import DeltaStorageHandler

from concord.assets.commit import CommitRecord

__all__ = ["newest_record", "read_record"]


def read_record(uri: str, options: Mapping[str, str], version: int) -> CommitRecord | None:
    """The record of one commit; None when it is not ours or its log entry is cleaned away."""
    entry = _commit_info(uri, options, version)
    return None if entry is None else CommitRecord.from_metadata(entry)


def newest_record(uri: str, options: Mapping[str, str], at_most: int) -> CommitRecord | None:
    """The newest record of ours at or below a version; None when the log does not reach it.

    The head's log entry is always there. Commits that are not ours are few and passed over.
    """
    for version in range(at_most, -1, -1):
        entry = _commit_info(uri, options, version)
        if entry is None:
            return None
        record = CommitRecord.from_metadata(entry)
        if record is not None:
            return record
    return None


def _commit_info(uri: str, options: Mapping[str, str], version: int) -> dict[str, Any] | None:
    handler = DeltaStorageHandler(uri, dict(options) or None)
    try:
        with handler.open_input_file(f"_delta_log/{version:020d}.json") as file:
            lines = bytes(file.read()).splitlines()
    except FileNotFoundError:
        return None
    entries = (orjson.loads(line) for line in lines)
    return next((one["commitInfo"] for one in entries if "commitInfo" in one), {})
