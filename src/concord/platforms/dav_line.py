"""The one connection in use, hung up when an answer takes too long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Line"]


class Line:
    """What `httpx` is talking over.

    A server that says a little now and then never lets a timeout of httpx come: each is about the
    silence between two reads.
    """

    def __init__(self) -> None:
        self.late = False
        self._socket: socket.socket | None = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn of a new connection, as httpcore tells it."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.late:
                self._hang_up()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Hang up after *seconds*."""
        self.late = False
        timer = threading.Timer(seconds, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _hang_up(self) -> None:
        self.late = True
        with suppress(OSError):
            if self._socket is not None:
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # below TLS
