"""One folder of files: the newest one that matches, and its replacement as a whole.

Nothing outside the folder is ever touched: names are opened below the folder's descriptor, no
symbolic link is followed, and a path with ``..`` that leaves the connection's folder is refused.
What Concord needs there itself (a lock, the unfinished file) has names that begin with a dot, which
no pattern matches.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, BinaryIO

from concord.errors import PlatformDown, PlatformRefused, UnreadableInput

__all__ = ["MOST_COMPARED", "Folder", "Found"]

MOST_COMPARED = 10
"""Older files whose columns are looked at: a folder may keep the exports of years."""

_LOCK = ".concord.lock"
_UNFINISHED = ".concord.unfinished"
_MOST_BYTES = 1 << 30
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Found:
    """The newest file, open.

    Attributes:
        shown: its name as errors and places tell it: one line of text, whatever the name is.
        older: how many matching files are older, and so are not read.
        earlier: the newest of those, at most `MOST_COMPARED`: when modified, in ns, and the name.
    """

    name: str
    shown: str
    stream: BinaryIO
    stat: os.stat_result
    older: int
    earlier: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and the pattern of the file names that count in it.

    Attributes:
        base: the connection's folder, which is never left.
        path: of the folder, below *base*.
        project: what the folder is named from in errors, where it lies inside.
        every: every file counts, and none is named: files of cards bear people's names.
    """

    platform: str
    base: Path
    path: str
    pattern: str
    project: Path
    every: bool = False

    @contextmanager
    def newest(self) -> Iterator[Found]:
        """Open the newest matching file: the latest modification, then the last name.

        Raises:
            PlatformDown: no folder, no file, or the file changed while it was read.
            UnreadableInput: a symbolic link, or a file over the limit.
        """
        with self._translated(), self._descriptor() as folder:
            (_, name), *others = self._dated(folder)
            with self._opened(folder, name) as found:
                yield replace(found, older=len(others), earlier=others[:MOST_COMPARED])

    @contextmanager
    def file(self, name: str) -> Iterator[Found]:
        """Open one file, which `Found.earlier` or `names` tells; errors as of `newest`."""
        with self._translated(), self._descriptor() as folder, self._opened(folder, name) as found:
            yield found

    def names(self) -> list[str]:
        """Every file that matches, the newest first; at least one."""
        with self._translated(), self._descriptor() as folder:
            return self._names(folder)

    def add(self, name: str, content: bytes, like: os.stat_result) -> None:
        """Put a new file beside the others, whole or not at all; one that is there stays.

        Args:
            like: of the file whose rights and owner it takes.
        """
        with self._translated(), self._descriptor() as folder:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                with os.fdopen(os.open(_UNFINISHED, flags, 0o600, dir_fd=folder), "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    _take_after(stream.fileno(), like)
                    os.fsync(stream.fileno())
                os.link(_UNFINISHED, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(_UNFINISHED, dir_fd=folder)

    def remove(self, name: str) -> None:
        """Take a file away that holds nothing any more."""
        with self._translated(), self._descriptor() as folder:
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    @contextmanager
    def _opened(self, folder: int, name: str) -> Iterator[Found]:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableInput(self._shown(name), "is not a file")
            if found.st_size > _MOST_BYTES:
                what = f"is larger than {_MOST_BYTES >> 20} MiB; split it"
                raise UnreadableInput(self._shown(name), what)
            yield Found(name, self._shown(name), stream, found, 0)
            if not _same(found, os.fstat(stream.fileno())):
                raise PlatformDown(self.platform, "the file was changed while it was read")

    def writable(self) -> bool:
        """Whether a file could be replaced."""
        with self._translated(), self._descriptor() as folder:
            return os.access(".", os.W_OK | os.X_OK, dir_fd=folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who writes here.

        Raises:
            PlatformDown: somebody else writes just now.
        """
        with self._translated(), self._descriptor() as folder:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            lock = os.open(_LOCK, flags, 0o600, dir_fd=folder)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with suppress(FileNotFoundError):  # what a killed writer left
                    os.unlink(_UNFINISHED, dir_fd=folder)
                yield
            finally:
                os.close(lock)

    def replace(self, found: Found, fill: Callable[[IO[bytes]], bool]) -> None:
        """Put another file in the place of *found*, whole or not at all.

        Args:
            fill: writes the new file; false leaves the old one where it is.

        Raises:
            PlatformDown: the file is not the one that was read any more; nothing was written.
        """
        with self._translated(), self._descriptor() as folder:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                handle = os.open(_UNFINISHED, flags, 0o600, dir_fd=folder)
                with os.fdopen(handle, "wb") as stream:
                    wanted = fill(stream)
                    stream.flush()
                    _take_after(stream.fileno(), found.stat)
                    os.fsync(stream.fileno())
                if not wanted:
                    return
                now = os.stat(found.name, dir_fd=folder, follow_symlinks=False)
                newest = self.every or self._names(folder)[0] == found.name
                if not _same(found.stat, now) or not newest:
                    raise PlatformDown(
                        self.platform,
                        "somebody changed the file while it was rewritten; nothing was written",
                    )
                os.rename(_UNFINISHED, found.name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(_UNFINISHED, dir_fd=folder)

    @contextmanager
    def _descriptor(self) -> Iterator[int]:
        try:
            base = self.base.resolve()
            folder = (base / self.path).resolve()
        except (RuntimeError, ValueError):  # links in a circle; a zero byte
            raise PlatformRefused(self.platform, "the path of its folder leads nowhere") from None
        if not folder.is_relative_to(base):
            what = "`path:` leaves the connection's folder, or the project where there is none"
            raise PlatformRefused(self.platform, what)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _names(self, folder: int) -> list[str]:
        return [name for _, name in self._dated(folder)]

    def _dated(self, folder: int) -> list[tuple[int, str]]:
        """The files that match and when they were modified, the newest first; at least one."""
        found: list[tuple[int, str]] = []
        others = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not fnmatchcase(entry.name, self.pattern):
                    continue
                if entry.is_symlink():
                    raise UnreadableInput(
                        self._shown(entry.name),
                        "is a symbolic link; put the file itself into the folder",
                    )
                if not entry.is_file(follow_symlinks=False):
                    others += 1
                    continue
                found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
        if not found:
            what = f"no file matches {self.pattern} in its folder, {self._named()}"
            if others:
                what += f"; {others} that do are no files but folders or devices"
            raise PlatformDown(self.platform, what)
        return sorted(found, reverse=True)

    def _shown(self, name: str) -> str:
        return f"one of the files {self.pattern}" if self.every else _shown(name)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:
            raise PlatformDown(self.platform, "somebody else writes into its folder") from None
        except OSError as error:
            raise _in_our_words(self.platform, self._named(), error) from None

    def _named(self) -> str:
        """The folder as people know it: configuration, no one's data."""
        folder, project = (self.base / self.path).resolve(), self.project.resolve()
        if folder == project:
            return "the project itself; name a folder in the connection"
        inside = folder.is_relative_to(project)
        return (folder.relative_to(project) if inside else folder).as_posix()


def _in_our_words(platform: str, folder: str, error: OSError) -> PlatformDown | PlatformRefused:
    code = errno.errorcode.get(error.errno or 0, "")
    if error.errno in _FULL:
        return PlatformDown(platform, "no room is left for its file; nothing was written", code)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return PlatformDown(platform, f"its folder or a file in it is not there: {folder}", code)
    if isinstance(error, PermissionError) or error.errno in (errno.EROFS, errno.ELOOP):
        what = f"no right to use its folder or a file in it: {folder}"
        return PlatformRefused(platform, what, code)
    return PlatformDown(platform, "its folder cannot be used now", code)


def _shown(name: str) -> str:
    """A file's name in one line; bytes that are no UTF-8, and what breaks lines, as escapes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in name
    )


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_dev, before.st_ino, before.st_size, before.st_mtime_ns) == (
        after.st_dev,
        after.st_ino,
        after.st_size,
        after.st_mtime_ns,
    )


def _take_after(handle: int, old: os.stat_result) -> None:
    """Give the new file the old one's rights and owner, and never an older date."""
    os.fchmod(handle, stat.S_IMODE(old.st_mode))
    with suppress(PermissionError):
        os.fchown(handle, old.st_uid, old.st_gid)
    newest = max(time.time_ns(), old.st_mtime_ns)
    os.utime(handle, ns=(newest, newest))
