"""Parquet, Avro and vCard on a full disk, under a lock, and beside a file that just changed."""

from __future__ import annotations

import fcntl
import os
import random
from collections.abc import Callable
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from full_disk import full_disk

from concord.errors import PlatformDown
from concord.platforms.base import Operation, Verb
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files

COUNT = 1500
CREATE = Operation("c", Verb.CREATE, None, "p", {"FN": "Canary"})
NAMES = [random.Random(number).randbytes(8).hex() for number in range(COUNT)]


def parquet(file: Path) -> None:
    columns = {"UID": [str(number) for number in range(COUNT)], "FN": NAMES}
    pq.write_table(pa.table(columns), file)


def avro(file: Path) -> None:
    fields = [{"name": name, "type": "string"} for name in ("UID", "FN")]
    rows = [{"UID": str(number), "FN": name} for number, name in enumerate(NAMES)]
    with file.open("wb") as stream:
        fastavro.writer(stream, {"type": "record", "name": "C", "fields": fields}, rows)


def vcf(file: Path) -> None:
    cards = (
        f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{number}\r\nFN:{name}\r\nEND:VCARD\r\n"
        for number, name in enumerate(NAMES)
    )
    file.write_bytes("".join(cards).encode())


@pytest.fixture(params=[parquet, avro, vcf], ids=lambda make: make.__name__)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    make: Callable[[Path], None] = request.param
    place = tmp_path / f"x.{make.__name__}"
    make(place)
    return place


def files(file: Path) -> Files:
    declared = PlatformDeclaration.model_validate(
        {
            "kind": "files",
            "connection": "n",
            "pattern": f"*{file.suffix}",
            "id": "UID",
            "purpose": "x",
            "fields": {"full_name": "FN"},
        }
    )
    place = Connection("n", "fs", str(file.parent))
    return Files("letters", declared, place, root=file.parent)


@pytest.mark.parametrize("room", [0, 10, 8_000])
def test_a_full_disk_leaves_the_file_whole_and_nothing_beside_it(file: Path, room: int) -> None:
    before = file.read_bytes()
    with full_disk(room), pytest.raises(PlatformDown, match=r"no room is left .*\[EFBIG\]"):
        files(file).write([CREATE])
    assert file.read_bytes() == before
    assert sorted(one.name for one in file.parent.iterdir()) == [".concord.lock", file.name]
    files(file).write([CREATE])
    assert sum(len(page.records) for page in files(file).listing()) == COUNT + 1


def test_only_one_writes_at_a_time(file: Path) -> None:
    before = file.read_bytes()
    with (file.parent / ".concord.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PlatformDown, match="somebody else writes"):
            files(file).write([CREATE])
    assert file.read_bytes() == before


def test_a_file_that_changes_while_it_is_read_is_not_believed(file: Path) -> None:
    pages = files(file).listing()
    next(pages)
    os.utime(file, (1, 1))
    with pytest.raises(PlatformDown, match="changed while it was read"):
        list(pages)
