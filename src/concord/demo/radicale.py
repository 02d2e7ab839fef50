"""A real CardDAV server as our own child: an address book in a folder, gone when we are.

Radicale runs as its own process and is never imported. It listens on 127.0.0.1 on a port that the
system chooses, knows one login whose password is new at every start, and keeps its log and cards
in a folder that only its owner can open.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from concord.errors import PlatformDown, UsageError

__all__ = ["Radicale"]

_STARTS = 5
_READY_S = 30.0
_STOP_S = 5.0
_FORBIDDEN = frozenset("/\\\0")

# A dead parent takes the server with it; the check closes the gap before prctl.
_PROGRAM = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
import runpy
sys.argv = ["radicale", "--config", sys.argv[2]]
runpy.run_module("radicale", run_name="__main__", alter_sys=True)
"""

# Its warnings quote addresses, and what it cannot read: only what stops it is logged.
_CONFIG = """
[server]
hosts = 127.0.0.1:{port}
[auth]
type = htpasswd
htpasswd_filename = {folder}/users
htpasswd_encryption = plain
delay = 0
[storage]
filesystem_folder = {folder}/storage
[web]
type = none
[logging]
level = critical
"""


class Radicale:
    """A context manager around one server; start it from the main thread.

    The kernel's parent death signal follows the thread that started the child: where the server
    is started from a thread, it stops with that thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cards: Mapping[str, str] | None = None,
        login: str = "concord",
        book: str = "contacts",
    ) -> None:
        """Take the folder; nothing happens before the context is entered.

        Args:
            folder: where cards, login and log live; made when missing.
            cards: text of each card by file name; what a new address book begins with. Written
                as they are, so that they may be damaged; an address book that is there stays.
        """
        self.folder = folder
        self.login = login
        self.password = secrets.token_urlsafe(24)
        self._book = book
        self._cards = dict(cards or {})
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the address book."""
        if self._process is None:
            raise UsageError("the embedded Radicale is not running; enter its context first")
        return f"http://127.0.0.1:{self._port}/{self.login}/{self._book}/"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def cards(self) -> Path:
        """The folder that holds the cards, one file each."""
        return self.folder / "storage" / "collection-root" / self.login / self._book

    def __enter__(self) -> Self:
        if importlib.util.find_spec("radicale") is None:
            raise UsageError("Radicale is not installed; install concord's extra `demo`")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._seed()
        _write(self.folder / "users", f"{self.login}:{self.password}\n")
        try:
            for _ in range(_STARTS):
                if self._started():
                    return self
            raise PlatformDown("embedded Radicale", f"stopped while starting, {_STARTS} times")
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server; harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _seed(self) -> None:
        """Make the address book once; a half-made one of a killed run is thrown away."""
        if self.cards.exists():
            return
        unfinished = self.folder / "book.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        for name, text in self._cards.items():
            if _FORBIDDEN & set(name) or name.startswith("."):
                raise UsageError("a card's file name may hold no slash and begin with no dot")
            (unfinished / name).write_bytes(text.encode())
        _write(unfinished / ".Radicale.props", json.dumps({"tag": "VADDRESSBOOK"}))
        self.cards.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished.rename(self.cards)

    def _started(self) -> bool:
        """Start on a free port; false when somebody else took it first."""
        self._port = _free_port()
        config = self.folder / "config"
        folder = self.folder.resolve()
        _write(config, _CONFIG.format(port=self._port, folder=folder))
        with (self.folder / "radicale.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-c", _PROGRAM, str(os.getpid()), str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if self._answers():
                return True
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            return False
        raise PlatformDown("embedded Radicale", f"not ready after {_READY_S:g} s")

    def _answers(self) -> bool:
        """Whether it is our server: it knows the password that nobody else has."""
        import httpx

        try:
            answer = httpx.get(
                self.url, auth=(self.login, self.password), timeout=5, trust_env=False
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == 200


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write(place: Path, text: str) -> None:
    place.touch(mode=0o600)
    place.write_text(text, encoding="utf-8")
