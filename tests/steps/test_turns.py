"""Whose turn it is to call a platform: locks of slots, which end with their process."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from concord.assets.table import Lake
from concord.steps import turns
from concord.steps.context import Context
from concord.steps.turns import turn
from concord.sync.chunks import EVERY_SLOT

HOLDER = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


def lake(root: Path | str) -> Context:
    """As much of a context as turns look at."""
    return cast(Context, SimpleNamespace(lake=Lake(str(root))))


def taken(root: Path, platform: str = "crm") -> set[int]:
    """Slots that somebody has."""
    found = set()
    for slot in EVERY_SLOT:
        place = root / ".turns" / f"{platform}.{slot}"
        if not place.exists():
            continue
        with place.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.add(slot)
    return found


@pytest.mark.parametrize("slots", [EVERY_SLOT, [3], [1, 5], []])
def test_slots_are_kept_for_the_block_and_no_longer(tmp_path: Path, slots: Iterable[int]) -> None:
    with turn(lake(tmp_path), "crm", list(slots)):
        assert taken(tmp_path) == set(slots)
        assert taken(tmp_path, "address_book") == set()
    assert taken(tmp_path) == set()


def test_an_error_within_the_block_gives_the_slots_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="within"), turn(lake(tmp_path), "crm", [1]):
        raise ValueError("within")
    assert taken(tmp_path) == set()


def test_writers_of_different_slots_and_of_different_platforms_wait_for_nobody(
    tmp_path: Path,
) -> None:
    ctx = lake(tmp_path)
    slots = turn(ctx, "crm", [0, 1]), turn(ctx, "crm", [2])
    with capture_logs() as said, slots[0], slots[1], turn(ctx, "address_book"):
        assert taken(tmp_path) == {0, 1, 2}
    assert said == []


def test_slots_are_taken_in_one_order_so_that_nobody_waits_in_a_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []

    def watched(handle: int, _: str) -> None:
        order.append(Path(os.readlink(f"/proc/self/fd/{handle}")).suffix)

    monkeypatch.setattr(turns, "_take", watched)
    with turn(lake(tmp_path), "crm", [5, 0, 3]):
        assert order == [".0", ".3", ".5"]


def test_a_reader_waits_for_every_writer_and_says_so_until_the_writers_process_ends(
    tmp_path: Path,
) -> None:
    (tmp_path / ".turns").mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / ".turns" / "crm.4")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    had = threading.Event()

    def read() -> None:
        with turn(lake(tmp_path), "crm"):
            had.set()

    reader = threading.Thread(target=read)
    with capture_logs() as said:
        reader.start()
        while not said:
            assert not had.wait(0.01)
    assert [one["platform"] for one in said] == ["crm"]
    assert not had.is_set()
    holder.kill()
    holder.communicate()
    assert had.wait(10)
    reader.join()


def test_a_lake_in_an_object_store_has_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with turn(lake("s3://bucket/lake"), "crm"):
        assert list(tmp_path.iterdir()) == []
