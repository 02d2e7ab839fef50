"""Whoever receives alerts: a web server for Apprise's json://, a mail server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

__all__ = ["Mail", "Web", "mail", "web"]


class Web:
    """What was posted, and what it is answered with."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.status = 200
        self.port = 0
        self.open = threading.Event()
        self.open.set()

    @property
    def extra(self) -> dict[str, Any]:
        """Of an Airflow connection that leads here."""
        return {"config": {"path": f"json://127.0.0.1:{self.port}"}}


@contextmanager
def web() -> Iterator[Web]:
    """A web server that keeps what is posted; it answers while its event `open` is set."""
    kept = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.open.wait()
            kept.posted.append(json.loads(body))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        kept.open.set()
        server.shutdown()
        server.server_close()


class Mail:
    """What was mailed."""

    def __init__(self) -> None:
        self.mailed: list[EmailMessage] = []
        self.port = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mailed.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@contextmanager
def mail() -> Iterator[Mail]:
    """A mail server without encryption that keeps what it gets."""
    kept = Mail()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        kept.port = free.getsockname()[1]
    controller = Controller(kept, hostname="127.0.0.1", port=kept.port)
    controller.start()
    try:
        yield kept
    finally:
        controller.stop()
