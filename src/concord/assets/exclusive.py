"""Whether a lake's object store refuses to write over what is there: every commit rests on that."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from deltalake.fs import DeltaStorageHandler

from concord.assets.table import Lake
from concord.errors import LakeDown

__all__ = ["refuses_to_overwrite"]

_WRITERS, _ROUNDS = 4, 8
_ONCE = CommitProperties(max_commit_retries=0)
_ROW = pa.table({"n": [1]})


def refuses_to_overwrite(lake: Lake) -> bool:
    """Let writers race for the versions of a table of our own, which is then removed.

    A store that does not know If-None-Match, or looks first and writes later, lets two of them make
    the same version: each would believe that its commit stands. Delta looks at the log before it
    writes, so only writers at the same moment show it: in five rounds of six, as measured.

    Raises:
        LakeDown: the store does not answer, or takes nothing.
    """
    uri, options = lake.uri(f".probe/{uuid.uuid4().hex}"), dict(lake.storage_options) or None
    try:
        DeltaTable.create(uri, _ROW.schema, storage_options=options)
        with ThreadPoolExecutor(_WRITERS) as pool:
            alone = all(_one_wins(pool, uri, options) for _ in range(_ROUNDS))
        DeltaStorageHandler(uri, options).delete_dir("")
        return alone
    except OSError:
        pass
    raise LakeDown("lake")


def _one_wins(pool: ThreadPoolExecutor, uri: str, options: dict[str, str] | None) -> bool:
    handles = [DeltaTable(uri, storage_options=options) for _ in range(_WRITERS)]
    together = Barrier(_WRITERS)

    def commits(table: DeltaTable) -> bool:
        together.wait()
        try:
            write_deltalake(table, _ROW, mode="append", commit_properties=_ONCE)
        except CommitFailedError:
            return False
        return True

    return sum(pool.map(commits, handles)) < 2
