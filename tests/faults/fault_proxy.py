"""A proxy that misbehaves: TCP in front of any server, one fault at a time, set at any moment.

A *fault* takes a client's connection over, with what the client said last. It comes with the first
words that contain *when*, so that a handshake can pass and the question after it meets the fault.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

__all__ = [
    "Fault",
    "FaultProxy",
    "down",
    "drips",
    "half",
    "hangs",
    "never_ends",
    "says",
]

Fault = Callable[["Talk"], None]
_RESET = struct.pack("ii", 1, 0)
_BLOCK = 65536


class Talk:
    """One connection in trouble: the client, and the way to the server itself."""

    def __init__(
        self, client: socket.socket, server: socket.socket, said: bytes, over: threading.Event
    ) -> None:
        self.client, self.server, self.said, self.over = client, server, said, over

    def reset(self) -> None:
        """Hang up at once, without a farewell."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.client.close()


def down(talk: Talk) -> None:
    """Nobody is there."""
    talk.reset()


def hangs(talk: Talk) -> None:
    """Takes the question and says nothing."""
    talk.over.wait(60)


def half(count: int) -> Fault:
    """Passes the question on, gives *count* bytes of the answer, and hangs up."""

    def fault(talk: Talk) -> None:
        talk.server.sendall(talk.said)
        while talk.server not in select.select([talk.client, talk.server], [], [])[0]:
            talk.server.sendall(talk.client.recv(_BLOCK))
        talk.client.sendall(talk.server.recv(count))
        talk.reset()

    return fault


def drips(text: bytes, *, pause_s: float = 0.02, endless: bytes = b"") -> Fault:
    """Says *text*, then *endless* again and again, byte by byte."""

    def fault(talk: Talk) -> None:
        talk.client.sendall(text)
        while endless:
            for byte in endless:
                talk.client.sendall(bytes([byte]))
                if talk.over.wait(pause_s):
                    return

    return fault


def says(text: bytes, *, often: bool = True) -> Fault:
    """Answers every question with *text*, or only the first, and then leaves."""

    def fault(talk: Talk) -> None:
        said = talk.said
        while said:
            talk.client.sendall(text)
            said = talk.client.recv(_BLOCK) if often else b""

    return fault


def never_ends(text: bytes, more: bytes) -> Fault:
    """Says *text*, then *more* for ever, as fast as it can."""

    def fault(talk: Talk) -> None:
        talk.client.sendall(text)
        while not talk.over.is_set():
            talk.client.sendall(more)

    return fault


class FaultProxy:
    """Listens on 127.0.0.1.

    Attributes:
        heard: everything that clients said, in the order it came.
        port: where it listens.
    """

    def __init__(
        self, target: str | tuple[str, int], *, encrypted: ssl.SSLContext | None = None
    ) -> None:
        """Args: target: path of a Unix socket, or host and port; encrypted: for TLS to clients."""
        self._target, self._tls = target, encrypted
        self._fault: Fault | None = None
        self._when = b""
        self._over = threading.Event()
        self._troubled: list[socket.socket] = []
        self.heard = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @contextmanager
    def doing(self, fault: Fault, *, when: bytes = b"") -> Iterator[None]:
        """Misbehave as long as the context lasts."""
        self._over = threading.Event()
        self._fault, self._when = fault, when
        try:
            yield
        finally:
            self._fault = None
            self._over.set()
            while self._troubled:
                with suppress(OSError):
                    self._troubled.pop().shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(client,), daemon=True).start()

    def _meet(self, client: socket.socket) -> None:
        with suppress(OSError), client, self._reached() as server:
            self._relay(self._tls.wrap_socket(client, True) if self._tls else client, server)

    def _reached(self) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        return server

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            ready, _, _ = select.select([client, server], [], [])
            if server in ready:
                answer = server.recv(_BLOCK)
                if not answer:
                    return
                client.sendall(answer)
            if client in ready:
                said = client.recv(_BLOCK)
                self.heard += said
                if not said:
                    return
                if self._fault is not None and self._when in said:
                    self._troubled.append(client)
                    self._fault(Talk(client, server, said, self._over))
                    return
                server.sendall(said)
