"""The embedded CardDAV server: ready when entered, gone when left or when we die."""

from __future__ import annotations

import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from concord.demo.radicale import Radicale
from concord.errors import UsageError

CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a\r\nFN:Ada\r\nEND:VCARD\r\n"


def found(server: Radicale, name: str) -> str:
    auth = (server.login, server.password)
    return httpx.get(server.url + name, auth=auth, trust_env=False).raise_for_status().text


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def gone_within(pid: int, seconds: float) -> bool:
    """Wait on the process itself, which is not our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def test_it_serves_its_cards_from_a_folder_with_a_blank_and_an_umlaut(tmp_path: Path) -> None:
    with Radicale(tmp_path / "ein Büro %", cards={"a.vcf": CARD}) as server:
        assert "FN:Ada" in found(server, "a.vcf")
        pid = server.pid
        assert pid is not None
    assert not alive(pid)


def test_only_its_login_may_read_and_only_its_owner_may_look(tmp_path: Path) -> None:
    with Radicale(tmp_path / "r") as server:
        assert httpx.get(server.url, trust_env=False).status_code == 401
        assert stat.S_IMODE((tmp_path / "r").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "r" / "users").stat().st_mode) == 0o600


def test_an_address_book_that_is_there_stays_and_a_half_made_one_goes(tmp_path: Path) -> None:
    (tmp_path / "book.new").mkdir(parents=True)
    (tmp_path / "book.new" / "half.vcf").write_text("BEGIN")
    with Radicale(tmp_path, cards={"a.vcf": CARD}) as server:
        assert not (server.cards / "half.vcf").exists()
        first = server.password
    with Radicale(tmp_path, cards={"b.vcf": CARD}) as server:
        assert "FN:Ada" in found(server, "a.vcf")
        assert not (server.cards / "b.vcf").exists()
        assert server.password != first


@pytest.mark.parametrize("name", ["../a.vcf", ".hidden", "a\x00"])
def test_a_card_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(UsageError, match="slash"),
        Radicale(tmp_path, cards={name: CARD}),
    ):
        pass


def test_before_it_runs_it_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not running"):
        _ = Radicale(tmp_path).url


@pytest.mark.skipif(sys.platform != "linux", reason="the parent death signal is Linux's")
def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from concord.demo.radicale import Radicale\n"
        "with Radicale(pathlib.Path(sys.argv[1])) as server:\n"
        "    print(server.pid, flush=True); sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.communicate()
    assert gone_within(pid, 5)
